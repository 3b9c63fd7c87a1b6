package agreement

import (
	"context"
	"errors"
)

// Assessment is what the ratings of one dimension tell about agreement, as far as their level of measurement and the design allow. What has no value
// is nil, and the reason stands in NotEstimable.
type Assessment struct {
	Metric                 Metric
	Clips, Judges, Ratings int
	Complete               bool           // every judge rated every clip
	ICC                    *CompleteICC   // interval and ratio ratings of a complete design
	Incomplete             *IncompleteICC // interval and ratio ratings of one with gaps
	Alpha                  *Alpha         // Krippendorff's, of the metric
	Pairs                  []*Kappa       // of each two judges: nominal ratings Cohen's kappa, ordinal ones with quadratic weights
	Fleiss                 *Kappa         // nominal ratings
	NotEstimable           []error        // each a [*NotEstimableError]
}

// Assess computes all coefficients that fit ratings of a metric. It depends on the table and the options alone: called after each rating that a table
// takes in, it gives what it would give for all of them at once. The level is that of all intervals. Those from
// the bootstrap are left out if b is nil, so that it costs milliseconds.
func Assess(ctx context.Context, t *Table, m Metric, level float64, b *Bootstrap) (*Assessment, error) {
	level, err := checkLevel(level)
	if err != nil {
		return nil, err
	}
	if b != nil {
		o := *b
		o.Level = level
		b = &o
	}
	a := &Assessment{Metric: m, Clips: len(t.clips), Judges: len(t.judges), Ratings: t.ratings, Complete: t.Complete()}
	if a.Alpha, err = Krippendorff(ctx, t, m, b); a.fails(err) {
		return nil, err
	}
	switch m {
	case IntervalScale, RatioScale:
		if a.Complete {
			a.ICC, err = ICCOf(t, level)
		} else {
			a.Incomplete, err = IncompleteICCOf(ctx, t, b)
		}
		if a.fails(err) {
			return nil, err
		}
	case NominalScale:
		if a.Fleiss, err = FleissKappa(t, level); a.fails(err) {
			return nil, err
		}
		if err := a.pairs(t, Unweighted, level); err != nil {
			return nil, err
		}
	case OrdinalScale:
		if err := a.pairs(t, Quadratic, level); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// fails notes what is not estimable, and reports any other error.
func (a *Assessment) fails(err error) bool {
	if errors.Is(err, ErrNotEstimable) {
		a.NotEstimable = append(a.NotEstimable, err)
		return false
	}
	return err != nil
}

func (a *Assessment) pairs(t *Table, w Weights, level float64) error {
	for i := range t.judges {
		for j := i + 1; j < len(t.judges); j++ {
			k, err := CohenKappa(t, i, j, w, level)
			if a.fails(err) {
				return err
			}
			if k != nil {
				a.Pairs = append(a.Pairs, k)
			}
		}
	}
	return nil
}

// Err returns nil if anything was estimable, else the reason.
func (a *Assessment) Err() error {
	if a.ICC != nil || a.Incomplete != nil || a.Alpha != nil || a.Fleiss != nil || len(a.Pairs) > 0 {
		return nil
	}
	if len(a.NotEstimable) > 0 {
		return a.NotEstimable[0]
	}
	return notEstimable("agreement", "there are no ratings")
}

// Single returns the reliability of one judge's rating for use as it stands, ICC(2,1), from a complete or an incomplete design.
func (a *Assessment) Single() (float64, error) {
	switch {
	case a.ICC != nil:
		return a.ICC.Coefficients[1].Value, nil
	case a.Incomplete != nil:
		return a.Incomplete.Coefficients[1].Value, nil
	}
	const what = "the reliability of one judge"
	if a.Metric == NominalScale || a.Metric == OrdinalScale {
		return 0, notEstimable(what, "%s ratings have no variance to divide", a.Metric)
	}
	for _, err := range a.NotEstimable {
		var e *NotEstimableError
		if errors.As(err, &e) {
			return 0, notEstimable(what, "%s", e.Reason)
		}
	}
	return 0, notEstimable(what, "there are no ratings")
}
