package mixed

import (
	"context"
	"fmt"

	"gonum.org/v1/gonum/stat/distuv"
)

// LRT is a likelihood-ratio test of a smaller model against a larger one that contains it.
type LRT struct {
	Statistic float64 // twice the difference of the log-likelihoods; not negative
	DF        int     // difference of the numbers of parameters
	P         float64 // from the chi-squared distribution with DF
	Method    Method  // of the likelihoods compared
	Boundary  bool    // the larger model has more variance parameters, which cannot be negative: P is then too large
}

// LikelihoodRatio compares two fits of the same rows by their likelihoods. REML likelihoods compare only
// models with the same fixed effects; where these differ, both models are fitted again by ML first, which is all that ctx
// is for. That one model contains the other is for the caller to know. Errors: fits that have not
// converged, or of different data, or with the same number of parameters.
func LikelihoodRatio(ctx context.Context, small, large *Fit) (LRT, error) {
	if small.NParams > large.NParams {
		small, large = large, small
	}
	fits := [2]*Fit{small, large}
	for _, f := range fits {
		if err := f.Err(); err != nil {
			return LRT{}, err
		}
	}
	if !small.model.sameData(large.model) {
		return LRT{}, &DataError{Message: fmt.Sprintf("the models were fitted to different rows (%d and %d) or outcomes; leave out the same rows before both fits", small.Rows, large.Rows)}
	}
	df := large.NParams - small.NParams
	if df == 0 {
		return LRT{}, &SpecError{"models", fmt.Sprintf("both have %d parameters; the one must be a part of the other", large.NParams)}
	}
	if small.Method != large.Method || small.Method == REML && !small.model.sameFixed(large.model) {
		for i, f := range fits {
			again, err := f.byML(ctx)
			if err != nil {
				return LRT{}, err
			}
			fits[i] = again
		}
	}
	t := LRT{Statistic: max(0, 2*(fits[1].LogLik-fits[0].LogLik)), DF: df, Method: fits[0].Method, Boundary: len(large.theta) > len(small.theta)}
	t.P = distuv.ChiSquared{K: float64(df)}.Survival(t.Statistic)
	return t, nil
}

// sameData reports whether two models explain the same observations.
func (m *Model) sameData(o *Model) bool {
	a, b := m.whole(), o.whole()
	if len(a.rows) != len(b.rows) {
		return false
	}
	for i, r := range a.rows {
		if r != b.rows[i] || a.y[i] != b.y[i] {
			return false
		}
	}
	return true
}

// sameFixed reports whether two models have the same fixed effects, column by column. REML likelihoods of
// other parameterisations of the same space differ by a constant.
func (m *Model) sameFixed(o *Model) bool {
	a, b := m.whole().x, o.whole().x
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
