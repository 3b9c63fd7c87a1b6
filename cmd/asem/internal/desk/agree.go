package desk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"asem/analysis/agreement"
	"asem/domain"
	"asem/projections"
)

// DimensionAgreement is how far judges agree on a dimension, from what was submitted for the study up to now.
type DimensionAgreement struct {
	Dimension domain.Dimension
	All       *agreement.Assessment // nil with Err
	Pairs     []PairAgreement       // of every two judges who have a clip in common
	Err       error                 // why nothing can be said
	BySeconds bool                  // events and turns: whether there was one in each second
	ByMoments bool                  // traces: moment for moment
}

// PairAgreement is how far two judges agree.
type PairAgreement struct {
	Judges [2]string
	Places int              // that both rated
	ICC    *agreement.ICC   // ICC(2,1) with its interval; nil with Err
	Kappa  *agreement.Kappa // quadratic weights; nil where it is not estimable
	Err    error
}

// Ratings are the ratings of a dimension that agreement is computed from: a place (couple, clip, target and unit) counts as a clip. They are those
// of submitted assignments for the study.
//
// Events and turns are not the same to two judges, so that for them each second of a clip is a place, with 1 where the judge saw one and 0 where none
// was seen. Values of a trace are places each.
func Ratings(c projections.Coding, s domain.CodingScheme, dimension string) []agreement.Rating {
	var list []agreement.Rating
	for _, w := range c.Work {
		if w.Scheme != s.Code || w.Purpose != domain.PurposeStudy || w.Submitted.IsZero() {
			continue
		}
		clip := w.Couple + "/" + w.Clip
		if s.Unit == domain.UnitEvent || s.Unit == domain.UnitTurn {
			k, _ := c.Clip(w.Couple, w.Clip)
			targets := k.Roles
			if s.Directed == domain.DirectedDyad {
				targets = []domain.Role{""}
			}
			for _, target := range targets {
				for at := 0; at < k.EndMs-k.StartMs; at += 1000 {
					seen := slices.ContainsFunc(w.Ratings, func(r domain.RatingRecorded) bool {
						return r.Dimension == dimension && r.Target == target && r.StartMs < at+1000 && r.EndMs >= at
					})
					v := 0.0
					if seen {
						v = 1
					}
					list = append(list, agreement.Rating{Clip: fmt.Sprintf("%s/%s/%d", clip, target, at/1000), Judge: w.Judge, Value: v})
				}
			}
			continue
		}
		for _, r := range w.Ratings {
			if r.Dimension == dimension {
				list = append(list, agreement.Rating{Clip: fmt.Sprintf("%s/%s/%d", clip, r.Target, r.Unit), Judge: w.Judge, Value: r.Value})
			}
		}
		for _, t := range w.Traces {
			if t.Dimension != dimension {
				continue
			}
			for i, v := range t.Values {
				list = append(list, agreement.Rating{Clip: fmt.Sprintf("%s/%s/%d", clip, t.Target, i), Judge: w.Judge, Value: v})
			}
		}
	}
	return list
}

// Agreement computes the agreement of all judges and of every two, for each dimension of a scheme. The numbers are those of package agreement.
func Agreement(ctx context.Context, c projections.Coding, s domain.CodingScheme) ([]DimensionAgreement, error) {
	var out []DimensionAgreement
	for _, d := range s.Dimensions {
		a := DimensionAgreement{Dimension: d, BySeconds: s.Unit == domain.UnitEvent || s.Unit == domain.UnitTurn, ByMoments: s.Unit == domain.UnitContinuous}
		list := Ratings(c, s, d.Code)
		t, err := agreement.NewTable(list)
		if err != nil {
			return nil, fmt.Errorf("agreement on %s: %w", d.Code, err)
		}
		a.All, a.Err = agreement.Assess(ctx, t, agreement.IntervalScale, 0, nil)
		if a.Err != nil && !errors.Is(a.Err, agreement.ErrNotEstimable) {
			return nil, fmt.Errorf("agreement on %s: %w", d.Code, a.Err)
		}
		judges := t.Judges()
		for i := range judges {
			for j := i + 1; j < len(judges); j++ {
				p, ok, err := pair(t, i, j)
				if err != nil {
					return nil, fmt.Errorf("agreement on %s: %w", d.Code, err)
				}
				if ok {
					a.Pairs = append(a.Pairs, p)
				}
			}
		}
		out = append(out, a)
	}
	return out, nil
}

func pair(t *agreement.Table, i, j int) (PairAgreement, bool, error) {
	p := PairAgreement{Judges: [2]string{t.Judges()[i], t.Judges()[j]}}
	var both []agreement.Rating
	for c, name := range t.Clips() {
		a, hasA := t.At(c, i)
		b, hasB := t.At(c, j)
		if hasA && hasB {
			both = append(both, agreement.Rating{Clip: name, Judge: p.Judges[0], Value: a}, agreement.Rating{Clip: name, Judge: p.Judges[1], Value: b})
			p.Places++
		}
	}
	if p.Places == 0 {
		return p, false, nil
	}
	of, err := agreement.NewTable(both)
	if err != nil {
		return p, false, err
	}
	r, err := agreement.ICCOf(of, 0)
	switch {
	case err == nil:
		p.ICC, p.Err = &r.Coefficients[1], r.Coefficients[1].Err
	case errors.Is(err, agreement.ErrNotEstimable):
		p.Err = err
	default:
		return p, false, err
	}
	k, err := agreement.CohenKappa(of, 0, 1, agreement.Quadratic, 0)
	switch {
	case err == nil:
		p.Kappa = k
	case !errors.Is(err, agreement.ErrNotEstimable):
		return p, false, err
	}
	return p, true, nil
}

// Drift charts what judges do over the weeks of coding with a dimension: against criterion scores where a clip has some, against each other elsewhere.
func Drift(c projections.Coding, s domain.CodingScheme, dimension string) ([]agreement.JudgeChart, error) {
	var first time.Time
	for _, w := range c.Work {
		if w.Scheme == s.Code && !w.Submitted.IsZero() && (first.IsZero() || w.Submitted.Before(first)) {
			first = w.Submitted
		}
	}
	o := agreement.DriftOptions{Criterion: map[string]float64{}}
	var list []agreement.Coded
	for _, w := range c.Work {
		if w.Scheme != s.Code || w.Submitted.IsZero() {
			continue
		}
		k, _ := c.Clip(w.Couple, w.Clip)
		for _, r := range w.Ratings {
			if r.Dimension != dimension {
				continue
			}
			place := fmt.Sprintf("%s/%s/%s/%d", w.Couple, w.Clip, r.Target, r.Unit)
			if w.Purpose != domain.PurposeStudy {
				place += "/" + w.ID // a gold clip may be rated again
				for _, sc := range k.Criteria[s.Code] {
					if sc.Dimension == dimension && sc.Target == r.Target && sc.Unit == r.Unit {
						o.Criterion[place] = sc.Value
					}
				}
			}
			list = append(list, agreement.Coded{Rating: agreement.Rating{Clip: place, Judge: w.Judge, Value: r.Value}, Week: 1 + int(w.Submitted.Sub(first)/(7*24*time.Hour))})
		}
	}
	return agreement.Drift(list, o)
}
