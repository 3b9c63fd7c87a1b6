package mixed

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
)

// Resampling says where bootstrap samples come from.
type Resampling string

// Cluster draws couples with replacement and so needs no part of the covariance to be right. Parametric draws outcomes
// from the fitted model.
const (
	Cluster    Resampling = "cluster"
	Parametric Resampling = "parametric"
)

// BootstrapOptions steer a bootstrap.
type BootstrapOptions struct {
	Resampling Resampling // empty means Cluster
	Samples    int        // 0 means 1000
	Seed       uint64     // the same seed gives the same samples, whatever the number of workers
	Workers    int        // 0 means one for each processor
	// Progress is called, if not nil, after each sample with the number done and of all; never by two goroutines at once.
	Progress func(done, of int)
}

// Bootstrap is what estimates do from sample to sample.
type Bootstrap struct {
	Resampling Resampling
	Samples    int         // that were fitted
	Failed     int         // whose fixed effects could not all be estimated, or that did not converge
	Beta       [][]float64 // Samples x p
	Components [][]float64 // Samples x number of Fit.Components
	Parameters []Spread    // of the fixed effects, then of the covariance parameters
}

// Spread sums up one parameter over the samples.
type Spread struct {
	Name     string
	Estimate float64 // of the fit
	Bias     float64 // mean of the samples less the estimate
	SE       float64 // standard deviation of the samples
	Lower    float64 // percentile interval at Spec.Level
	Upper    float64
}

