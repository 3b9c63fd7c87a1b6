package domain

import "fmt"

// ScoreStatus says how a score came about, or why there is none.
type ScoreStatus string

// The statuses.
const (
	Scored         ScoreStatus = "SCORED"           // every item was answered
	Prorated       ScoreStatus = "PRORATED"         // the person's mean stands for a few missing items
	TooManyMissing ScoreStatus = "TOO_MANY_MISSING" // the missing rule allows no score
	NotApplicable  ScoreStatus = "NOT_APPLICABLE"   // no item applies to the person, or none was shown
)

// Score is what one scale yields for one set of answers.
type Score struct {
	Scale         string      `json:"scale"`
	Status        ScoreStatus `json:"status"`
	Value         *float64    `json:"value,omitempty"` // nil unless scored or prorated
	ItemsAnswered int         `json:"itemsAnswered"`
	ItemsTotal    int         `json:"itemsTotal"`
	KeyVersion    string      `json:"keyVersion"`       // instrument and version whose key was used
	Reason        string      `json:"reason,omitempty"` // in words, when there is no value
}

// Score applies the key to raw answers: one score for each scale, in the key's order, whatever the order of
// the answers. Reversed items count as min + max - answer, with the item's own limits. The answers are not changed.
//
// With every item answered the value is their mean or sum. Under PersonMean the mean of the answered items
// stands for the missing ones as long as no more than MaxShare of the scale's items are missing: a mean is then over the
// answered items, a sum is that mean times the number of items. Beyond that, and under RequireComplete, there is no
// value but a reason. An item without an answer, and an answer that CheckAnswers would refuse, is missing. The value
// lies within ScaleRange, for an instrument that Validate accepts.
func (in Instrument) Score(answers []Answer) []Score {
	byItem := make(map[string]Answer, len(answers))
	for _, a := range answers {
		if _, twice := byItem[a.Item]; twice {
			a = Answer{Item: a.Item} // which of the two was meant cannot be known
		}
		byItem[a.Item] = a
	}
	scores := make([]Score, len(in.Scales))
	for i, s := range in.Scales {
		scores[i] = in.scoreScale(s, byItem)
	}
	return scores
}

func (in Instrument) scoreScale(s Scale, answers map[string]Answer) Score {
	out := Score{Scale: s.Code, ItemsTotal: len(s.Items), KeyVersion: in.Ref().String()}
	sum, inapplicable := 0, 0
	for _, k := range s.Items {
		it, known := in.Item(k.ID)
		a := answers[k.ID]
		switch {
		case a.Value == nil:
			if a.Missing == MissingNotApplicable || a.Missing == MissingNotShown {
				inapplicable++
			}
		case known && a.Missing == "" && it.takes(*a.Value):
			sum += k.scored(it, *a.Value)
			out.ItemsAnswered++
		}
	}
	missing, allowed := out.ItemsTotal-out.ItemsAnswered, s.Missing.allowed(out.ItemsTotal)
	switch {
	case inapplicable == out.ItemsTotal:
		out.Status, out.Reason = NotApplicable, "no item of the scale applies or was shown"
		return out
	case missing == 0:
		out.Status = Scored
	case missing <= allowed && out.ItemsAnswered > 0:
		out.Status = Prorated
	default:
		out.Status = TooManyMissing
		out.Reason = fmt.Sprintf("%d of %d items are missing; the rule allows %d", missing, out.ItemsTotal, allowed)
		return out
	}
	v := float64(sum)
	if s.Method == Sum {
		v *= float64(out.ItemsTotal)
	}
	v /= float64(out.ItemsAnswered) // one rounding, and none in a complete sum
	out.Value = &v
	return out
}

// scored returns what an answer counts for in the scale.
func (k KeyedItem) scored(it Item, answer int) int {
	if k.Reverse {
		return it.Min + it.Max - answer
	}
	return answer
}
