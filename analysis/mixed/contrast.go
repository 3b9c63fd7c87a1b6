package mixed

import (
	"fmt"
	"math"
	"strings"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Test is a test of one or more hypotheses on fixed effects by an F statistic.
type Test struct {
	Name      string
	Statistic float64 // F; scaled as Kenward & Roger (1997) say if the degrees of freedom are theirs
	NumDF     int     // number of independent hypotheses
	DenDF     float64 // NaN, as P, where the data are too few for Kenward-Roger's approximation
	P         float64
}

// ContrastError says what is wrong with a contrast.
type ContrastError struct{ Name, Message string }

func (e *ContrastError) Error() string { return fmt.Sprintf("contrast %q %s", e.Name, e.Message) }

// Contrast returns the estimate of the linear combination l'beta of fixed effects with its inference by the
// model's rule for degrees of freedom. l has a weight for each of f.Names. With containment the degrees of freedom are the
// fewest of the fixed effects that have a weight, as these need not agree. Errors are [*ContrastError] and that of
// [Convergence.Err].
func (f *Fit) Contrast(name string, l []float64) (Parameter, error) {
	if err := f.checkContrast(name, l); err != nil {
		return Parameter{}, err
	}
	v := f.covariance(l, l)
	if !(v > 0) {
		return Parameter{}, &ContrastError{name, "has no weight"}
	}
	df := f.contrastDF(l)
	p := f.model.parameter(name, dot(l, f.Beta), math.Sqrt(v), df)
	return p, nil
}

// covariance returns a'VBeta b. It is computed in the engine's scale, where it keeps its digits whatever the units of
// the columns.
func (f *Fit) covariance(a, b []float64) float64 {
	ea, eb := f.model.toEngine(a), f.model.toEngine(b)
	return mat.Inner(mat.NewVecDense(len(ea), ea), f.engineV, mat.NewVecDense(len(eb), eb))
}

func (f *Fit) checkContrast(name string, l []float64) error {
	if err := f.Err(); err != nil {
		return err
	}
	if len(l) != len(f.Beta) {
		return &ContrastError{name, fmt.Sprintf("has %d weights; expected one for each of the %d fixed effects %s", len(l), len(f.Beta), strings.Join(f.Names, ", "))}
	}
	for _, x := range l {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return &ContrastError{name, "has a weight that is not finite"}
		}
	}
	return nil
}

// contrastDF returns the degrees of freedom of one contrast by the rule of the spec.
func (f *Fit) contrastDF(l []float64) float64 {
	switch f.model.spec.DF {
	case DFResidual:
		return float64(f.Rows - len(f.Beta))
	case DFContainment:
		df := math.Inf(1)
		for i, d := range f.contained {
			if l[i] != 0 {
				df = math.Min(df, d)
			}
		}
		return df
	case DFKenwardRoger:
		df, _ := f.kr.df(mat.NewDense(1, len(l), f.model.toEngine(l)))
		return df
	}
	return f.satterthwaite(l)
}

// Test tests that all the given contrasts are zero. Rows of l may depend on each other; NumDF is their rank. The
// Satterthwaite rule is that of Fai & Cornelius (1996) in the form of R's lmerTest. Errors as [Fit.Contrast].
func (f *Fit) Test(name string, l [][]float64) (Test, error) {
	for _, row := range l {
		if err := f.checkContrast(name, row); err != nil {
			return Test{}, err
		}
	}
	rows := f.orthogonal(l)
	if len(rows) == 0 {
		return Test{}, &ContrastError{name, "has no weight"}
	}
	t := Test{Name: name, NumDF: len(rows)}
	var single []float64 // degrees of freedom of each row alone
	for _, row := range rows {
		e := dot(row, f.Beta)
		t.Statistic += e * e / f.covariance(row, row) / float64(len(rows))
		if f.model.spec.DF != DFKenwardRoger {
			single = append(single, f.contrastDF(row))
		}
	}
	switch f.model.spec.DF {
	case DFKenwardRoger:
		e := mat.NewDense(len(rows), len(f.Beta), nil)
		for i, row := range rows {
			e.SetRow(i, f.model.toEngine(row))
		}
		lambda := 0.0
		if t.DenDF, lambda = f.kr.df(e); !(lambda > 0) {
			t.DenDF, t.P = math.NaN(), math.NaN()
			return t, nil
		}
		t.Statistic *= lambda
	case DFSatterthwaite:
		t.DenDF = pooledDF(single)
	default: // of the rows as they were given: rotated ones have weights on everything
		t.DenDF = math.Inf(1)
		for _, row := range l {
			t.DenDF = math.Min(t.DenDF, f.contrastDF(row))
		}
	}
	t.P = upperF(t.Statistic, float64(t.NumDF), t.DenDF)
	return t, nil
}

