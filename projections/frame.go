package projections

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"asem/analysis/frame"
	"asem/domain"
	"asem/events"
)

// Dataset is a frame for analysis with what a reader needs to know about it.
type Dataset struct {
	Frame      *frame.Frame
	Variables  []Variable // one for each column of the frame, in order
	Provenance Provenance

	shape *waveShape // nil for diaries
}

// Variable documents a column.
type Variable struct {
	Name    string
	Meaning string
	Source  string // where the values come from
}

// Provenance says what a frame was made from. Two frames of the same study and position have the same hash.
type Provenance struct {
	Study      string
	Synthetic  bool // a program made the data
	Position   events.Position
	RecordedAt time.Time // of the position; zero for the empty log
	DataHash   string    // [frame.Frame.Hash]
}

// WaveFrame returns a study's waves as data: one row for each couple, role and wave at which at least one
// construct has a value, in natural order of the couples, then by role and wave. The columns are
//
//	couple, person, role   categories; role has the protocol's labels, or A and B for exchangeable partners
//	arm                    category, where the protocol has arms
//	wave                   index, from 1
//	months, time           nominal months from enrolment, and the same in the protocol's time unit
//	<construct>            one for each construct that has a value; NaN where there is none
//	coded_<scheme>, coded_<scheme>_<dimension>
//	                       what judges saw in the person's own behaviour
//
// Coded values are means over judges, then units, then clips of the wave, then dimensions; a trace counts as its mean
// over time; a dimension that has no rating leaves the mean over dimensions missing. Ratings of the dyad stand with both partners. A scheme that was rated
// at exactly one wave of the study describes the person, and its values stand in all rows of the person;
// otherwise they stand at their own wave.
//
// A construct that several instruments measure has a column for each, with the instrument's code after the
// construct's. Characters that a formula cannot name become underscores. A study that does not exist is an error
// with code not_found.
func (v View) WaveFrame(ctx context.Context, study string) (Dataset, error) {
	s, err := v.Study(ctx, study)
	if err != nil {
		return Dataset{}, err
	}
	return v.waveFrame(ctx, s, studyKey(study), nil)
}

// waveFrame is the WaveFrame of what has keys that begin with within: the study, or one of its couples. What is known of all couples and
// decides how one is shown is given by like, which may be nil.
func (v View) waveFrame(ctx context.Context, s Study, within key, like *waveShape) (Dataset, error) {
	people, err := v.people(ctx, s, within)
	if err != nil {
		return Dataset{}, err
	}
	scores := &sources{}
	if like != nil {
		scores = like.scores.clone()
	}
	rows := newTable(people)
	err = v.scoresWithin(ctx, within, func(sc Score) error {
		if sc.Value != nil {
			rows.set(place{sc.PersonID, sc.Wave}, scores.column(sc.Construct, sc.Instrument), *sc.Value)
		}
		return nil
	})
	if err != nil {
		return Dataset{}, err
	}
	coded, carried, err := v.coded(ctx, s, rows, within, like)
	if err != nil {
		return Dataset{}, err
	}
	b, err := s.waveColumns(rows, scores, coded)
	if err != nil {
		return Dataset{}, err
	}
	set, err := v.dataset(ctx, s, b)
	set.shape = &waveShape{scores, coded, carried}
	return set, err
}

// waveColumns makes the columns of a WaveFrame.
func (s Study) waveColumns(rows *table, scores *sources, coded []codedColumn) (*builder, error) {
	places := rows.places()
	wave, months, times := make([]float64, len(places)), make([]float64, len(places)), make([]float64, len(places))
	for i, p := range places {
		w, ok := s.Protocol.Wave(p.when)
		if !ok {
			return nil, fmt.Errorf("a score stands at wave %d, which the protocol of study %s does not have", p.when, s.Code)
		}
		wave[i], months[i], times[i] = float64(w.Index), w.Month, w.Month/s.Protocol.TimeUnitMonths
	}
	b := s.builder(rows, places)
	b.numeric("wave", wave, "index of the wave, from 1", "protocol")
	b.numeric("months", months, "nominal months from enrolment", "protocol")
	b.numeric("time", times, fmt.Sprintf("nominal time from enrolment in units of %g months", s.Protocol.TimeUnitMonths), "protocol")
	b.scores(scores, s)
	for _, c := range coded {
		b.numeric(columnName(c.name), rows.values(places, c.name), c.meaning, c.source)
	}
	return b, nil
}

// waveShape is what of a study's wave frame is decided by all couples together.
type waveShape struct {
	scores  *sources        // which instruments measured which construct
	coded   []codedColumn   // what was rated
	carried map[string]bool // schemes that were rated at one wave only, and so stand in every row
}

