package simulate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"asem/domain"
)

// Study is the plan of a synthetic study of the 8-month design: waves at 0, 4 and 8 months, a diary
// burst after the first, one interaction at the first that judges rate for responsiveness. Equal plans make equal
// studies.
type Study struct {
	Code        string
	Seed        uint64
	Couples     int
	Separations int // couples that separate on the way
	Judges      int
	DiaryDays   int
	Effects     Effects
}

// Effects are what the simulator puts in: for each point of coded responsiveness, as the mean of the judges' ratings, the
// change of an outcome's slope in scale points a month.
type Effects struct {
	AnxietyActor, AnxietyPartner     float64
	AvoidanceActor, AvoidancePartner float64
}

// Example is the study of the demo.
func Example() Study {
	return Study{
		Code: "DEMO", Seed: 20261123, Couples: 120, Separations: 5, Judges: 3, DiaryDays: 14,
		Effects: Effects{AnxietyActor: -0.010, AnxietyPartner: -0.030, AvoidanceActor: -0.015, AvoidancePartner: -0.040},
	}
}

// Check refuses plans that cannot be carried out.
func (s Study) Check() error {
	if err := domain.CheckCode("study", s.Code); err != nil {
		return err
	}
	if s.Couples < 1 || s.Couples > 999_999 {
		return &domain.Error{Code: domain.Invalid, Path: "couples", Message: fmt.Sprintf("%d couples; expected 1 to 999999", s.Couples)}
	}
	if s.Separations < 0 || s.Separations > s.Couples {
		return &domain.Error{Code: domain.Invalid, Path: "separations", Message: fmt.Sprintf("%d separations of %d couples", s.Separations, s.Couples)}
	}
	return nil
}

// Names in the simulated protocol.
const (
	Zone      = "Europe/Berlin"
	Scheme    = "responsiveness"
	Diary     = "diary"
	task      = "support-talk"
	consentV1 = "1"
)

// The instruments that the study uses; all of our own wording.
var (
	waveInstruments  = []string{"asem-demo", "asem-satisfaction", "asem-perceived-responsiveness"}
	diaryInstruments = []string{"asem-daily"}
)

func instruments(codes []string) []domain.Instrument {
	list := make([]domain.Instrument, len(codes))
	for i, c := range codes {
		in, ok := domain.LatestKey(c)
		if !ok {
			panic("simulate: instrument " + c + " does not ship")
		}
		list[i] = in
	}
	return list
}

func refs(codes []string) []domain.InstrumentRef {
	var list []domain.InstrumentRef
	for _, in := range instruments(codes) {
		list = append(list, in.Ref())
	}
	return list
}

// Setup returns the orders that create the study, register its instruments and publish its protocol.
func (s Study) Setup() []domain.Order {
	e := s.Effects
	sim := &domain.Simulation{Seed: s.Seed, Effects: []domain.TrueEffect{
		{Outcome: "anxiety", Predictor: "coded_" + Scheme, Path: "actor", Value: e.AnxietyActor},
		{Outcome: "anxiety", Predictor: "coded_" + Scheme, Path: "partner", Value: e.AnxietyPartner},
		{Outcome: "avoidance", Predictor: "coded_" + Scheme, Path: "actor", Value: e.AvoidanceActor},
		{Outcome: "avoidance", Predictor: "coded_" + Scheme, Path: "partner", Value: e.AvoidancePartner},
	}}
	at := firstDay.Start(time.UTC)
	orders := []domain.Order{order(at, domain.CreateStudy{Study: s.Code, Title: fmt.Sprintf("Eight months of %d couples (synthetic)", s.Couples), Zone: Zone, Simulation: sim})}
	for _, in := range append(instruments(waveInstruments), instruments(diaryInstruments)...) {
		orders = append(orders, order(at, domain.RegisterInstrument{Study: s.Code, Instrument: in}))
	}
	return append(orders, order(at, domain.PublishProtocol{Study: s.Code, Protocol: s.protocol()}))
}

var firstDay = domain.NewDate(2025, time.January, 13)

