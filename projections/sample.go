package projections

import (
	"math/rand/v2"
	"slices"
	"strconv"

	"asem/analysis/frame"
	"asem/domain"
)

// A sample has enough couples for any model that a study would plan, and fewer where each has many occasions, of which no more are made up than a bound.
const (
	sampleCouples   = 24
	fewCouples      = 6
	manyOccasions   = 150
	sampleOccasions = 400
)

var sampleEnrolled = domain.NewDate(2000, 1, 1)

// SampleFrame returns made-up data with the columns and occasions that the data of a study will have if everybody answers everything that the protocol
// asks: what a planned analysis can be tried on before there are data. which is "waves" or "diary". Numbers are random and the same every time; they mean
// nothing. A plan of which nothing comes into such data is an error with code invalid.
func SampleFrame(study domain.Study, which string) (*frame.Frame, error) {
	s := Study{Study: study}
	sm := sample{Study: s, rows: newTable(map[PersonID]person{}), scores: &sources{}, r: rand.New(rand.NewPCG(1, 2))}
	couples := sampleCouples
	if len(s.Protocol.Waves) > manyOccasions || s.diaryDays() > manyOccasions {
		couples = fewCouples
	}
	for i := range couples {
		couple := strconv.Itoa(i + 1)
		arm := ""
		if n := len(s.Protocol.Arms); n > 0 {
			arm = s.Protocol.Arms[i%n].Code
		}
		for _, r := range s.Protocol.Roles {
			id := PersonID{study.Code, couple, r.Role}
			sm.rows.people[id] = person{code: couple + string(r.Role), enrolled: sampleEnrolled, arm: arm}
			sm.people = append(sm.people, id)
		}
	}
	b, err := sm.builder(which)
	if err != nil {
		return nil, err
	}
	if len(sm.rows.kept) == 0 {
		return nil, invalid("frame", "the protocol asks nothing that comes into the data of %s", which)
	}
	return frame.New(b.columns...)
}

func (s Study) diaryDays() (n int) {
	for _, d := range s.Protocol.Diaries {
		n += d.Days
	}
	return n
}

type sample struct {
	Study
	people []PersonID
	rows   *table
	scores *sources
	r      *rand.Rand
}

func (s *sample) builder(which string) (*builder, error) {
	switch which {
	case "waves":
		for _, w := range s.Protocol.Waves[:min(len(s.Protocol.Waves), sampleOccasions)] {
			s.answer(w.Index, w.Instruments)
			for _, k := range s.Protocol.Constructs {
				s.put(w.Index, "", s.scores.column(k.Code, ""))
			}
		}
		coded := s.rate()
		return s.waveColumns(s.rows, s.scores, coded)
	case "diary":
		made := 0
		for i, d := range s.Protocol.Diaries {
			d.Origin = domain.Origin{} // nobody held a session
			first := sampleEnrolled.DaysUntil(d.FirstDay(domain.Beginnings{Enrolled: sampleEnrolled}))
			for day := 1; day <= d.Days && made < sampleOccasions; day++ {
				var at place
				for _, id := range s.people {
					at = s.rows.diaryDay(id, i, first+day-1, day)
				}
				s.answer(at.when, d.Instruments)
				made++
			}
		}
		return s.diaryColumns(s.rows, s.scores), nil
	}
	return nil, invalid("frame", "%q is not a data set; expected waves or diary", which)
}

// answer puts a score for each scale of the instruments.
func (s *sample) answer(when int, refs []domain.InstrumentRef) {
	for _, ref := range refs {
		in := s.Instruments[ref]
		for _, sc := range in.Scales {
			s.put(when, ref.Code, s.scores.column(sc.Code, in.Code))
		}
	}
}

func (s *sample) put(when int, instrument, column string) {
	roles := s.Protocol.Showing(instrument).Roles
	for _, id := range s.people {
		if instrument == "" || len(roles) == 0 || slices.Contains(roles, id.Role) {
			s.rows.set(place{id, when}, column, s.r.NormFloat64())
		}
	}
}

// rate puts ratings by every scheme at the waves of the tasks that are rated by it.
func (s *sample) rate() []codedColumn {
	var columns []codedColumn
	for _, scheme := range s.Protocol.Schemes {
		var waves []int
		for _, t := range s.Protocol.Tasks {
			if !t.Unrecorded && (len(t.Schemes) == 0 || slices.Contains(t.Schemes, scheme.Code)) && !slices.Contains(waves, t.Wave) {
				waves = append(waves, t.Wave)
			}
		}
		if len(waves) == 0 {
			continue
		}
		name, carried := "coded_"+scheme.Code, len(waves) == 1
		columns = append(columns, columnsOf(scheme, name, carried)...)
		for _, wave := range waves {
			for _, id := range s.people {
				byDimension := map[string]float64{}
				for _, d := range scheme.Dimensions {
					byDimension[d.Code] = s.r.NormFloat64()
				}
				s.rows.attachCoded(place{id, wave}, name, scheme.Dimensions, byDimension, carried, s.Protocol.Waves)
			}
		}
	}
	return columns
}