// DiaryFrame returns a study's diaries as data: one row for each couple, role and diary day on which at least one
// construct has a value, in natural order of the couples, then by role, burst and day. The columns are
//
//	couple, person, role   as in WaveFrame
//	burst                  category: code of the diary
//	day                    day of the diary, from 1; NaN where nothing tells here when the diary began
//	months                 days from enrolment, in months of 30.4375 days
//	<construct>            as in WaveFrame
func (v View) DiaryFrame(ctx context.Context, study string) (Dataset, error) {
	s, err := v.Study(ctx, study)
	if err != nil {
		return Dataset{}, err
	}
	people, err := v.people(ctx, s, studyKey(study))
	if err != nil {
		return Dataset{}, err
	}
	list, err := v.DiaryScores(ctx, study)
	if err != nil {
		return Dataset{}, err
	}
	all := studyKey(study)
	began, err := v.beginnings(ctx, `c.key > $2 AND c.key < $3`, []any{[]byte(all), []byte(all.end())})
	if err != nil {
		return Dataset{}, err
	}
	scores := &sources{}
	rows := newTable(people)
	for _, sc := range list {
		burst := slices.IndexFunc(s.Protocol.Diaries, func(b domain.DiaryBurst) bool { return b.Code == sc.Burst })
		if burst < 0 {
			return Dataset{}, fmt.Errorf("there are scores of diary %s, which the protocol of study %s does not have", sc.Burst, study)
		}
		if enrolled := people[sc.PersonID].enrolled; sc.Value != nil {
			day := s.Protocol.Diaries[burst].DayNumber(began[sc.Couple].of(sc.Role, enrolled), sc.Day)
			rows.set(rows.diaryDay(sc.PersonID, burst, enrolled.DaysUntil(sc.Day), day), scores.column(sc.Construct, sc.Instrument), *sc.Value)
		}
	}
	return v.dataset(ctx, s, s.diaryColumns(rows, scores))
}

// diaryColumns makes the columns of a DiaryFrame.
func (s Study) diaryColumns(rows *table, scores *sources) *builder {
	places := rows.places()
	bursts := make([]string, len(places))
	for i, p := range places {
		bursts[i] = s.Protocol.Diaries[p.when/diarySpan].Code
	}
	b := s.builder(rows, places)
	b.category("burst", bursts, "code of the diary", "protocol")
	b.numeric("day", rows.values(places, "day"), "day of the diary, from 1", "protocol")
	b.numeric("months", rows.values(places, "months"), "days from enrolment in months of 30.4375 days", "protocol and the day of enrolment")
	b.scores(scores, s)
	return b
}

const (
	diarySpan    = 1 << 20 // more days than lie between any two dates: burst and day make one number
	daysPerMonth = 30.4375
)

// diaryDay returns the place of a day that comes so many days after enrolment, and attaches what the row says of it. number is that of the day in
// its diary; 0: not known.
func (t *table) diaryDay(who PersonID, burst, days, number int) place {
	p := place{who, burst*diarySpan + diarySpan/2 + days}
	t.attach(p, "months", float64(days)/daysPerMonth)
	if number > 0 {
		t.attach(p, "day", float64(number))
	}
	return p
}

func (v View) dataset(ctx context.Context, s Study, b *builder) (Dataset, error) {
	f, err := frame.New(b.columns...)
	if err != nil {
		return Dataset{}, fmt.Errorf("make the data of study %s: %w", s.Code, err)
	}
	recorded, err := v.RecordedAt(ctx)
	return Dataset{Frame: f, Variables: b.variables, Provenance: Provenance{s.Code, s.Synthetic(), v.at, recorded, f.Hash()}}, err
}

// person is what a frame says about who a row is about.
type person struct {
	code     string
	enrolled domain.Date
	arm      string // empty: not randomised
}

// people returns everybody in a study whose couple's key begins with within.
func (v View) people(ctx context.Context, study Study, within key) (map[PersonID]person, error) {
	people := map[PersonID]person{}
	err := v.read(ctx, "the participants", `SELECT c.code, p.role, p.code, c.enrolled_on`+groupFrom+groupHeld+`c.key >= $2 AND c.key < $3`,
		[]any{[]byte(within), []byte(within.end())}, func(scan scanner) error {
			id := PersonID{Study: study.Code}
			var p person
			if err := scan(&id.Couple, &id.Role, &p.code, day{&p.enrolled}); err != nil {
				return err
			}
			people[id] = p
			return nil
		})
	if err != nil || len(study.Protocol.Arms) == 0 {
		return people, err
	}
	return people, v.readAssignments(ctx, within, func(a Assignment) {
		for _, r := range study.Protocol.Roles {
			id := PersonID{study.Code, a.Couple, r.Role}
			if p, ok := people[id]; ok && (a.Role == "" || a.Role == r.Role) {
				p.arm = a.Arm
				people[id] = p
			}
		}
	})
}

