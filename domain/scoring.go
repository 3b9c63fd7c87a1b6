package domain

import (
	"fmt"
	"math"
)

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

// Score applies the key to raw answers, one score for each scale in the key's order. Reversed items count as
// min + max - answer, with the item's own limits. The answers are not changed.
//
// Under PersonMean the mean of the answered items stands for the missing ones as long as no more
// than MaxShare of the scale's items are missing: the mean is over the answered items, and a sum is that mean
// times the number of items. Answers that CheckAnswers would refuse are taken as missing.
func (in Instrument) Score(answers []Answer) []Score {
	byItem := make(map[string]Answer, len(answers))
	for _, a := range answers {
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
	sum, inapplicable := 0.0, 0
	for _, k := range s.Items {
		it, _ := in.Item(k.ID)
		a, ok := answers[k.ID]
		switch {
		case ok && a.Value != nil && *a.Value >= it.Min && *a.Value <= it.Max:
			v := *a.Value
			if k.Reverse {
				v = it.Min + it.Max - v
			}
			sum += float64(v)
			out.ItemsAnswered++
		case ok && (a.Missing == MissingNotApplicable || a.Missing == MissingNotShown):
			inapplicable++
		}
	}
	missing := out.ItemsTotal - out.ItemsAnswered
	switch {
	case inapplicable == out.ItemsTotal:
		out.Status, out.Reason = NotApplicable, "no item of the scale applies or was shown"
		return out
	case missing == 0:
		out.Status = Scored
	// The tolerance keeps 1 of 5 within a share of 0.2, which no binary fraction equals.
	case s.Missing.Rule == PersonMean && out.ItemsAnswered > 0 && float64(missing) <= s.Missing.MaxShare*float64(out.ItemsTotal)+1e-9:
		out.Status = Prorated
	default:
		out.Status = TooManyMissing
		out.Reason = fmt.Sprintf("%d of %d items are missing; the rule allows %d", missing, out.ItemsTotal, s.allowedMissing())
		return out
	}
	v := sum / float64(out.ItemsAnswered)
	if s.Method == Sum {
		v *= float64(out.ItemsTotal)
		if missing == 0 {
			v = sum // exactly
		}
	}
	out.Value = &v
	return out
}

func (s Scale) allowedMissing() int {
	if s.Missing.Rule != PersonMean {
		return 0
	}
	return int(math.Floor(s.Missing.MaxShare*float64(len(s.Items)) + 1e-9))
}
