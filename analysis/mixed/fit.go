package mixed

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/mat"
)

// Convergence tells whether and how the maximum was found, and what is peculiar about it.
type Convergence struct {
	Converged    bool
	Iterations   int
	Evaluations  int
	GradientNorm float64  // largest absolute gradient by a parameter, each in units of its own standard error
	Condition    float64  // of the information matrix scaled to unit diagonal; +Inf if it is singular
	Boundary     []string // variances at zero and correlations at one: the fit is singular
	Reason       string   // in words, when Converged is false or the fit is singular
}

// Err returns nil only if the estimates may be reported. A singular fit may: its fixed effects stand,
// and Boundary and Reason say what the data could not support.
func (c Convergence) Err() error {
	if c.Converged {
		return nil
	}
	return &NotConvergedError{Reason: c.Reason}
}

// NotConvergedError is the error of a fit whose estimates may not be reported.
type NotConvergedError struct{ Reason string }

func (e *NotConvergedError) Error() string { return "the model did not converge: " + e.Reason }

// start returns parameter values to begin from: a share of the least-squares variance divided among the random effects, the
// rest in the residuals.
func (m *Model) start(share float64) []float64 {
	theta := make([]float64, m.cov.params)
	columns := 0
	for _, t := range m.cov.terms {
		columns += t.q
	}
	for _, t := range m.cov.terms {
		for k := range t.params() {
			if i, j := t.at(k); i == j {
				theta[t.first+k] = math.Sqrt(share / float64(columns))
			}
		}
	}
	for r := range m.cov.roles {
		if columns > 0 {
			theta[m.cov.iSigma+r] = math.Log(1-share) / 2
		}
	}
	if m.cov.iRho >= 0 {
		theta[m.cov.iRho] = 0.1
	}
	if i := m.cov.iSerial; i >= 0 && m.spec.Residual.Serial == SerialAR1 {
		theta[i] = 0.1
	}
	return theta
}

// Fit maximises the log-likelihood. If the search does not arrive although the data tell all parameters apart, it begins again from other values. Its error is ctx's, if that ends first; everything
// else that can go wrong is told by Fit.Convergence.
func (m *Model) Fit(ctx context.Context) (*Fit, error) {
	best, err := m.fitFrom(ctx, m.start(0.5))
	for _, share := range []float64{0.1, 0.9} {
		if err != nil || best.Converged || best.unidentified || len(best.theta) == m.cov.roles { // without random effects or correlations there is nothing to begin elsewhere
			break
		}
		var again *Fit
		if again, err = m.fitFrom(ctx, m.start(share)); err == nil && (again.Converged || again.LogLik > best.LogLik) {
			best = again
		}
	}
	if err != nil {
		return nil, err
	}
	return best, nil
}

// FitFrom maximises as Fit does, from the covariance parameters of an earlier fit. It is faster where little has changed
// between the two, as when some rows were added. The fits must have the same covariance parameters, which means the
// same random terms, residual structure and roles: a [*SpecError] if not.
func (m *Model) FitFrom(ctx context.Context, earlier *Fit) (*Fit, error) {
	if err := earlier.Err(); err != nil {
		return m.Fit(ctx)
	}
	now, was := m.cov.paramNames(m.design.random, m.roles), earlier.model.cov.paramNames(earlier.model.design.random, earlier.model.roles)
	if !slices.Equal(now, was) || m.spec.Residual != earlier.model.spec.Residual {
		return nil, &SpecError{"fit", "cannot begin from one with other covariance parameters"}
	}
	// Parameters are in units of the engine's scale of the outcome, which is that of the data.
	k := earlier.model.scale.y / m.scale.y
	theta := append([]float64(nil), earlier.theta...)
	for i := range theta {
		switch {
		case i < m.cov.iSigma:
			if theta[i] *= k; math.Abs(theta[i]) < 1e-3 {
				theta[i] = math.Copysign(1e-3, theta[i]) // at zero the likelihood is level by symmetry
			}
		case i < m.cov.iSigma+m.cov.roles:
			theta[i] += math.Log(k)
		case i == m.cov.iSerial && m.spec.Residual.Serial == SerialCAR1:
			theta[i] += math.Log(earlier.model.timeUnit / m.timeUnit)
		}
	}
	s := &search{m: m, w: m.NewWorkspace(), theta: theta}
	if s.follow(inverseMetric(earlier.hess), m.spec.Options.Tolerance/2) {
		if err := s.finish(ctx); err != nil {
			return nil, err
		}
		if s.conv.Converged {
			return m.result(s), nil
		}
	}
	return m.Fit(ctx)
}