// place is a person at a wave or day.
type place struct {
	PersonID
	when int
}

// table gathers values by place and column before it is known which rows there are.
type table struct {
	people map[PersonID]person
	cells  map[string]map[place]float64 // column -> place -> value
	kept   map[place]bool
}

func newTable(people map[PersonID]person) *table {
	return &table{people, map[string]map[place]float64{}, map[place]bool{}}
}

// set stores a value and keeps its row.
func (t *table) set(p place, column string, value float64) {
	t.kept[p] = true
	t.attach(p, column, value)
}

// attach stores a value that shows only if something else keeps the row.
func (t *table) attach(p place, column string, value float64) {
	if t.cells[column] == nil {
		t.cells[column] = map[place]float64{}
	}
	t.cells[column][p] = value
}

// places lists the rows in canonical order.
func (t *table) places() []place {
	list := make([]place, 0, len(t.kept))
	for p := range t.kept {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b place) int {
		return firstOf(frame.Natural(a.Couple, b.Couple), frame.Natural(string(a.Role), string(b.Role)), a.when-b.when)
	})
	return list
}

func (t *table) values(places []place, column string) []float64 {
	out := make([]float64, len(places))
	for i, p := range places {
		value, ok := t.cells[column][p]
		if !ok {
			value = math.NaN()
		}
		out[i] = value
	}
	return out
}

// builder makes the columns of a frame and their documentation side by side.
type builder struct {
	rows      *table
	places    []place
	columns   []frame.Column
	variables []Variable
	taken     map[string]bool
}

func (s Study) builder(rows *table, places []place) *builder {
	b := &builder{rows: rows, places: places, taken: map[string]bool{}}
	couple, who, role := make([]string, len(places)), make([]string, len(places)), make([]string, len(places))
	for i, p := range places {
		couple[i], who[i], role[i] = p.Couple, rows.people[p.PersonID].code, s.Role(p.Role)
	}
	b.category("couple", couple, "code of the couple", "enrolment")
	b.category("person", who, "code of the participant", "enrolment")
	meaning := "role in the couple, in the protocol's words"
	if s.Protocol.Exchangeable {
		meaning = "place in the couple; partners are exchangeable and the letters mean nothing"
	}
	b.category("role", role, meaning, "enrolment")
	if len(s.Protocol.Arms) > 0 {
		arm := make([]string, len(places))
		for i, p := range places {
			arm[i] = rows.people[p.PersonID].arm
		}
		b.category("arm", arm, "arm to which chance put the couple or the person; missing before that", "randomisation")
	}
	return b
}

func (b *builder) category(name string, labels []string, meaning, source string) {
	b.add(name, frame.Categorical(b.free(name), labels), meaning, source)
}

func (b *builder) numeric(name string, values []float64, meaning, source string) {
	b.add(name, frame.Numeric(b.free(name), values), meaning, source)
}

func (b *builder) add(_ string, c frame.Column, meaning, source string) {
	b.columns = append(b.columns, c)
	b.variables = append(b.variables, Variable{c.Name, meaning, source})
}

// free returns the name, or the name with the first number that makes it different from those before it:
// a construct may be called "time".
func (b *builder) free(name string) string {
	unique := name
	for n := 2; b.taken[unique]; n++ {
		unique = fmt.Sprintf("%s_%d", name, n)
	}
	b.taken[unique] = true
	return unique
}

// sources notes which instruments measured which construct.
type sources struct {
	by map[string][]string // construct -> instruments, in order of first use
}

func (s *sources) clone() *sources {
	c := &sources{by: map[string][]string{}}
	for k, list := range s.by {
		c.by[k] = slices.Clone(list)
	}
	return c
}

// column returns the name under which a table keeps the values that an instrument gave to a construct.
func (s *sources) column(construct, instrument string) string {
	if s.by == nil {
		s.by = map[string][]string{}
	}
	if !slices.Contains(s.by[construct], instrument) {
		s.by[construct] = append(s.by[construct], instrument)
	}
	return "score/" + construct + "/" + instrument
}

