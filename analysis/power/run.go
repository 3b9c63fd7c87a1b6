package power

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"asem/analysis/mixed"
)

// Curve is power over sample sizes.
type Curve struct {
	Interest   []int    // indexes of the effects that the study is about, in Point.Effects
	Covariance []string // names of the covariance parameters, with their true Values
	Values     []float64
	Alpha      float64
	Points     []Point // one for each sample size, in ascending order
}

// Point is what was simulated at one sample size. Studies that failed count as not significant in Power; all else is over those that did not.
type Point struct {
	Couples      int
	Replications int // studies simulated
	Failed       int // whose model could not be fitted or did not converge
	Singular     int // of the others: whose fit lies on the boundary, as with a variance of zero; they count
	Failures     []Failure
	Rows         float64 // mean number of complete rows
	Effects      []Effect
}

// Failure is a reason for which studies failed, with the figures of one of them.
type Failure struct {
	Reason string
	Count  int
}

// Effect is what the simulated studies say of one fixed effect.
type Effect struct {
	Name     string
	Role     string  // empty if it belongs to both partners
	True     float64 // in units of the outcome per unit of the column
	Power    float64 // share of all studies that find it significant, two-sided
	PowerSE  float64 // Monte-Carlo standard error of Power
	Lower    float64 // 95 % interval of Power for the number of studies (Wilson 1927)
	Upper    float64
	Mean     float64 // of the estimates
	Bias     float64 // Mean less True
	BiasSE   float64 // its Monte-Carlo standard error
	SD       float64 // of the estimates: the true standard error
	SE       float64 // mean of the standard errors that the studies report
	Width    float64 // mean width of the confidence intervals
	Coverage float64 // share of intervals that hold True
}

// Simulate simulates studies of each of the plan's sample sizes and fits the model to each of them. Errors are [*PlanError], or ctx's if that ends first.
func Simulate(ctx context.Context, p Plan) (*Curve, error) {
	s, err := newScheme(p)
	if err != nil {
		return nil, err
	}
	if len(s.plan.Couples) == 0 {
		return nil, wrong("are missing; expected sample sizes, such as [60, 120, 240]", "couples")
	}
	curve := s.curve()
	for _, n := range s.plan.Couples {
		point, err := s.simulate(ctx, n)
		if err != nil {
			return nil, err
		}
		curve.Points = append(curve.Points, *point)
	}
	return curve, nil
}

func (s *scheme) curve() *Curve {
	return &Curve{Interest: s.interest, Covariance: s.parts, Values: s.values, Alpha: s.plan.Alpha}
}

// Parameters returns the names of the fixed effects and of the covariance parameters of a plan's model, for which it has or needs true values. Effects and Covariance of the
// plan are not read.
func Parameters(p Plan) (effects, covariance []string, err error) {
	p, err = p.withDefaults()
	if err != nil {
		return nil, nil, err
	}
	s := &scheme{plan: p}
	t, err := s.study(max(probed, 4*p.CouplesPerSite))
	if err != nil {
		return nil, nil, err
	}
	m, err := t.probe()
	if err != nil {
		return nil, nil, err
	}
	return m.Names(), m.ComponentNames(), nil
}

// round is after how many studies the Monte-Carlo error is looked at.
const round = 100

// simulate simulates studies of one sample size.
func (s *scheme) simulate(ctx context.Context, couples int) (*Point, error) {
	t, err := s.study(couples)
	if err != nil {
		return nil, err
	}
	all := make([]trial, 0, s.plan.Replications)
	for len(all) < s.plan.Replications {
		all, err = t.more(ctx, all, min(len(all)+round, s.plan.Replications))
		if err != nil {
			return nil, err
		}
		if len(all) < s.plan.Replications && s.plan.MCError > 0 && len(all) >= 2*round && t.precise(all) {
			break
		}
	}
	return t.point(all), nil
}

// trial is what one simulated study came to.
type trial struct {
	people   int    // number of those who took part
	failure  string // why it failed; empty if it did not
	singular bool
	rows     int
	effects  []found
}

type found struct {
	estimate, se, p, lower, upper float64
}

// more brings the trials to a number. Each draws from a source of its own, so that the order of the workers does not matter.
func (t *study) more(ctx context.Context, all []trial, to int) ([]trial, error) {
	from, k := len(all), t.sharing()
	all = append(all, make([]trial, to-from)...)
	workers := t.plan.Workers
	if workers == 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	var mu sync.Mutex
	next, done := from, from
	take := func() (int, bool) { // of studies with the same people
		mu.Lock()
		defer mu.Unlock()
		first := next
		next = first/k*k + k
		return first, first < to && ctx.Err() == nil
	}
	size := uint64(t.couples) << 32
	var wait sync.WaitGroup
	for range min(workers, to-from) {
		wait.Go(func() {
			for first, ok := take(); ok; first, ok = take() {
				p, err := t.recruit(rand.New(rand.NewPCG(^t.plan.Seed, size|uint64(first/k))))
				for i := first; i < min(first/k*k+k, to) && ctx.Err() == nil; i++ {
					if all[i].people = first / k; err != nil {
						all[i].failure = err.Error()
					} else {
						all[i] = t.try(ctx, rand.New(rand.NewPCG(t.plan.Seed, size|uint64(i)+16)), p)
						all[i].people = first / k
					}
					mu.Lock()
					if done++; t.plan.Progress != nil {
						t.plan.Progress(t.couples, done, t.plan.Replications)
					}
					mu.Unlock()
				}
			}
		})
	}
	wait.Wait()
	return all, ctx.Err()
}

