package agreement

import (
	"math"

	"gonum.org/v1/gonum/mathext"
	"gonum.org/v1/gonum/stat/distuv"
)

// Interval is a confidence interval.
type Interval struct {
	Lower, Upper float64 // Lower is -Inf where nothing bounds it
	Level        float64 // such as 0.95
}

// FTest is the test that the clips do not differ: ICC = 0.
type FTest struct {
	F, DF1, DF2, P float64 // F is +Inf for judges who agree perfectly
}

// ICC is an intraclass correlation: which part of the variance of ratings is of the clips.
type ICC struct {
	Name     string // of Shrout & Fleiss (1979), as "ICC(2,1)"
	Alias    string // of McGraw & Wong (1996), as "ICC(A,1)"
	Judges   float64
	Value    float64   // at most 1; below 0 where clips differ less than chance would have it; NaN with Err
	Interval *Interval // nil where none was asked for or could be found
	Test     *FTest    // nil for incomplete designs
	Err      error     // why this one is not estimable although others are
}

// CompleteICC holds the six coefficients of a design in which every judge rated every clip, and the mean squares they are made of.
type CompleteICC struct {
	Clips, Judges int
	MSClips       float64 // between clips, clips - 1 df, in squared units of the rating
	MSWithin      float64 // within clips, clips (judges - 1) df
	MSJudges      float64 // between judges, judges - 1 df
	MSError       float64 // residual, (clips - 1)(judges - 1) df
	// ICC(1,1), ICC(2,1), ICC(3,1): of one judge's rating where each clip has judges of its own, where judges are a sample, where they are
	// the only ones of interest; then ICC(1,k), ICC(2,k), ICC(3,k) of the mean of all judges' ratings.
	Coefficients [6]ICC
}

var iccNames = [6][2]string{{"ICC(1,1)", "ICC(1)"}, {"ICC(2,1)", "ICC(A,1)"}, {"ICC(3,1)", "ICC(C,1)"}, {"ICC(1,k)", "ICC(k)"}, {"ICC(2,k)", "ICC(A,k)"}, {"ICC(3,k)", "ICC(C,k)"}}

// ICCOf computes the six intraclass correlations of Shrout & Fleiss (1979, Psychological Bulletin 86, 420-428) and their F-based
// intervals. Those of ICC(1) and ICC(3) are exact under normality; that of ICC(2) takes Satterthwaite's df for the judges' part, as in
// Shrout & Fleiss and in McGraw & Wong (1996, Psychological Methods 1, 30-46). The level is 0.95 if 0. A table with gaps, fewer than two
// clips or judges, or clips that do not differ, is [ErrNotEstimable]; for gaps there is [IncompleteICCOf].
func ICCOf(t *Table, level float64) (*CompleteICC, error) {
	const what = "the ICC of a complete design"
	level, err := checkLevel(level)
	if err != nil {
		return nil, err
	}
	if err := t.rated(what); err != nil {
		return nil, err
	}
	n, k := len(t.clips), len(t.judges)
	if !t.Complete() {
		return nil, notEstimable(what, "%d of %d ratings are missing; use the variance components of the incomplete design", n*k-t.ratings, n*k)
	}
	z, half := t.normal()
	if half == 0 {
		return nil, notEstimable(what, "all ratings are equal")
	}
	r := z.anova()
	if r.MSClips == 0 {
		return nil, notEstimable(what, "all clips have the same mean")
	}
	r.coefficients(level)
	for _, ms := range []*float64{&r.MSClips, &r.MSWithin, &r.MSJudges, &r.MSError} {
		*ms *= half * half
	}
	return r, nil
}