func (s Study) protocol() domain.Protocol {
	wave := func(index int, label string, month float64) domain.Wave {
		return domain.Wave{Index: index, Label: label, Month: month, OpensDaysEarly: 3, ClosesDaysLate: 14, GraceDays: 7, Instruments: refs(waveInstruments)}
	}
	dimension := func(code, title string) domain.Dimension {
		return domain.Dimension{Code: code, Title: title, Min: 1, Max: 7, Step: 1, Anchors: map[string]string{"1": "not at all", "4": "somewhat", "7": "fully"}}
	}
	return domain.Protocol{
		Version: 1, Roles: []domain.RoleLabel{{Role: domain.RoleA, Label: "woman"}, {Role: domain.RoleB, Label: "man"}}, TimeUnitMonths: 1,
		Waves: []domain.Wave{wave(1, "start", 0), wave(2, "4 months", 4), wave(3, "8 months", 8)},
		Diaries: []domain.DiaryBurst{{Code: Diary, StartMonth: 0, StartDay: 7, Days: s.DiaryDays, OpensHour: 17, ClosesHour: 27, GraceHours: 9,
			Instruments: refs(diaryInstruments)}},
		Tasks: []domain.Task{{Code: task, Title: "Talking about a personal worry", Wave: 1}},
		Schemes: []domain.CodingScheme{{Code: Scheme, Title: "Responsiveness to the partner", Unit: domain.UnitClip, Directed: domain.DirectedPerson, JudgesPerClip: s.Judges,
			Dimensions: []domain.Dimension{dimension("understanding", "Understanding"), dimension("validation", "Validation"), dimension("caring", "Caring")}}},
		AfterSeparation: domain.StopAfterSeparation,
	}
}

func order(at time.Time, c domain.Command) domain.Order {
	return domain.Order{By: domain.Actor{Role: domain.ActorSystem, Subject: "simulator"}, At: at, Command: c}
}

// Couple returns everything that happens to couple i, from 1 to Couples, in the order of time. Couples do not depend
// on each other.
func (s Study) Couple(i int) []domain.Order {
	zone, err := time.LoadLocation(Zone)
	if err != nil {
		panic(err) // package domain brings the zones along
	}
	c := &couple{
		study: s, r: rand.New(rand.NewPCG(s.Seed, uint64(i))), zone: zone, code: fmt.Sprintf("%03d", i),
		enrolled: firstDay.AddDays(i * 60 / max(s.Couples, 1)),
	}
	if s.Separations > 0 && i%(max(s.Couples/s.Separations, 1)) == 0 && i/(max(s.Couples/s.Separations, 1)) <= s.Separations {
		c.separates = c.enrolled.AddDays(75 + c.r.IntN(120))
	}
	c.run()
	return c.orders
}

// couple is the state of one simulated couple.
type couple struct {
	study     Study
	r         *rand.Rand
	zone      *time.Location
	code      string
	enrolled  domain.Date
	separates domain.Date // zero: stays together
	gone      [2]bool     // has dropped out
	people    [2]person
	orders    []domain.Order
}

// person holds what is true of one partner.
type person struct {
	role                         domain.Role
	coded                        float64 // responsiveness as the judges saw it: mean of their ratings
	latent                       float64 // responsiveness as it is, standardised
	level, slope                 [2]float64
	satisfaction, responsiveness float64
	security                     float64 // of today, carried from day to day
}

// The outcomes in the order of person.level and person.slope.
const (
	anxiety = iota
	avoidance
)

// What the simulated population is like, in scale points and months. The effects are per point of coded responsiveness
// around its middle of 4.
var population = struct {
	level, levelSD   [2]float64
	slope, slopeSD   [2]float64
	partnersAlike    float64 // correlation of partners' levels, slopes and responsiveness
	occasionSD       float64
	occasionsAlike   float64 // correlation of partners' deviations on one occasion
	itemSD           float64
	judgeBiasSD      float64
	judgeErrorSD     float64
	responsivenessSD float64
	skipsItem        float64
	missesWave       float64
	leaves           float64 // a partner drops out between two waves
	missesDay        float64
}{
	level: [2]float64{3.9, 3.7}, levelSD: [2]float64{0.6, 0.55},
	slope: [2]float64{0.01, 0.02}, slopeSD: [2]float64{0.05, 0.05},
	partnersAlike: 0.3, occasionSD: 0.3, occasionsAlike: 0.25, itemSD: 0.5,
	judgeBiasSD: 0.3, judgeErrorSD: 0.7, responsivenessSD: 1.1,
	skipsItem: 0.01, missesWave: 0.04, leaves: 0.05, missesDay: 0.14,
}

// pair draws two standard normal numbers with a correlation.
func (c *couple) pair(correlation float64) [2]float64 {
	a, b := c.r.NormFloat64(), c.r.NormFloat64()
	return [2]float64{a, correlation*a + math.Sqrt(1-correlation*correlation)*b}
}

func (c *couple) give(at time.Time, cmd domain.Command) { c.orders = append(c.orders, order(at, cmd)) }

func (c *couple) run() {
	roles := [2]domain.Role{domain.RoleA, domain.RoleB}
	responsiveness := c.pair(population.partnersAlike)
	for i := range c.people {
		c.people[i] = person{role: roles[i], latent: responsiveness[i]}
	}
	c.enrol()
	c.interact()
	c.draw()
	for _, w := range c.study.protocol().Waves {
		if w.Index > 1 {
			c.leave(w)
		}
		c.wave(w)
		if w.Index == 1 {
			c.diary(c.study.protocol().Diaries[0])
		}
	}
}