// scores adds the columns of every construct, bytewise by construct and instrument.
func (b *builder) scores(measured *sources, s Study) {
	titles := map[string]domain.Construct{}
	for _, k := range s.StudyConstructs() {
		titles[k.Code] = k
	}
	constructs := make([]string, 0, len(measured.by))
	for c := range measured.by {
		constructs = append(constructs, c)
	}
	slices.Sort(constructs)
	for _, c := range constructs {
		instruments := slices.Sorted(slices.Values(measured.by[c]))
		for _, in := range instruments {
			name, source := c, "scale score of "+in
			if in == "" {
				source = "score recorded from outside"
			} else if len(instruments) > 1 {
				name += "_" + in
			}
			k := titles[c]
			meaning := k.Title
			if meaning == "" {
				meaning = c
			}
			if k.HigherIs != "" {
				meaning += "; higher is " + k.HigherIs
			}
			b.numeric(columnName(name), b.rows.values(b.places, measured.column(c, in)), meaning, source)
		}
	}
}

// columnName turns codes into a name that a formula can use.
func columnName(code string) string {
	var b strings.Builder
	for i, r := range code {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_'
		digit := r >= '0' && r <= '9'
		switch {
		case i == 0 && digit:
			b.WriteByte('x')
			b.WriteRune(r)
		case letter || digit || i > 0 && r == '.':
			b.WriteRune(r)
		default:
			b.WriteByte('_')
		}
	}
	return b.String()
}

// codedColumn is a column of what judges saw.
type codedColumn struct{ name, meaning, source string }

// coded puts the means of the judges' ratings into the table and lists their columns, in the order of the protocol, and the schemes that
// describe persons. like gives both where only a part of the study is read.
func (v View) coded(ctx context.Context, s Study, rows *table, within key, like *waveShape) ([]codedColumn, map[string]bool, error) {
	list, err := v.ratingsWithin(ctx, within)
	if err != nil {
		return nil, nil, err
	}
	means := MeanRatings(list)
	var columns []codedColumn
	carried := map[string]bool{}
	for _, scheme := range s.Protocol.Schemes {
		seen := personMeans(means, scheme, s.Protocol.Roles)
		waves := map[int]bool{}
		for p := range seen {
			waves[p.when] = true
		}
		carried[scheme.Code] = len(waves) == 1
		if like != nil {
			carried[scheme.Code] = like.carried[scheme.Code]
		}
		name := "coded_" + scheme.Code
		if len(seen) > 0 {
			columns = append(columns, columnsOf(scheme, name, carried[scheme.Code])...)
		}
		for at, byDimension := range seen {
			rows.attachCoded(at, name, scheme.Dimensions, byDimension, carried[scheme.Code], s.Protocol.Waves)
		}
	}
	if like != nil {
		columns = like.coded
	}
	return columns, carried, nil
}

func columnsOf(scheme domain.CodingScheme, name string, carried bool) []codedColumn {
	meaning := scheme.Title + ": mean over dimensions of the judges' mean"
	if carried {
		meaning += "; rated at one wave, so it stands in every row of the person"
	}
	source := "ratings by scheme " + scheme.Code
	columns := []codedColumn{{name, meaning, source}}
	for _, d := range scheme.Dimensions {
		columns = append(columns, codedColumn{name + "_" + d.Code, scheme.Title + ", " + d.Title + ": the judges' mean", source})
	}
	return columns
}

func (t *table) attachCoded(at place, name string, dimensions []domain.Dimension, mean map[string]float64, carried bool, waves []domain.Wave) {
	attach := func(column string, value float64) {
		if !carried {
			t.attach(at, column, value)
			return
		}
		for _, w := range waves {
			t.attach(place{at.PersonID, w.Index}, column, value)
		}
	}
	sum, complete := 0.0, true
	for _, d := range dimensions {
		m, ok := mean[d.Code]
		complete = complete && ok
		if ok {
			sum += m
			attach(name+"_"+d.Code, m)
		}
	}
	if complete {
		attach(name, sum/float64(len(dimensions)))
	}
}

// personMeans averages the clips of each wave: person and wave -> dimension -> mean. Clips count alike.
func personMeans(means []RatingMean, scheme domain.CodingScheme, roles []domain.RoleLabel) map[place]map[string]float64 {
	type sum struct {
		total float64
		n     int
	}
	sums := map[place]map[string]sum{}
	for _, m := range means {
		if m.Scheme != scheme.Code {
			continue
		}
		targets := []domain.Role{m.Target}
		if m.Target == "" {
			targets = nil
			for _, r := range roles {
				targets = append(targets, r.Role)
			}
		}
		for _, r := range targets {
			p := place{PersonID{m.Study, m.Couple, r}, m.Wave}
			if sums[p] == nil {
				sums[p] = map[string]sum{}
			}
			old := sums[p][m.Dimension]
			sums[p][m.Dimension] = sum{old.total + m.Mean, old.n + 1}
		}
	}
	out := make(map[place]map[string]float64, len(sums))
	for p, byDimension := range sums {
		out[p] = map[string]float64{}
		for d, s := range byDimension {
			out[p][d] = s.total / float64(s.n)
		}
	}
	return out
}