// fitFrom maximises from given parameter values.
func (m *Model) fitFrom(ctx context.Context, theta []float64) (*Fit, error) {
	s := &search{m: m, w: m.NewWorkspace(), theta: append([]float64(nil), theta...)}
	if err := s.run(ctx); err != nil {
		return nil, err
	}
	return m.result(s), nil
}

// search is one maximisation. It climbs by quasi-Newton steps (BFGS) from the metric of the expected
// information, then finishes by Newton steps on the observed information, which serves the inference
// afterwards.
type search struct {
	m      *Model
	w      *Workspace
	theta  []float64
	ll     float64
	grad   []float64
	around curvature // at theta
	conv   Convergence

	pivoted      bool                                // the random effects stand in the order of their pivots
	unidentified bool                                // the data cannot tell all parameters apart, wherever the search begins
	objective    func(theta, grad []float64) float64 // instead of the log-likelihood, if not nil
}

func (s *search) eval(theta, grad []float64) float64 {
	s.conv.Evaluations++
	if s.objective != nil {
		return s.objective(theta, grad)
	}
	return s.m.LogLik(theta, grad, s.w)
}

func (s *search) run(ctx context.Context) error {
	k := len(s.theta)
	s.grad = make([]float64, k)
	s.ll = s.eval(s.theta, s.grad)
	if math.IsInf(s.ll, -1) {
		s.conv.Reason = "the likelihood cannot be computed at the starting values"
		s.conv.Condition = math.Inf(1)
		return nil
	}
	if err := s.climb(ctx); err != nil {
		return err
	}
	return s.finish(ctx)
}

// climb runs BFGS until the expected gain of a step is small.
func (s *search) climb(ctx context.Context) error {
	k := len(s.theta)
	e := make([]float64, k*k)
	s.m.information(s.theta, e, s.w)
	inv := inverseMetric(mat.NewSymDense(k, e)) // approximates the inverse of -Hessian
	step, next, nextGrad := make([]float64, k), make([]float64, k), make([]float64, k)
	y, hy := make([]float64, k), make([]float64, k)
	scoring := true
	for ; s.conv.Iterations < s.m.spec.Options.MaxIter; s.conv.Iterations++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		multiply(inv, s.grad, step)
		slope := dot(step, s.grad)
		if slope < 1e-6 { // Newton steps take it from here
			return nil
		}
		full := s.limit(step)
		t, ll := full, math.Inf(-1)
		for ; t > 1e-10; t /= 3 {
			for i := range next {
				next[i] = s.theta[i] + t*step[i]
			}
			if ll = s.eval(next, nextGrad); ll >= s.ll+1e-4*t*slope {
				break
			}
		}
		if !(ll > s.ll) {
			return nil // no way up along this metric
		}
		for i := range y {
			step[i] = next[i] - s.theta[i]
			y[i] = s.grad[i] - nextGrad[i]
		}
		copy(s.theta, next)
		copy(s.grad, nextGrad)
		s.ll = ll
		if scoring = scoring && t == full && s.conv.Iterations < 8; scoring {
			s.m.information(s.theta, e, s.w)
			inv = inverseMetric(mat.NewSymDense(k, e))
		} else {
			updateInverse(inv, step, y, hy)
		}
	}
	return nil
}