// draw makes levels and slopes from the coded responsiveness of both partners: the effects that were put in.
func (c *couple) draw() {
	e := c.study.Effects
	actor, partner := [2]float64{e.AnxietyActor, e.AvoidanceActor}, [2]float64{e.AnxietyPartner, e.AvoidancePartner}
	for o := range 2 {
		level, slope := c.pair(population.partnersAlike), c.pair(population.partnersAlike)
		for i := range c.people {
			me, other := &c.people[i], c.people[1-i]
			me.level[o] = population.level[o] + population.levelSD[o]*level[i] - 0.1*(other.coded-4)
			me.slope[o] = population.slope[o] + population.slopeSD[o]*slope[i] + actor[o]*(me.coded-4) + partner[o]*(other.coded-4)
		}
	}
	satisfaction := c.pair(0.5)
	for i := range c.people {
		me, other := &c.people[i], c.people[1-i]
		me.satisfaction = 4.6 + 0.6*satisfaction[i] + 0.3*(other.coded-4)
		me.responsiveness = 4.5 + 0.5*c.r.NormFloat64() + 0.5*(other.coded-4)
	}
}

func (c *couple) enrol() {
	at := c.enrolled.At(10, c.zone)
	cmd := domain.EnrolCouple{Study: c.study.Code, Couple: c.code, EnrolledOn: c.enrolled}
	for _, p := range c.people {
		cmd.Participants = append(cmd.Participants, domain.NewParticipant{Role: p.role, Code: c.code + "-" + string(p.role), Zone: Zone})
	}
	c.give(at, cmd)
	for _, p := range c.people {
		for _, scope := range []domain.Scope{domain.ScopeQuestionnaires, domain.ScopeDiary, domain.ScopeVideo} {
			c.give(at, domain.GiveConsent{Study: c.study.Code, Couple: c.code, Role: p.role, Scope: scope, Version: consentV1})
		}
	}
}

// interact records the interaction of the first wave and lets the judges rate both partners.
func (c *couple) interact() {
	held := c.enrolled.At(15, c.zone)
	c.give(held, domain.RecordInteraction{Study: c.study.Code, Couple: c.code, Interaction: "talk", Task: task, DurationMs: 480_000, HeldAt: held})
	c.give(held, domain.CutClip{Study: c.study.Code, Couple: c.code, Clip: "talk-1", Interaction: "talk", StartMs: 0, EndMs: 480_000})
	dimensions := c.study.protocol().Schemes[0].Dimensions
	sum := [2]float64{}
	for j := range c.study.Judges {
		judge := fmt.Sprintf("judge-%d", j+1)
		bias := population.judgeBiasSD * rand.New(rand.NewPCG(c.study.Seed, 1<<40+uint64(j))).NormFloat64()
		rated := held.AddDate(0, 2, j)
		for i, p := range c.people {
			for _, d := range dimensions {
				v := 4.2 + population.responsivenessSD*p.latent + bias + population.judgeErrorSD*c.r.NormFloat64()
				v = math.Round(min(max(v, d.Min), d.Max))
				sum[i] += v
				c.give(rated, domain.RecordRating{Study: c.study.Code, Couple: c.code, Clip: "talk-1", Judge: judge, Scheme: Scheme,
					Dimension: d.Code, Rated: p.role, Value: v, RatedAt: rated})
			}
		}
	}
	for i := range c.people {
		c.people[i].coded = sum[i] / float64(c.study.Judges*len(dimensions))
	}
}

// beginnings returns what days are counted from: in this study that is enrolment.
func (c *couple) beginnings() domain.Beginnings { return domain.Beginnings{Enrolled: c.enrolled} }

// leave lets partners drop out and couples separate before a wave. Who is high in avoidance drops out a little more often:
// missing at random, given what was observed before.
func (c *couple) leave(w domain.Wave) {
	day := w.NominalDay(c.beginnings()).AddDays(-20)
	if !c.separates.IsZero() && c.separates.Before(w.NominalDay(c.beginnings()).AddDays(-3)) && !(c.gone[0] && c.gone[1]) {
		c.give(c.separates.At(12, c.zone), domain.SeparateCouple{Study: c.study.Code, Couple: c.code, On: c.separates})
		c.gone = [2]bool{true, true}
	}
	for i, p := range c.people {
		if !c.gone[i] && c.r.Float64() < population.leaves*math.Exp(0.4*(p.level[avoidance]-population.level[avoidance])) {
			c.give(day.At(12, c.zone), domain.WithdrawParticipant{Study: c.study.Code, Couple: c.code, Role: p.role, On: day})
			c.gone[i] = true
		}
	}
}

