package projections

import (
	"context"
	"fmt"
	"slices"

	"asem/domain"
	"asem/events"
)

// What came in, and how. Where a wave asks several instruments, one row stands for each; the recorded
// scores of a wave have one row together, without an instrument.
const complianceSchema = `
CREATE TABLE IF NOT EXISTS {wave_attendance} (
	key           BYTEA NOT NULL, -- of the person
	couple_key    BYTEA NOT NULL,
	wave          BIGINT NOT NULL,
	instrument    TEXT NOT NULL,
	outcome       BIGINT NOT NULL,
	from_position BIGINT NOT NULL,
	PRIMARY KEY (key, wave, instrument, outcome)
);
CREATE INDEX IF NOT EXISTS {wave_attendance_by_couple} ON {wave_attendance} (couple_key);
CREATE TABLE IF NOT EXISTS {diary_attendance} (
	key           BYTEA NOT NULL, -- of the person
	couple_key    BYTEA NOT NULL,
	burst         TEXT NOT NULL,
	day           TEXT NOT NULL,
	outcome       BIGINT NOT NULL,
	from_position BIGINT NOT NULL,
	PRIMARY KEY (key, burst, day, outcome)
);
CREATE INDEX IF NOT EXISTS {diary_attendance_by_couple} ON {diary_attendance} (couple_key)`

// outcome ranks what became of something asked: of several, the highest tells.
type outcome int

const (
	missed outcome = iota
	unrecorded
	onTime
	late
)

func outcomeOf(t domain.Timing) (outcome, error) {
	switch t {
	case domain.TimingOnTime:
		return onTime, nil
	case domain.TimingLate:
		return late, nil
	case domain.TimingUnrecorded:
		return unrecorded, nil
	}
	return 0, fmt.Errorf("the timing is %q; expected %s, %s or %s", t, domain.TimingOnTime, domain.TimingLate, domain.TimingUnrecorded)
}

func compliances() definition {
	return project("compliance", 1, complianceSchema,
		erases("wave_attendance", "diary_attendance"),
		on(func(ctx context.Context, tx *Tx, at events.Envelope, e domain.QuestionnaireSubmitted) error {
			o, err := outcomeOf(e.Timing)
			if err != nil {
				return err
			}
			return tx.attendWave(ctx, at, e.Role, e.Wave, e.Instrument, o)
		}),
		on(func(ctx context.Context, tx *Tx, at events.Envelope, e domain.ScoreRecorded) error {
			return tx.attendWave(ctx, at, e.Role, e.Wave, "", unrecorded)
		}),
		on(func(ctx context.Context, tx *Tx, at events.Envelope, e domain.WaveMissed) error {
			return tx.attendWave(ctx, at, e.Role, e.Wave, "", missed)
		}),
		on(func(ctx context.Context, tx *Tx, at events.Envelope, e domain.DiarySubmitted) error {
			o, err := outcomeOf(e.Timing)
			if err != nil {
				return err
			}
			return tx.attendDiary(ctx, at, e.Role, e.Burst, e.Day, o)
		}),
		on(func(ctx context.Context, tx *Tx, at events.Envelope, e domain.DiaryMissed) error {
			return tx.attendDiary(ctx, at, e.Role, e.Burst, e.Day, missed)
		}),
	)
}

var (
	insertWaveAttendance  = insertInto("wave_attendance", "key, couple_key, wave, instrument, outcome, from_position").orIgnore()
	insertDiaryAttendance = insertInto("diary_attendance", "key, couple_key, burst, day, outcome, from_position")
)

func (t *Tx) attendWave(ctx context.Context, at events.Envelope, r domain.Role, wave int, instrument string, o outcome) error {
	couple, err := coupleOf(at)
	if err != nil {
		return err
	}
	return t.Insert(ctx, insertWaveAttendance, []byte(personKey(at.Study, couple, r)), []byte(coupleKey(at.Study, couple)), wave, instrument, int(o), int64(at.Position))
}

func (t *Tx) attendDiary(ctx context.Context, at events.Envelope, r domain.Role, burst string, day domain.Date, o outcome) error {
	couple, err := coupleOf(at)
	if err != nil {
		return err
	}
	return t.Insert(ctx, insertDiaryAttendance, []byte(personKey(at.Study, couple, r)), []byte(coupleKey(at.Study, couple)), burst, day.String(), int(o), int64(at.Position))
}

// Counts says what became of what was asked. A person is expected if the nominal day is known and on it the person took part
// already, had not withdrawn and, where the protocol stops after a separation, the couple had not separated; and also whoever
// answered nevertheless.
type Counts struct {
	Expected   int
	Received   int // on time, late or unrecorded
	OnTime     int
	Late       int
	Unrecorded int // collected by another program
	Missed     int // closed without an answer
}

// Open returns how many may still come.
func (c Counts) Open() int { return c.Expected - c.Received - c.Missed }