// anova computes the mean squares of a complete table with values within ±1.
func (t *Table) anova() *CompleteICC {
	n, k := len(t.clips), len(t.judges)
	byClip, byJudge, mean := make([]float64, n), make([]float64, k), 0.0
	for i, row := range t.rows {
		for _, c := range row {
			byClip[i] += c.value / float64(k)
			byJudge[c.judge] += c.value / float64(n)
		}
	}
	for _, m := range byClip {
		mean += m / float64(n)
	}
	var clips, judges, within, residual, total float64
	for _, m := range byClip {
		clips += float64(k) * square(m-mean)
	}
	for _, m := range byJudge {
		judges += float64(n) * square(m-mean)
	}
	for i, row := range t.rows {
		for _, c := range row {
			within += square(c.value - byClip[i])
			residual += square(c.value - byClip[i] - byJudge[c.judge] + mean)
			total += square(c.value - mean)
		}
	}
	for _, ss := range []*float64{&clips, &judges, &within, &residual} {
		if *ss <= rounding*total { // what remains of exact agreement is rounding
			*ss = 0
		}
	}
	df := float64(n-1) * float64(k-1)
	return &CompleteICC{Clips: n, Judges: k, MSClips: clips / float64(n-1), MSWithin: within / float64(n*(k-1)), MSJudges: judges / float64(k-1), MSError: residual / df}
}

// rounding is the part of a sum of squares that floating-point numbers may leave of nothing.
const rounding = 1e-24

func square(x float64) float64 { return x * x }

// values returns the six coefficients. ICC(2,k) is NaN, with the reason, where the mean ratings have no variance beyond chance.
func (r *CompleteICC) values() ([6]float64, error) {
	n, k := float64(r.Clips), float64(r.Judges)
	b, w, j, e := r.MSClips, r.MSWithin, r.MSJudges, r.MSError
	v := [6]float64{
		(b - w) / (b + (k-1)*w), (b - e) / (b + (k-1)*e + k*(j-e)/n), (b - e) / (b + (k-1)*e),
		(b - w) / b, (b - e) / (b + (j-e)/n), (b - e) / b,
	}
	if b+(j-e)/n > 0 {
		return v, nil
	}
	v[4] = math.NaN()
	return v, notEstimable("ICC(2,k)", "the clips differ so much less than chance would have it that their mean ratings have no variance")
}

func (r *CompleteICC) coefficients(level float64) {
	n, k := float64(r.Clips), float64(r.Judges)
	b, w, e := r.MSClips, r.MSWithin, r.MSError
	values, err := r.values()
	oneway, twoway := [2]float64{n - 1, n * (k - 1)}, [2]float64{n - 1, (n - 1) * (k - 1)}
	var limits [6]Interval
	limits[0], limits[3] = ratioLimits(b/w, oneway, k, level)
	limits[2], limits[5] = ratioLimits(b/e, twoway, k, level)
	limits[1], limits[4] = r.absoluteLimits(values[1], level)
	for i := range values {
		f, df := b/e, twoway
		if i%3 == 0 {
			f, df = b/w, oneway
		}
		judges := 1.0
		if i >= 3 {
			judges = k
		}
		limits[i].Level = level
		r.Coefficients[i] = ICC{Name: iccNames[i][0], Alias: iccNames[i][1], Judges: judges, Value: values[i], Interval: &limits[i], Test: &FTest{f, df[0], df[1], upperF(f, df[0], df[1])}}
		if math.IsNaN(limits[i].Lower) || math.IsNaN(limits[i].Upper) { // a negative ICC(2) can leave the approximation no degrees of freedom
			r.Coefficients[i].Interval = nil
		}
	}
	if err != nil {
		r.Coefficients[4].Interval, r.Coefficients[4].Err = nil, err
	}
}

// ratioLimits returns the limits of (F - 1)/(F + k - 1) and of 1 - 1/F for an F that is a ratio of independent mean squares.
func ratioLimits(f float64, df [2]float64, k, level float64) (single, mean Interval) {
	lower, upper := f/quantileF((1+level)/2, df[0], df[1]), f*quantileF((1+level)/2, df[1], df[0])
	if math.IsInf(f, 1) {
		return Interval{Lower: 1, Upper: 1}, Interval{Lower: 1, Upper: 1}
	}
	return Interval{Lower: (lower - 1) / (lower + k - 1), Upper: (upper - 1) / (upper + k - 1)}, Interval{Lower: 1 - 1/lower, Upper: 1 - 1/upper}
}