// limit returns the largest fraction of a step, at most 1, that moves no parameter by more than 2.
func (s *search) limit(step []float64) float64 {
	t := 1.0
	for _, d := range step {
		if a := math.Abs(d); a*t > 2 {
			t = 2 / a
		}
	}
	return t
}

// patience is how many Newton steps may be needed before the order of the random effects is taken for the reason.
const patience = 8

// finish runs Newton steps until the decrement is below the tolerance, and judges where they ended.
func (s *search) finish(ctx context.Context) error {
	decrement, err := s.newton(ctx, patience)
	if err == nil && decrement >= s.m.spec.Options.Tolerance && !s.pivoted {
		if err = s.pivot(ctx); err == nil {
			decrement, err = s.newton(ctx, 50)
		}
	}
	if err != nil {
		return err
	}
	s.here()
	s.judge(decrement)
	return nil
}

// newton takes up to so many Newton steps and returns the last decrement. It leaves in s.around how the likelihood bends at theta.
func (s *search) newton(ctx context.Context, steps int) (decrement float64, err error) {
	k := len(s.theta)
	step, next, nextGrad := make([]float64, k), make([]float64, k), make([]float64, k)
	for ; ; steps-- {
		if err := ctx.Err(); err != nil {
			return decrement, err
		}
		s.observe()
		inv := inverseMetric(s.around.observed)
		multiply(inv, s.grad, step)
		decrement = dot(step, s.grad)
		if decrement < s.m.spec.Options.Tolerance && !s.escape() || steps == 0 || s.conv.Iterations >= s.m.spec.Options.MaxIter {
			return decrement, nil
		}
		s.conv.Iterations++
		improved := false
		for t := s.limit(step); t > 1e-6; t /= 4 {
			for i := range next {
				next[i] = s.theta[i] + t*step[i]
			}
			if ll := s.eval(next, nextGrad); ll > s.ll || (ll > s.ll-1e-9 && norm(nextGrad) < norm(s.grad)) {
				s.ll, improved = ll, true
				copy(s.theta, next)
				copy(s.grad, nextGrad)
				break
			}
		}
		if !improved {
			return decrement, nil
		}
	}
}

// pivot searches on in the model with its random effects in the order of a pivoted Cholesky factorisation of G. Where a factor L has next
// to nothing on its diagonal, the columns to the right of that entry can be turned against its own without a change of G, and steps creep along that
// curve. With such entries last there is nothing to turn.
func (s *search) pivot(ctx context.Context) error {
	if s.objective != nil {
		return nil
	}
	m, theta := s.m, s.theta
	turns := make([][]float64, len(m.cov.terms))
	for t, ct := range m.cov.terms {
		if ct.diag {
			continue
		}
		turns[t] = permutation(m.pivots(t, s.theta))
		m, theta = m.turned(t, turns[t]), m.cov.turn(theta, t, turns[t])
	}
	other := &search{m: m, w: m.NewWorkspace(), theta: theta, pivoted: true}
	if err := other.run(ctx); err != nil {
		return err
	}
	s.conv.Iterations += other.conv.Iterations
	s.conv.Evaluations += other.conv.Evaluations
	theta = other.theta
	for t, turn := range turns {
		if turn != nil {
			theta = m.cov.turn(theta, t, transpose(turn, m.cov.terms[t].q))
		}
	}
	grad := make([]float64, len(theta))
	if ll := s.eval(theta, grad); ll > s.ll-1e-9 {
		s.theta, s.grad, s.ll = theta, grad, ll
	}
	return nil
}

// here brings the workspace to theta, where the last point tried was another.
func (s *search) here() {
	if !slices.Equal(s.w.at, s.theta) {
		s.m.LogLik(s.theta, nil, s.w)
	}
}

// observe looks at how the likelihood bends at theta.
func (s *search) observe() {
	s.here()
	s.around = s.m.curvature(s.theta, s.w)
}