// Bootstrap fits the model to samples of the data (Davison & Hinkley 1997, sections 2.4, 3.8 and 5.3.1). Each fit starts
// from the estimates. Samples that fail are counted and left out; if more than half fail that is an error. It ends
// early with ctx's error.
func (f *Fit) Bootstrap(ctx context.Context, o BootstrapOptions) (*Bootstrap, error) {
	if err := f.Err(); err != nil {
		return nil, err
	}
	if o.Resampling == "" {
		o.Resampling = Cluster
	}
	if o.Samples == 0 {
		o.Samples = 1000
	}
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	switch {
	case o.Resampling != Cluster && o.Resampling != Parametric:
		return nil, &SpecError{"bootstrap.resampling", fmt.Sprintf("is %q; expected cluster or parametric", o.Resampling)}
	case o.Samples < 2:
		return nil, &SpecError{"bootstrap.samples", fmt.Sprintf("is %d; expected 2 or more", o.Samples)}
	case o.Workers < 1:
		return nil, &SpecError{"bootstrap.workers", fmt.Sprintf("is %d; expected 1 or more", o.Workers)}
	}
	source := f.sampleSource()
	betas, thetas := make([][]float64, o.Samples), make([][]float64, o.Samples)
	var mu sync.Mutex
	next, done := 0, 0
	take := func() (int, bool) {
		mu.Lock()
		defer mu.Unlock()
		next++
		return next - 1, next <= o.Samples && ctx.Err() == nil
	}
	var workers sync.WaitGroup
	for range min(o.Workers, o.Samples) {
		workers.Go(func() {
			s := source.sampler()
			for i, ok := take(); ok; i, ok = take() {
				rng := rand.New(rand.NewPCG(o.Seed, uint64(i)))
				if o.Resampling == Cluster {
					s.couples(rng)
				} else {
					s.outcomes(rng)
				}
				betas[i], thetas[i] = s.fit(ctx)
				mu.Lock()
				if done++; o.Progress != nil {
					o.Progress(done, o.Samples)
				}
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b := &Bootstrap{Resampling: o.Resampling}
	for i, beta := range betas {
		if beta == nil {
			b.Failed++
			continue
		}
		b.Beta = append(b.Beta, beta)
		var values []float64
		for _, c := range f.model.components(thetas[i]) {
			values = append(values, c.Value)
		}
		b.Components = append(b.Components, values)
	}
	b.Samples = len(b.Beta)
	if b.Failed > o.Samples/2 {
		return nil, &NotConvergedError{fmt.Sprintf("%d of %d bootstrap samples could not be fitted; there are too few couples for so rich a model", b.Failed, o.Samples)}
	}
	for i, name := range f.Names {
		b.Parameters = append(b.Parameters, spread(name, f.Beta[i], b.Beta, i, f.model.spec.Level))
	}
	for i, c := range f.Components() {
		b.Parameters = append(b.Parameters, spread(c.Name, c.Value, b.Components, i, f.model.spec.Level))
	}
	return b, nil
}

// spread sums up a column of the samples. NaN, as of correlations with an effect that has no variance, do not count.
func spread(name string, estimate float64, samples [][]float64, column int, level float64) Spread {
	var x []float64
	for _, s := range samples {
		if !math.IsNaN(s[column]) {
			x = append(x, s[column])
		}
	}
	out := Spread{Name: name, Estimate: estimate, Bias: math.NaN(), SE: math.NaN(), Lower: math.NaN(), Upper: math.NaN()}
	if len(x) < 2 {
		return out
	}
	slices.Sort(x)
	mean, sd := stat.MeanStdDev(x, nil)
	out.Bias, out.SE = mean-estimate, sd
	out.Lower, out.Upper = quantile(x, (1-level)/2), quantile(x, (1+level)/2)
	return out
}

// quantile interpolates between order statistics: definition 7 of Hyndman & Fan (1996), R's default.
func quantile(sorted []float64, p float64) float64 {
	h := p * float64(len(sorted)-1)
	i := min(int(h), len(sorted)-2)
	return sorted[i] + (h-float64(i))*(sorted[i+1]-sorted[i])
}

// sampleSource is what all samplers share: the rows of each couple in the engine's scale and what is needed to
// draw new outcomes.
type sampleSource struct {
	fit    *Fit
	metric *mat.SymDense // inverse of the observed information
	rows   [][]float64   // of each couple, n x (p+1): X and y
	fitted [][]float64   // of each couple, n: X b
	chol   []*mat.TriDense
	of     []int // pattern of each couple
	order  []*pattern
}

func (f *Fit) sampleSource() *sampleSource {
	s := &sampleSource{fit: f, metric: inverseMetric(f.hess)}
	index := map[*shape]int{}
	p := len(f.Beta)
	f.each(func(i int, c couple) {
		at, ok := index[c.shape]
		if !ok {
			at = len(s.order)
			index[c.shape] = at
			s.order = append(s.order, &pattern{layout: c.layout})
		}
		s.of = append(s.of, at)
		s.order[at].couples++
		n := len(c.r)
		rows, fitted := make([]float64, 0, n*(p+1)), make([]float64, n)
		for j := range n {
			x := c.x.RawRowView(j)
			fitted[j] = dot(x, f.work.gamma)
			rows = append(append(rows, x...), fitted[j]+c.r[j])
		}
		var l mat.TriDense
		c.chol.LTo(&l)
		s.rows, s.fitted, s.chol = append(s.rows, rows), append(s.fitted, fitted), append(s.chol, &l)
	})
	return s
}

// sampler holds one worker's sample and the memory to fit it.
type sampler struct {
	*sampleSource
	model Model
	w     *Workspace
	z     []float64
	row   []float64
}

func (s *sampleSource) sampler() *sampler {
	m := s.fit.model
	out := &sampler{sampleSource: s, model: *m}
	st := &stats{p: m.stats.p, maxRows: m.stats.maxRows}
	for _, pat := range s.order {
		n := pat.layout.n
		own := &pattern{layout: pat.layout}
		if pat.couples > st.p+1 {
			own.sums = make([]float64, n*(n+1)/2*st.width())
		}
		st.patterns = append(st.patterns, own)
	}
	out.model.stats = st
	out.w = out.model.NewWorkspace()
	out.z = make([]float64, st.maxRows)
	return out
}

func (s *sampler) reset() {
	st := s.model.stats
	st.n, st.couples = 0, 0
	for _, pat := range st.patterns {
		pat.couples = 0
		clear(pat.sums)
		pat.rows = pat.rows[:0]
	}
}

// take adds a couple's rows to the sample a number of times.
func (s *sampler) take(i int, rows []float64, times int) {
	st := s.model.stats
	pat := st.patterns[s.of[i]]
	pat.couples += times
	st.couples += times
	st.n += times * pat.layout.n
	if pat.sums != nil {
		pat.add(rows, st.p+1, st.width(), float64(times))
		return
	}
	for range times {
		pat.rows = append(pat.rows, rows...)
	}
}

// couples draws couples with replacement.
func (s *sampler) couples(rng *rand.Rand) {
	s.reset()
	times := make([]int, len(s.rows))
	for range times {
		times[rng.IntN(len(times))]++
	}
	for i, k := range times {
		if k > 0 {
			s.take(i, s.rows[i], k)
		}
	}
}

// outcomes draws new outcomes for every couple: X b + L z.
func (s *sampler) outcomes(rng *rand.Rand) {
	s.reset()
	c := s.model.stats.p + 1
	for i, rows := range s.rows {
		n := len(s.fitted[i])
		z := s.z[:n]
		for j := range z {
			z[j] = rng.NormFloat64()
		}
		s.row = append(s.row[:0], rows...)
		for j := range n {
			y := s.fitted[i][j]
			for k := range j + 1 {
				y += s.chol[i].At(j, k) * z[k]
			}
			s.row[j*c+c-1] = y
		}
		s.take(i, s.row, 1)
	}
}

// fit maximises the likelihood of the sample from the estimates of the data. It returns nil for a sample that cannot
// be fitted or if ctx has ended.
func (s *sampler) fit(ctx context.Context) (beta, theta []float64) {
	m := &s.model
	search := &search{m: m, w: s.w, theta: s.sampleSource.start()}
	if !search.follow(s.metric, enough) {
		if math.IsInf(search.ll, -1) || search.climb(ctx) != nil || search.finish(ctx) != nil || !search.conv.Converged {
			return nil, nil
		}
	}
	beta = m.toNatural(s.w.gamma)
	for i, b := range m.scale.b0 {
		beta[i] += b
	}
	return beta, search.theta
}

// start returns the estimates, with zero variances made small ones: at zero the likelihood is level by symmetry, and
// a search that begins there would not leave although a sample may want it.
func (s *sampleSource) start() []float64 {
	m := s.fit.model
	theta := slices.Clone(s.fit.theta)
	for _, t := range m.cov.terms {
		for k := range t.params() {
			at := t.first + k
			if i, j := t.at(k); i == j && math.Abs(theta[at]) < 0.05 {
				theta[at] = math.Copysign(0.05, theta[at])
			}
		}
	}
	return theta
}

// enough is the tolerance of follow for samples and profiles: far below what samples differ by, and what a likelihood ratio is read to.
const enough = 2e-8

// follow climbs by quasi-Newton steps from a point that is near the maximum, in a metric that is near the right one. It
// reports whether it arrived: what is still to be gained is then about half of tolerance.
func (s *search) follow(metric *mat.SymDense, tolerance float64) bool {
	k := len(s.theta)
	s.grad = make([]float64, k)
	inv := mat.NewSymDense(k, nil)
	inv.CopySym(metric)
	if s.ll = s.eval(s.theta, s.grad); math.IsInf(s.ll, -1) {
		return false
	}
	step, next, nextGrad := make([]float64, k), make([]float64, k), make([]float64, k)
	y, hy := make([]float64, k), make([]float64, k)
	for range 60 {
		multiply(inv, s.grad, step)
		slope := dot(step, s.grad)
		if slope < tolerance {
			return slope >= 0
		}
		ll, t := math.Inf(-1), s.limit(step)
		for ; t > 1e-6; t /= 3 {
			for i := range next {
				next[i] = s.theta[i] + t*step[i]
			}
			if ll = s.eval(next, nextGrad); ll >= s.ll+1e-4*t*slope {
				break
			}
		}
		if !(ll > s.ll) {
			s.ll = s.eval(s.theta, s.grad)
			return false
		}
		for i := range y {
			step[i] = next[i] - s.theta[i]
			y[i] = s.grad[i] - nextGrad[i]
		}
		copy(s.theta, next)
		copy(s.grad, nextGrad)
		s.ll = ll
		updateInverse(inv, step, y, hy)
	}
	return false
}