// absoluteLimits returns the limits of ICC(2,1), and by the Spearman-Brown formula of ICC(2,k).
func (r *CompleteICC) absoluteLimits(rho, level float64) (single, mean Interval) {
	n, k := float64(r.Clips), float64(r.Judges)
	b, j, e := r.MSClips, r.MSJudges, r.MSError
	if j == 0 && e == 0 {
		return Interval{Lower: 1, Upper: 1}, Interval{Lower: 1, Upper: 1}
	}
	// a J + c E is the variance to which Satterthwaite's df v belong; J/E may be infinite, so both are taken in units of their sum.
	a, c := k*rho*j/(j+e), (n*(1+(k-1)*rho)-k*rho)*e/(j+e)
	v := (n - 1) * (k - 1) * square(a+c) / ((n-1)*square(a) + square(c))
	lower, upper := quantileF((1+level)/2, n-1, v), quantileF((1+level)/2, v, n-1)
	noise := k*j + (k*n-k-n)*e
	single.Lower = n * (b - lower*e) / (lower*noise + n*b)
	single.Upper = n * (upper*b - e) / (noise + n*upper*b)
	return single, Interval{Lower: spearmanBrown(single.Lower, k), Upper: spearmanBrown(single.Upper, k)}
}

// spearmanBrown returns the reliability of the mean of k ratings whose single reliability is r: k r / (1 + (k - 1) r). It is -Inf where a
// negative r leaves the mean no variance.
func spearmanBrown(r, k float64) float64 {
	d := 1 + (k-1)*r
	if d <= 0 {
		return math.Inf(-1)
	}
	return k * r / d
}

// quantileF returns the value below which an F lies with probability p, of 0.5 or more. The library's own quantile loses digits at large df, so it is where Newton
// steps begin, on the logarithm of F and the probability above it.
func quantileF(p, d1, d2 float64) float64 {
	dist := distuv.F{D1: d1, D2: d2}
	f := dist.Quantile(p)
	if !(f > 0) || math.IsInf(f, 0) {
		f = 1
	}
	for range 50 {
		density := f * dist.Prob(f)
		if !(density > 0) {
			break
		}
		step := max(-1, min(1, (upperF(f, d1, d2)-(1-p))/density))
		f *= math.Exp(step)
		if math.Abs(step) < 1e-13 {
			break
		}
	}
	return f
}

// upperF returns the probability of a larger F, to full relative precision also where it is small.
func upperF(f, d1, d2 float64) float64 {
	switch {
	case math.IsInf(f, 1):
		return 0
	case !(f > 0):
		return 1
	}
	return mathext.RegIncBeta(d2/2, d1/2, d2/(d2+d1*f))
}

// maxJudges bounds plans: who needs more than a million ratings of a clip needs another measure.
const maxJudges = 1_000_000

// JudgesNeeded returns how many judges' mean reaches a target reliability when one judge has a reliability of single, such as ICC(2,1), by the
// Spearman-Brown formula: k = target (1 - single) / (single (1 - target)), rounded up. Target lies between 0 and 1. With a single reliability
// of 0 or less no number of judges suffices: [ErrNotEstimable].
func JudgesNeeded(single, target float64) (int, error) {
	if !(target > 0 && target < 1) {
		return 0, badInput("target", "is %v; expected a reliability between 0 and 1", target)
	}
	if !(single > 0) || single > 1 {
		return 0, notEstimable("the number of judges", "one judge's reliability is %.3g, and no number of judges makes a mean of that reliable", single)
	}
	return countNeeded("judges", target*(1-single)/(single*(1-target)))
}

// countNeeded rounds a number of judges or segments up, forgiving what rounding adds.
func countNeeded(what string, x float64) (int, error) {
	if !(x <= maxJudges) {
		return 0, notEstimable("the number of "+what, "more than %d would be needed", maxJudges)
	}
	return max(1, int(math.Ceil(x-1e-9*max(1, x)))), nil
}