// escape moves off a saddle: a stationary point from which some direction leads up. It reports
// whether it moved.
func (s *search) escape() bool {
	k := len(s.theta)
	var eig mat.EigenSym
	if !eig.Factorize(s.around.observed, true) {
		return false
	}
	values := eig.Values(nil)
	if values[0] > -1e-6*math.Max(1, values[k-1]) {
		return false
	}
	var vectors mat.Dense
	eig.VectorsTo(&vectors)
	next := make([]float64, k)
	for _, t := range []float64{0.3, -0.3, 0.1, -0.1, 0.01, -0.01} {
		for i := range next {
			next[i] = s.theta[i] + t*vectors.At(i, 0)
		}
		if ll := s.eval(next, nil); ll > s.ll+1e-9 {
			copy(s.theta, next)
			s.ll = s.eval(s.theta, s.grad)
			return true
		}
	}
	s.eval(s.theta, s.grad)
	return false
}

// judge says whether theta is a maximum, whether the data determine it, and where it lies on the boundary.
func (s *search) judge(decrement float64) {
	m, k := s.m, len(s.theta)
	for i := range k {
		if h := s.around.observed.At(i, i); h > 0 {
			s.conv.GradientNorm = math.Max(s.conv.GradientNorm, math.Abs(s.grad[i])/math.Sqrt(h))
		}
	}
	s.conv.Boundary = m.boundary(s.theta)
	arrived := decrement <= math.Max(1e-8, m.spec.Options.Tolerance)
	var flat []string
	s.conv.Condition, flat = s.identified(arrived)
	switch {
	case len(flat) > 0:
		s.unidentified = true
		s.conv.Reason = fmt.Sprintf("the data cannot tell these apart: %s; leave one of them out", strings.Join(flat, ", "))
	case !arrived:
		s.conv.Reason = fmt.Sprintf("the search stopped after %d steps with %.2g still to be gained; the model may be too rich for the data", s.conv.Iterations, decrement/2)
	default:
		s.conv.Converged = true
		if len(s.conv.Boundary) > 0 {
			s.conv.Reason = "singular fit: " + strings.Join(s.conv.Boundary, "; ") + "; the data do not support so rich a random structure"
		}
	}
}

// inverseMetric returns an inverse of a symmetric matrix that is positive definite whatever the matrix is:
// negative curvature is taken by its size, vanishing curvature is bounded below.
func inverseMetric(a *mat.SymDense) *mat.SymDense {
	k := a.SymmetricDim()
	var eig mat.EigenSym
	out := mat.NewSymDense(k, nil)
	if !eig.Factorize(a, true) {
		for i := range k {
			out.SetSym(i, i, 1)
		}
		return out
	}
	values := eig.Values(nil)
	var v mat.Dense
	eig.VectorsTo(&v)
	top := 0.0
	for _, x := range values {
		top = math.Max(top, math.Abs(x))
	}
	floor := math.Max(1e-10*top, 1e-300)
	for i := range k {
		for j := range i + 1 {
			sum := 0.0
			for e, x := range values {
				sum += v.At(i, e) * v.At(j, e) / math.Max(math.Abs(x), floor)
			}
			out.SetSym(i, j, sum)
		}
	}
	return out
}

// updateInverse applies the BFGS update of an inverse Hessian for a step and the change y of the
// gradient of what is minimised. It is left out where the curvature along the step is not positive.
func updateInverse(inv *mat.SymDense, step, y, hy []float64) {
	sy := dot(step, y)
	if !(sy > 1e-12*norm(step)*norm(y)) {
		return
	}
	multiply(inv, y, hy)
	c := (1 + dot(y, hy)/sy) / sy
	for i := range step {
		for j := range i + 1 {
			inv.SetSym(i, j, inv.At(i, j)+c*step[i]*step[j]-(step[i]*hy[j]+hy[i]*step[j])/sy)
		}
	}
}

func multiply(a *mat.SymDense, x, out []float64) {
	for i := range out {
		s := 0.0
		for j, v := range x {
			s += a.At(i, j) * v
		}
		out[i] = s
	}
}

func dot(a, b []float64) float64 {
	s := 0.0
	for i, x := range a {
		s += x * b[i]
	}
	return s
}
