package power

import (
	"context"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Solution is the answer to how many couples a study needs.
type Solution struct {
	Target  float64 // power that every effect of interest has at least
	Couples int     // the smallest sample size that is expected to have it
	Lower   int     // 95 % interval of Couples for the number of studies that were simulated
	Upper   int
	Effect  string // the effect of interest that needs most couples
	Curve   *Curve // what was simulated on the way; the point of Couples is among its Points
}

// At returns the point of the solution's sample size.
func (s *Solution) At() Point {
	i := slices.IndexFunc(s.Curve.Points, func(p Point) bool { return p.Couples == s.Couples })
	return s.Curve.Points[i]
}

// fewest is the smallest sample size that Solve considers: below it no interval of a mixed model is to be trusted.
const fewest = 10

// Solve finds how many couples give every effect of interest a power. The plan's Couples are not read. It simulates at sample sizes around the answer and reads it
// off a probit regression of significance on the square root of the number of couples, on which the power of a Wald test is a straight line:
//
//	power(n) = Φ(a + b √n)
//
// The interval follows from the covariance of a and b by the delta method. A target that no number of couples up to 100,000 reaches is a [*PlanError], as is one for an effect of 0.
func Solve(ctx context.Context, p Plan, target float64) (*Solution, error) {
	s, err := newScheme(p)
	if err != nil {
		return nil, err
	}
	switch {
	case !(target > s.plan.Alpha && target <= 0.999):
		return nil, wrong(fmt.Sprintf("is %v; expected a power above alpha (%v) and up to 0.999, such as 0.8", target, s.plan.Alpha), "target")
	case len(s.interest) == 0:
		return nil, wrong("are all 0; a sample size needs an effect that is to be found", "effects")
	}
	for _, i := range s.interest {
		if s.beta[i] == 0 {
			return nil, wrong(fmt.Sprintf("has %s, whose true value is 0; no number of couples finds what is not there", s.names[i]), "interest")
		}
	}
	v := &solver{scheme: s, target: target, points: map[int]*Point{}}
	n, err := v.pilot(ctx)
	if err != nil {
		return nil, err
	}
	for range 6 {
		low, high := v.size(0.8*n), v.size(1.25*n)
		for _, k := range []int{low, v.size(n), high} {
			if err := v.visit(ctx, k); err != nil {
				return nil, err
			}
		}
		answer, at := v.read()
		if v.size(answer.couples) >= low && v.size(answer.couples) <= high || low == fewest && answer.couples < fewest {
			return v.solution(ctx, answer, at)
		}
		if n = math.Min(math.Max(answer.couples, n/3), n*3); !(n < float64(v.most())) {
			return nil, v.unreachable(s.names[at])
		}
	}
	answer, at := v.read()
	return v.solution(ctx, answer, at)
}

type solver struct {
	*scheme
	target float64
	points map[int]*Point
}

func (v *solver) most() int { return min(maxCouples, maxRows/(2*len(v.plan.Times))) }

func (v *solver) size(n float64) int {
	return int(math.Ceil(math.Min(math.Max(n, fewest), float64(v.most()))))
}

func (v *solver) visit(ctx context.Context, n int) error {
	if v.points[n] != nil {
		return nil
	}
	point, err := v.simulate(ctx, n)
	v.points[n] = point
	return err
}

func (v *solver) unreachable(name string) error {
	return wrong(fmt.Sprintf("is not reached for %s with %d couples", name, v.most()), "target")
}

// pilot guesses the sample size from the mean estimates and standard errors of a few studies, which are proportional to 1/√n.
func (v *solver) pilot(ctx context.Context) (float64, error) {
	few := *v.scheme
	few.plan.Replications, few.plan.MCError = min(round, v.plan.Replications), 0
	need := distuv.UnitNormal.Quantile(1-v.plan.Alpha/2) + distuv.UnitNormal.Quantile(v.target)
	var failures []Failure
	for n := 60; n <= min(v.most(), 4000); n *= 3 {
		point, err := few.simulate(ctx, n)
		if err != nil {
			return 0, err
		}
		failures = point.Failures
		if point.Failed > point.Replications/2 {
			continue
		}
		guess, worst := 0.0, 0
		for _, i := range v.interest {
			e := point.Effects[i]
			size := math.Abs(e.Mean) // which measurement error makes smaller than the truth
			if size < 3*e.BiasSE {
				size = math.Abs(e.True)
			}
			if root := need * e.SE / size; float64(n)*root*root > guess {
				guess, worst = float64(n)*root*root, i
			}
		}
		if guess > float64(v.most()) {
			return 0, v.unreachable(v.names[worst])
		}
		return guess, nil
	}
	return 0, wrong(fmt.Sprintf("is not to be had: most studies cannot be fitted (%s)", failures[0].Reason), "target")
}

// answer is a sample size with its standard error.
type answer struct{ couples, se float64 }

// read reads off the sample size of the effect that needs most couples.
func (v *solver) read() (worst answer, effect int) {
	worst.couples, effect = -1, v.interest[0]
	for _, i := range v.interest {
		var n, hits, of []float64
		for _, k := range v.sizes() {
			e := v.points[k].Effects[i]
			independent := float64(v.points[k].Replications) // of the same information, for studies share predictors
			if alone := math.Sqrt(e.Power * (1 - e.Power) / independent); e.PowerSE > alone {
				independent *= alone * alone / (e.PowerSE * e.PowerSE)
			}
			n, hits, of = append(n, float64(k)), append(hits, e.Power*independent), append(of, independent)
		}
		if a := probit(n, hits, of, v.target); a.couples > worst.couples {
			worst, effect = a, i
		}
	}
	return worst, effect
}

func (v *solver) sizes() []int {
	var list []int
	for n := range v.points {
		list = append(list, n)
	}
	slices.Sort(list)
	return list
}

func (v *solver) solution(ctx context.Context, a answer, effect int) (*Solution, error) {
	n := v.size(a.couples)
	if err := v.visit(ctx, n); err != nil {
		return nil, err
	}
	z := distuv.UnitNormal.Quantile(0.975)
	out := &Solution{Target: v.target, Couples: n, Lower: v.size(a.couples - z*a.se), Upper: v.size(a.couples + z*a.se), Effect: v.names[effect], Curve: v.curve()}
	for _, k := range v.sizes() {
		out.Curve.Points = append(out.Curve.Points, *v.points[k])
	}
	return out, nil
}

// probit fits share = Φ(a + b √n) to counts by maximum likelihood (Fisher scoring; McCullagh & Nelder 1989, section 4.4) and returns the n at which it is the target. Where the
// shares do not rise with n, n is +Inf.
func probit(n, hits, of []float64, target float64) answer {
	u := distuv.UnitNormal
	var a, b, iaa, iab, ibb float64
	mean := 0.0
	for i := range n {
		mean += math.Sqrt(n[i]) / float64(len(n))
	}
	for round := range 100 {
		iaa, iab, ibb = 0, 0, 0
		sa, sb := 0.0, 0.0
		for i := range n {
			x := math.Sqrt(n[i]) - mean
			eta := a + b*x
			if round == 0 { // from the shares themselves
				eta = u.Quantile((hits[i] + 0.5) / (of[i] + 1))
			}
			share := math.Min(math.Max(u.CDF(eta), 1e-10), 1-1e-10)
			d := u.Prob(eta)
			w := of[i] * d * d / (share * (1 - share))
			response := eta + (hits[i]/of[i]-share)/d
			if d < 1e-8 {
				continue
			}
			iaa, iab, ibb = iaa+w, iab+w*x, ibb+w*x*x
			sa, sb = sa+w*response, sb+w*x*response
		}
		det := iaa*ibb - iab*iab
		na, nb := (ibb*sa-iab*sb)/det, (iaa*sb-iab*sa)/det
		settled := math.Abs(na-a)+math.Abs(nb-b) < 1e-10
		if a, b = na, nb; settled {
			break
		}
	}
	root := mean + (u.Quantile(target)-a)/b
	if !(b > 0) || math.IsNaN(root) {
		return answer{math.Inf(1), math.Inf(1)}
	}
	det := iaa*ibb - iab*iab
	ga, gb := -1/b, -(root-mean)/b // gradient of the root by a and b
	variance := (ga*ga*ibb - 2*ga*gb*iab + gb*gb*iaa) / det
	root = math.Max(root, 0)
	return answer{root * root, 2 * root * math.Sqrt(variance)}
}