// Rate returns the share of those no longer open that was received, and false if there are none.
func (c Counts) Rate() (float64, bool) {
	closed := c.Received + c.Missed
	if closed == 0 {
		return 0, false
	}
	return float64(c.Received) / float64(closed), true
}

// WaveCompliance counts persons in a role at a wave.
type WaveCompliance struct {
	Wave int
	Role domain.Role
	Counts
}

// DiaryCompliance counts persons in a role on a day of a diary.
type DiaryCompliance struct {
	Burst string
	Day   int // of the burst, from 1
	Role  domain.Role
	Counts
}

// Compliance is who answered what was asked: a row for every wave, and for every day of every
// diary, in each role of the protocol.
type Compliance struct {
	Waves   []WaveCompliance
	Diaries []DiaryCompliance
}

// Compliance counts over all couples of a study. A study that does not exist is an error with code not_found.
func (v View) Compliance(ctx context.Context, study string) (Compliance, error) {
	s, err := v.Study(ctx, study)
	if err != nil {
		return Compliance{}, err
	}
	all := studyKey(study)
	t := tally{study: s, whole: true, by: map[string]*Compliance{}}
	err = v.tally(ctx, &t, `c.key > $2 AND c.key < $3`, []any{[]byte(all), []byte(all.end())})
	return *t.of(""), err
}

// ComplianceOf counts for each of the given couples of one study.
func (v View) ComplianceOf(ctx context.Context, study string, couples []string) (map[string]Compliance, error) {
	s, err := v.Study(ctx, study)
	if err != nil {
		return nil, err
	}
	t := tally{study: s, by: map[string]*Compliance{}}
	keys := make([]string, len(couples))
	for i, c := range couples {
		keys[i] = string(coupleKey(study, c))
	}
	err = inParts(keys, func(part []string) error {
		condition, width := among("c.key", 2, len(part))
		return v.tally(ctx, &t, condition, fill(nil, asBytes(part), width))
	})
	found := make(map[string]Compliance, len(t.by))
	for c, counts := range t.by {
		found[c] = *counts
	}
	return found, err
}

// tally adds up what is read, for the whole study under "" or for each couple under its code.
type tally struct {
	study Study
	whole bool
	by    map[string]*Compliance
	begun map[string]begun // by couple; nil where enrolment tells everything
}

// group is how many persons share everything that decides what is expected of them.
type group struct {
	couple                         string // empty when counted over all, and enrolment tells everything
	role                           domain.Role
	enrolled, separated, withdrawn domain.Date
	persons                        int
}

// beginnings returns what the days of the persons are counted from.
func (t *tally) beginnings(g group) domain.Beginnings {
	return t.begun[g.couple].of(g.role, g.enrolled)
}

// expectedOn reports whether the persons were asked already, and were still asked, on a day; not while the day is not known.
func (t *tally) expectedOn(g group, d domain.Date) bool {
	p := t.study.Protocol
	if d.IsZero() || d.Before(t.beginnings(g).Since()) {
		return false
	}
	if !g.withdrawn.IsZero() && !d.Before(g.withdrawn) {
		return false
	}
	return p.AfterSeparation != domain.StopAfterSeparation || g.separated.IsZero() || d.Before(g.separated)
}

// columns of a group, and what they are called once they are selected.
const (
	groupColumns = ` AS couple, p.role AS role, c.enrolled_on AS enrolled, c.separated_on AS separated, p.withdrawn_on AS withdrawn`
	groupNames   = `couple, role, enrolled, separated, withdrawn`
	groupFrom    = ` FROM {participant} p JOIN {couple} c ON c.key = p.couple_key`
	groupHeld    = ` WHERE p.from_position <= $1 AND $1 < p.to_position AND c.from_position <= $1 AND $1 < c.to_position AND `
	groupBy      = ` GROUP BY p.key, c.code, p.role, c.enrolled_on, c.separated_on, p.withdrawn_on`
)

func (g *group) fields() []any {
	return []any{&g.couple, &g.role, day{&g.enrolled}, day{&g.separated}, day{&g.withdrawn}}
}

