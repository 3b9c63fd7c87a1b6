package projections

import (
	"time"

	"asem/domain"
)

// Flag says that what a participant sent at an occasion looks careless. It says nothing of what was answered.
type Flag struct {
	Occasion   domain.Occasion
	Instrument string // empty: the diary of the day as a whole
	Kind       FlagKind
}

// FlagKind is a sign of careless answers.
type FlagKind string

// The signs. Both are signs and no proof: they are for a friendly word, not for exclusion by a machine.
const (
	// FlagFast: less than two seconds an item, the cut score of Huang, Curran, Keeney, Poposki & DeShon (2012), Journal of Business and Psychology 27, 99-114.
	FlagFast FlagKind = "fast"
	// FlagStraight: the same answer to every item, where items count in both directions, or where there are ten and more of them (long strings: Johnson, 2005,
	// Journal of Research in Personality 39, 103-129).
	FlagStraight FlagKind = "straight"
)

const (
	leastTime = 2 * time.Second // an item
	fewItems  = 4               // fewer say nothing
	manyItems = 10
)

// flagsOf looks for signs of careless answers in an event, and says whose they are.
func flagsOf(s *domain.Study, e domain.Event) (domain.Role, []Flag) {
	switch e := e.(type) {
	case domain.QuestionnaireSubmitted:
		o := domain.Occasion{Wave: e.Wave}
		var list []Flag
		if fast(e.StartedAt, e.FilledAt, len(e.Answers)) {
			list = append(list, Flag{o, e.Instrument, FlagFast})
		}
		if straight(s.Instruments[domain.InstrumentRef{Code: e.Instrument, Version: e.Version}], e.Answers) {
			list = append(list, Flag{o, e.Instrument, FlagStraight})
		}
		return e.Role, list
	case domain.DiarySubmitted:
		o := domain.Occasion{Burst: e.Burst, Day: e.Day}
		var list []Flag
		items := 0
		for _, part := range e.Entries {
			items += answered(part.Answers)
			if straight(s.Instruments[domain.InstrumentRef{Code: part.Instrument, Version: part.Version}], part.Answers) {
				list = append(list, Flag{o, part.Instrument, FlagStraight})
			}
		}
		if fast(e.StartedAt, e.FilledAt, items) {
			list = append(list, Flag{o, "", FlagFast})
		}
		return e.Role, list
	}
	return "", nil
}

func answered(answers []domain.Answer) (n int) {
	for _, a := range answers {
		if a.Value != nil {
			n++
		}
	}
	return n
}

// fast reports whether items were answered faster than they can be read. A beginning that was not recorded, or lies behind the end because a clock was set, says nothing.
func fast(began, ended time.Time, items int) bool {
	took := ended.Sub(began)
	return !began.IsZero() && took >= 0 && items >= fewItems && took < time.Duration(items)*leastTime
}

// straight reports whether all answers are the same although they could not well be.
func straight(in domain.Instrument, answers []domain.Answer) bool {
	n := answered(answers)
	if n < fewItems {
		return false
	}
	var same *int
	given := map[string]bool{}
	for _, a := range answers {
		switch {
		case a.Value == nil:
			continue
		case same == nil:
			same = a.Value
		case *a.Value != *same:
			return false
		}
		given[a.Item] = true
	}
	if n >= manyItems {
		return true
	}
	for _, sc := range in.Scales {
		forward, back := false, false
		for _, k := range sc.Items {
			if !given[k.ID] {
				continue
			}
			it, _ := in.Item(k.ID)
			if 2**same == it.Min+it.Max { // the middle is the same from both ends
				return false
			}
			forward, back = forward || !k.Reverse, back || k.Reverse
		}
		if forward && back {
			return true
		}
	}
	return false
}