// orthogonal returns independent combinations of the contrasts whose estimates are uncorrelated: the principal
// axes of those rows that do not depend on rows before them. Which rows depend is judged in units of their standard errors; the
// axes are those of the rows as given, as in R's lmerTest.
func (f *Fit) orthogonal(l [][]float64) [][]float64 {
	p := len(f.Beta)
	cov := f.covariance
	var rows, basis [][]float64
	for _, row := range l {
		rest := append([]float64(nil), row...)
		for _, b := range basis {
			d := cov(rest, b)
			for i := range rest {
				rest[i] -= d * b[i]
			}
		}
		left := cov(rest, rest)
		if !(left > 1e-10*cov(row, row)) {
			continue
		}
		for i := range rest {
			rest[i] /= math.Sqrt(left)
		}
		rows, basis = append(rows, row), append(basis, rest)
	}
	r := len(rows)
	if r == 0 {
		return nil
	}
	v := mat.NewSymDense(r, nil)
	for i := range r {
		for j := range i + 1 {
			v.SetSym(i, j, cov(rows[i], rows[j]))
		}
	}
	var eig mat.EigenSym
	if !eig.Factorize(v, true) || !(eig.Values(nil)[0] > 1e-14*eig.Values(nil)[r-1]) {
		return basis // rows in very different units
	}
	var axes mat.Dense
	eig.VectorsTo(&axes)
	out := make([][]float64, r)
	for e := range out {
		out[e] = make([]float64, p)
		for i, row := range rows {
			for c, x := range row {
				out[e][c] += axes.At(i, e) * x
			}
		}
	}
	return out
}

// pooledDF returns the denominator degrees of freedom of an F statistic that is the mean of independent squared t
// statistics with the given degrees of freedom: those that give F its mean.
func pooledDF(df []float64) float64 {
	q := float64(len(df))
	low, high, mean := math.Inf(1), math.Inf(-1), 0.0
	for _, d := range df {
		low, high, mean = math.Min(low, d), math.Max(high, d), mean+d/q
	}
	if high-low < 1e-8 {
		return mean
	}
	if low <= 2 {
		return 2
	}
	e := 0.0
	for _, d := range df {
		e += d / (d - 2)
	}
	return 2 * e / (e - q)
}

// upperF returns the probability of a larger F.
func upperF(x, num, den float64) float64 {
	if !(x >= 0) || !(den > 0) {
		return math.NaN()
	}
	if math.IsInf(den, 1) {
		return distuv.ChiSquared{K: num}.Survival(x * num)
	}
	return distuv.F{D1: num, D2: den}.Survival(x)
}

// TypeIII tests each term of the fixed effects given all others, at the average over the levels of the factors
// it takes part in with others: the columns that belong to it when every factor that is coded by contrasts is coded by
// sum contrasts (SAS type III). The test of a numeric variable is that where those it takes part with are zero, so centre
// what has no natural zero. The intercept is not tested. Terms of which no column is left are not in the result.
func (f *Fit) TypeIII() ([]Test, error) {
	if err := f.Err(); err != nil {
		return nil, err
	}
	d := f.model.whole()
	sum, err := d.fixed.columns(d.rows, ContrastsSum)
	if err != nil {
		return nil, err
	}
	sum, _ = independent(sum)
	// The two codings span the same space: X_sum T = X, so beta_sum = T beta. Columns of X_sum are brought to unit length;
	// that a coefficient is zero does not depend on it.
	n, p := len(d.rows), len(f.Beta)
	for _, c := range sum {
		size := norm(c.values)
		for i := range c.values {
			c.values[i] /= size
		}
	}
	xs, x := mat.NewDense(n, len(sum), rowMajor(sum, n)), mat.NewDense(n, p, d.x)
	var qr mat.QR
	qr.Factorize(xs)
	var t mat.Dense
	if err := qr.SolveTo(&t, false, x); err != nil {
		return nil, fmt.Errorf("type III tests: %w", err)
	}
	var tests []Test
	for term := 1; term < len(d.termNames); term++ {
		var rows [][]float64
		for i, c := range sum {
			if c.term == term {
				rows = append(rows, mat.Row(nil, i, &t))
			}
		}
		if len(rows) == 0 {
			continue
		}
		test, err := f.Test(d.termNames[term], rows)
		if err != nil {
			return nil, err
		}
		tests = append(tests, test)
	}
	return tests, nil
}