// tally reads who is asked and what came in, for the couples that meet a condition on {couple} c.
func (v View) tally(ctx context.Context, t *tally, condition string, args []any) error {
	couple := `''`
	if anchored := t.study.Protocol.Anchored(); anchored || !t.whole {
		couple = `c.code`
		if anchored {
			var err error
			if t.begun, err = v.beginnings(ctx, condition, args); err != nil {
				return err
			}
		}
	}
	asked := `SELECT ` + groupNames + `, count(*) FROM (SELECT ` + couple + groupColumns + groupFrom + groupHeld + condition + `) AS g GROUP BY ` + groupNames
	err := v.read(ctx, "who is asked", asked, args, func(scan scanner) error {
		var g group
		if err := scan(append(g.fields(), &g.persons)...); err != nil {
			return err
		}
		t.ask(g)
		return nil
	})
	if err != nil {
		return err
	}
	// Every person counts once for a wave or day, by the highest of the outcomes seen so far.
	came := func(table, of string) string {
		return `SELECT ` + groupNames + `, ` + of + `, outcome, count(*) FROM (SELECT ` + couple + groupColumns + `, ` + of + `, max(a.outcome) AS outcome` +
			groupFrom + ` JOIN {` + table + `} a ON a.key = p.key` + groupHeld + `a.from_position <= $1 AND ` + condition + groupBy + `, ` + of +
			`) AS g GROUP BY ` + groupNames + `, ` + of + `, outcome`
	}
	err = v.read(ctx, "the waves that came in", came("wave_attendance", "wave"), args, func(scan scanner) error {
		var g group
		var wave int
		var o outcome
		if err := scan(append(g.fields(), &wave, &o, &g.persons)...); err != nil {
			return err
		}
		t.wave(g, wave, o)
		return nil
	})
	if err != nil {
		return err
	}
	return v.read(ctx, "the diaries that came in", came("diary_attendance", "burst, day"), args, func(scan scanner) error {
		var g group
		var burst string
		var on domain.Date
		var o outcome
		if err := scan(append(g.fields(), &burst, day{&on}, &o, &g.persons)...); err != nil {
			return err
		}
		t.diary(g, burst, on, o)
		return nil
	})
}

// of returns the counts of a couple, or of all where they are counted together, made with a row for everything that the protocol asks.
func (t *tally) of(couple string) *Compliance {
	if t.whole {
		couple = ""
	}
	if c, ok := t.by[couple]; ok {
		return c
	}
	c := &Compliance{}
	for _, w := range t.study.Protocol.Waves {
		for _, r := range t.study.Protocol.Roles {
			c.Waves = append(c.Waves, WaveCompliance{Wave: w.Index, Role: r.Role})
		}
	}
	for _, b := range t.study.Protocol.Diaries {
		for n := range b.Days {
			for _, r := range t.study.Protocol.Roles {
				c.Diaries = append(c.Diaries, DiaryCompliance{Burst: b.Code, Day: n + 1, Role: r.Role})
			}
		}
	}
	t.by[couple] = c
	return c
}

// waveCounts returns the counts of a wave; nil for a wave that the protocol no longer has.
func (t *tally) waveCounts(couple string, wave int, r domain.Role) *Counts {
	list := t.of(couple).Waves
	i := slices.IndexFunc(list, func(c WaveCompliance) bool { return c.Wave == wave && c.Role == r })
	if i < 0 {
		return nil
	}
	return &list[i].Counts
}

func (t *tally) diaryCounts(couple, burst string, n int, r domain.Role) *Counts {
	list := t.of(couple).Diaries
	i := slices.IndexFunc(list, func(c DiaryCompliance) bool { return c.Burst == burst && c.Day == n && c.Role == r })
	if i < 0 {
		return nil
	}
	return &list[i].Counts
}

func (t *tally) ask(g group) {
	known := t.beginnings(g)
	for _, w := range t.study.Protocol.Waves {
		if c := t.waveCounts(g.couple, w.Index, g.role); c != nil && t.expectedOn(g, w.NominalDay(known)) {
			c.Expected += g.persons
		}
	}
	for _, b := range t.study.Protocol.Diaries {
		first := b.FirstDay(known)
		if first.IsZero() {
			continue
		}
		for n := range b.Days {
			if c := t.diaryCounts(g.couple, b.Code, n+1, g.role); c != nil && t.expectedOn(g, first.AddDays(n)) {
				c.Expected += g.persons
			}
		}
	}
}

func (t *tally) wave(g group, wave int, o outcome) {
	w, ok := t.study.Protocol.Wave(wave)
	if c := t.waveCounts(g.couple, wave, g.role); ok && c != nil {
		c.add(o, g.persons, t.expectedOn(g, w.NominalDay(t.beginnings(g))))
	}
}

func (t *tally) diary(g group, burst string, on domain.Date, o outcome) {
	b, ok := t.study.Protocol.Diary(burst)
	if c := t.diaryCounts(g.couple, burst, b.DayNumber(t.beginnings(g), on), g.role); ok && c != nil {
		c.add(o, g.persons, t.expectedOn(g, on))
	}
}

// add counts persons whose outcome is known. Those who were no longer asked and let it pass missed nothing.
func (c *Counts) add(o outcome, persons int, expected bool) {
	if o == missed {
		if expected {
			c.Missed += persons
		}
		return
	}
	if !expected {
		c.Expected += persons
	}
	c.Received += persons
	switch o {
	case onTime:
		c.OnTime += persons
	case late:
		c.Late += persons
	case unrecorded:
		c.Unrecorded += persons
	}
}