func (c *couple) wave(w domain.Wave) {
	occasion := [2][2]float64{c.pair(population.occasionsAlike), c.pair(population.occasionsAlike)}
	nominal := w.NominalDay(c.beginnings())
	for i, p := range c.people {
		if c.gone[i] {
			continue
		}
		if c.r.Float64() < population.missesWave {
			at := nominal.AddDays(w.ClosesDaysLate+w.GraceDays+1).At(6, c.zone)
			c.give(at, domain.CloseWave{Study: c.study.Code, Couple: c.code, Role: p.role, Wave: w.Index, At: at})
			continue
		}
		filled := nominal.AddDays(c.r.IntN(w.ClosesDaysLate+4)).At(18+c.r.IntN(5), c.zone).Add(time.Duration(c.r.IntN(3600)) * time.Second)
		truth := map[string]float64{
			"anxiety":        p.level[anxiety] + p.slope[anxiety]*w.Month + population.occasionSD*occasion[anxiety][i],
			"avoidance":      p.level[avoidance] + p.slope[avoidance]*w.Month + population.occasionSD*occasion[avoidance][i],
			"satisfaction":   p.satisfaction + 0.3*c.r.NormFloat64(),
			"responsiveness": p.responsiveness + 0.3*c.r.NormFloat64(),
		}
		for k, in := range instruments(waveInstruments) {
			at := filled.Add(time.Duration(2*k) * time.Minute)
			answers, shown := c.answer(in, truth)
			c.give(at, domain.SubmitQuestionnaire{Study: c.study.Code, Couple: c.code, Role: p.role, Wave: w.Index, Instrument: in.Ref(),
				Answers: answers, ShownOrder: shown, StartedAt: at.Add(-90 * time.Second), FilledAt: at})
		}
	}
}

// diary fills the days of the burst. Today's security rests on yesterday's and on what the partner gives today.
func (c *couple) diary(b domain.DiaryBurst) {
	in := instruments(diaryInstruments)[0]
	for n := range b.Days {
		day := b.FirstDay(c.beginnings()).AddDays(n)
		given := c.pair(0.3)
		for i := range c.people {
			me, other := &c.people[i], c.people[1-i]
			me.security = 0.3*me.security + 0.35*given[1-i] + 0.2*other.latent + 0.6*c.r.NormFloat64()
			if c.r.Float64() < population.missesDay {
				at := day.At(b.ClosesHour+b.GraceHours, c.zone)
				c.give(at, domain.CloseDiaryDay{Study: c.study.Code, Couple: c.code, Role: me.role, Burst: b.Code, Day: day, At: at})
				continue
			}
			at := day.At(19+c.r.IntN(5), c.zone).Add(time.Duration(c.r.IntN(3600)) * time.Second)
			if c.r.Float64() < 0.05 {
				at = day.At(b.ClosesHour+c.r.IntN(b.GraceHours), c.zone) // next morning: late
			}
			answers, _ := c.answer(in, map[string]float64{
				"daily_security": 4.8 + me.security, "daily_closeness": 4.7 + 0.6*me.security + 0.5*c.r.NormFloat64(),
				"daily_mood": 4.5 + 0.4*me.security + 0.8*c.r.NormFloat64(), "daily_received": 4.4 + 0.8*given[1-i], "daily_given": 4.4 + 0.8*given[i],
			})
			c.give(at, domain.SubmitDiary{Study: c.study.Code, Couple: c.code, Role: me.role, Burst: b.Code, Day: day, FilledAt: at,
				Entries: []domain.DiaryEntry{{Instrument: in.Code, Version: in.Version, Answers: answers}}})
		}
	}
}

// answer fills an instrument so that each scale's mean lies around its true value, and returns the order in which
// the items were shown.
func (c *couple) answer(in domain.Instrument, truth map[string]float64) ([]domain.Answer, []string) {
	target := map[string]float64{}
	reverse := map[string]bool{}
	for _, s := range in.Scales {
		v, ok := truth[s.Code]
		for _, k := range s.Items {
			if _, done := target[k.ID]; ok && !done {
				target[k.ID], reverse[k.ID] = v, k.Reverse
			}
		}
	}
	var answers []domain.Answer
	for _, it := range in.Items {
		lo, hi := float64(it.Min), float64(it.Max)
		t, ok := target[it.ID]
		if !ok {
			t = (lo + hi) / 2
		}
		if reverse[it.ID] {
			t = lo + hi - t
		}
		if c.r.Float64() < population.skipsItem {
			answers = append(answers, domain.Answer{Item: it.ID, Missing: domain.MissingSkipped})
			continue
		}
		v := int(math.Round(min(max(t+population.itemSD*c.r.NormFloat64(), lo), hi)))
		answers = append(answers, domain.Answer{Item: it.ID, Value: &v})
	}
	shown := make([]string, len(in.Items))
	for i, k := range c.r.Perm(len(in.Items)) {
		shown[i] = in.Items[k].ID
	}
	return answers, shown
}