func (t *study) try(ctx context.Context, rng *rand.Rand, p *people) trial {
	m, err := t.replicate(rng, p)
	if err != nil {
		return trial{failure: err.Error()}
	}
	if !slices.Equal(m.Names(), t.names) {
		return trial{failure: errOtherColumns.Error()}
	}
	f, err := m.Fit(ctx)
	if err == nil {
		err = f.Err()
	}
	if err != nil {
		var unfit *mixed.NotConvergedError
		if errors.As(err, &unfit) {
			return trial{failure: unfit.Reason}
		}
		return trial{failure: err.Error()}
	}
	out := trial{singular: len(f.Boundary) > 0, rows: f.Rows}
	for _, p := range f.Parameters {
		out.effects = append(out.effects, found{p.Estimate, p.SE, p.P, p.Lower, p.Upper})
	}
	return out
}

// precise reports whether the power for all effects of interest is known well enough.
func (t *study) precise(all []trial) bool {
	for _, i := range t.interest {
		hits := t.hits(all, i)
		// By Agresti and Coull, so that no hit at all is not taken for certainty.
		n := float64(len(all)) + 4
		share := (stat.Mean(hits, nil)*float64(len(all)) + 2) / n
		if math.Max(math.Sqrt(share*(1-share)/n), clustered(hits, all)) > t.plan.MCError {
			return false
		}
	}
	return true
}

// hits returns 1 for each trial that finds an effect significant, else 0.
func (t *study) hits(all []trial, effect int) []float64 {
	hits := make([]float64, len(all))
	for k, x := range all {
		if x.failure == "" && x.effects[effect].p < t.plan.Alpha {
			hits[k] = 1
		}
	}
	return hits
}

// clustered returns the standard error of the mean of a value of each trial, where those with the same people are not independent. With few
// of them it is 0, for it would not be known.
func clustered(values []float64, all []trial) float64 {
	mean := stat.Mean(values, nil)
	sum, clusters, inside := 0.0, 0, 0.0
	for k, v := range values {
		inside += v - mean
		if k+1 == len(values) || all[k+1].people != all[k].people {
			sum, inside = sum+inside*inside, 0
			clusters++
		}
	}
	if clusters < 20 {
		return 0
	}
	g := float64(clusters)
	return math.Sqrt(sum*g/(g-1)) / float64(len(values))
}

// point sums up trials.
func (t *study) point(all []trial) *Point {
	out := &Point{Couples: t.couples, Replications: len(all)}
	kinds := map[string]int{}
	var fitted []trial
	for _, x := range all {
		if x.failure != "" {
			out.Failed++
			kind := strings.Map(func(r rune) rune { // reasons differ in figures
				if r >= '0' && r <= '9' || r == '-' || r == '+' || r == '.' {
					return -1
				}
				return r
			}, x.failure)
			at, known := kinds[kind]
			if !known {
				at = len(out.Failures)
				kinds[kind] = at
				out.Failures = append(out.Failures, Failure{Reason: x.failure})
			}
			out.Failures[at].Count++
			continue
		}
		fitted = append(fitted, x)
		out.Rows += float64(x.rows)
		if x.singular {
			out.Singular++
		}
	}
	slices.SortStableFunc(out.Failures, func(a, b Failure) int { return b.Count - a.Count })
	out.Rows /= float64(len(fitted))
	n, k := float64(len(all)), float64(len(fitted))
	for i, name := range t.names {
		e := Effect{Name: name, Role: t.role(name), True: t.beta[i]}
		estimates := make([]float64, len(fitted))
		for j, x := range fitted {
			f := x.effects[i]
			estimates[j] = f.estimate
			if f.lower <= e.True && e.True <= f.upper {
				e.Coverage++
			}
			e.SE += f.se
			e.Width += f.upper - f.lower
		}
		e.Mean, e.SD = stat.MeanStdDev(estimates, nil)
		e.Bias, e.BiasSE = e.Mean-e.True, math.Max(e.SD/math.Sqrt(k), clustered(estimates, fitted))
		e.SE, e.Width, e.Coverage = e.SE/k, e.Width/k, e.Coverage/k
		hits := t.hits(all, i)
		e.Power = stat.Mean(hits, nil)
		alone := math.Sqrt(e.Power * (1 - e.Power) / n)
		e.PowerSE = math.Max(alone, clustered(hits, all))
		independent := n // as many independent studies would tell as much
		if e.PowerSE > 0 {
			independent *= alone * alone / (e.PowerSE * e.PowerSE)
		}
		e.Lower, e.Upper = wilson(e.Power, independent)
		out.Effects = append(out.Effects, e)
	}
	return out
}

// role returns whose effect it is.
func (t *study) role(name string) string {
	for _, word := range strings.Split(name, ":") {
		for _, r := range t.plan.Roles {
			if _, _, _, column, _ := t.plan.Model.columns(); word == roleColumn+r || column != "" && word == column+r {
				return r
			}
		}
	}
	return ""
}

// roleColumn is what named models call the role in the names of effects.
const roleColumn = "role"

// wilson is the 95 % score interval of a share (Wilson 1927).
func wilson(share, n float64) (lower, upper float64) {
	z := distuv.UnitNormal.Quantile(0.975)
	middle := (share + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt(share*(1-share)/n+z*z/(4*n*n))
	return math.Max(0, middle-half), math.Min(1, middle+half)
}
