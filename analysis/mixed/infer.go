package mixed

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Fit is the outcome of a maximisation. It never changes.
type Fit struct {
	Names []string  // of the fixed effects, as R's model.matrix, length p
	Beta  []float64 // estimates, length p, units of the outcome per unit of the column
	// VBeta is their covariance (X'V^-1 X)^-1, p x p. With ML it is multiplied by n / (n - p), as R's nlme
	// does, for ML variances are too small by about that; with Kenward-Roger it is adjusted for small samples.
	VBeta  *mat.SymDense
	LogLik float64 // ML or REML as Method says, constants included
	Method Method

	Parameters []Parameter // the fixed effects with their inference, length p
	Random     []RandomEffects
	Residual   ResidualFit

	Rows     int            // rows used
	Missing  map[string]int // rows left out, by the first of their columns that was missing
	Couples  int
	Dropped  []string // columns left out because others determine them
	NParams  int      // fixed effects and covariance parameters
	AIC, BIC float64  // BIC counts rows (n - p with REML), as R's nlme does
	Convergence

	engineV   *mat.SymDense // VBeta in the scale of the engine
	model     *Model
	theta     []float64
	hess      *mat.SymDense // observed information of theta
	work      *Workspace    // as LogLik left it at theta
	grads     []*mat.SymDense
	vcov      *mat.SymDense // asymptotic covariance of theta
	kr        *kenwardRoger // with Kenward-Roger degrees of freedom only
	contained []float64     // degrees of freedom of each fixed effect, with containment only

	unidentified bool
}

// Parameter is one fixed effect.
type Parameter struct {
	Name      string
	Role      string // level of the role column it belongs to; empty if it belongs to both partners or is a difference
	Estimate  float64
	SE        float64 // standard error
	DF        float64 // degrees of freedom of Statistic
	Statistic float64 // t
	P         float64 // two-sided
	Lower     float64 // of the confidence interval; -Inf with next to no degrees of freedom
	Upper     float64
}

// RandomEffects is the covariance of one random term.
type RandomEffects struct {
	Group  string // "couple", "person"
	Groups int
	Names  []string      // length q
	G      *mat.SymDense // q x q
}

// SD returns the standard deviations of the random effects, length q.
func (r RandomEffects) SD() []float64 {
	sd := make([]float64, len(r.Names))
	for i := range sd {
		sd[i] = math.Sqrt(r.G.At(i, i))
	}
	return sd
}

// Correlation returns the correlation of two random effects, NaN if one of them has no variance.
func (r RandomEffects) Correlation(i, j int) float64 {
	return r.G.At(i, j) / math.Sqrt(r.G.At(i, i)*r.G.At(j, j))
}

// ResidualFit is the covariance of the residuals.
type ResidualFit struct {
	Roles []string  // whose standard deviation is whose; one empty name if common to all
	SD    []float64 // same length
	Rho   float64   // correlation of the partners on the same occasion; NaN if not in the model
	Phi   float64   // AR1 correlation of neighbouring occasions; NaN if not in the model
	Tau   float64   // CAR1 range, in units of time; NaN if not in the model
}

// Model returns the model that was fitted.
func (f *Fit) Model() *Model { return f.model }

// fewUnits is below how many independent units intervals without a small-sample adjustment are noticeably too narrow (see Measured in
// the package documentation).
const fewUnits = 100

// Advice says what a reader should know of the inference although nothing is wrong with the fit, in a sentence; empty if nothing. With few
// couples (or sites) and a covariance that was estimated, the standard errors take it for known and are too small (Kenward & Roger 1997).
func (f *Fit) Advice() string {
	m := f.model
	units, what := m.stats.couples, "couples"
	if m.spec.Site != "" {
		what = m.spec.Site + " units"
	}
	if !f.Converged || m.spec.DF == DFKenwardRoger || units >= fewUnits || len(m.design.random) == 0 {
		return ""
	}
	return fmt.Sprintf("with %d %s, intervals with %s degrees of freedom can be too narrow, as they take the estimated covariance for known; "+
		"kenward-roger (with REML) does not", units, what, m.spec.DF)
}

// couples counts the couples with a complete row.
func (m *Model) couples() int {
	if m.spec.Site != "" {
		return len(m.design.couples)
	}
	return m.stats.couples
}

// result turns the end of a search into a fit.
func (m *Model) result(s *search) *Fit {
	p := m.stats.p
	f := &Fit{
		Names: m.design.xNames, LogLik: s.ll, Method: m.spec.Method, Rows: m.stats.n, Missing: m.design.missing,
		Couples: m.couples(), Dropped: m.design.dropped, NParams: p + m.cov.params, Convergence: s.conv,
		model: m, theta: s.theta, hess: s.around.observed, work: s.w, unidentified: s.unidentified,
	}
	n := float64(f.Rows)
	if m.spec.Method == REML {
		n -= float64(p)
	}
	f.AIC = -2*f.LogLik + 2*float64(f.NParams)
	f.BIC = -2*f.LogLik + math.Log(n)*float64(f.NParams)
	if f.hess == nil {
		return f
	}
	f.Beta = m.toNatural(s.w.gamma)
	for i, b := range m.scale.b0 {
		f.Beta[i] += b
	}
	f.engineV = mat.NewSymDense(p, append([]float64(nil), s.w.c[:p*p]...))
	if m.spec.Method == ML {
		f.engineV.ScaleSym(float64(f.Rows)/float64(f.Rows-p), f.engineV)
	}
	switch m.spec.DF {
	case DFSatterthwaite:
		f.prepareGradients(s.around.slopes)
	case DFKenwardRoger:
		f.kr = m.kenwardRoger(f.theta, f.work)
		f.engineV = f.kr.adjusted
	case DFContainment:
		f.contained = m.containment()
	}
	f.VBeta = m.natural(mat.DenseCopyOf(f.engineV).RawMatrix().Data)
	f.covariances()
	f.infer()
	var chol mat.Cholesky
	if f.Converged && !chol.Factorize(f.engineV) {
		f.Converged = false
		f.Reason = fmt.Sprintf("the covariance of the fixed effects is not positive definite (%s); the model is too rich for the data", m.spec.DF)
	}
	for _, p := range f.Parameters {
		if f.Converged && (math.IsNaN(p.P) || !(p.SE > 0) || math.IsInf(p.DF, 1)) {
			f.Converged = false
			f.Reason = fmt.Sprintf("the data tell too little of %s for a standard error and its degrees of freedom (%s); the model is too rich for them", p.Name, m.spec.DF)
		}
	}
	return f
}

// toNatural brings coefficients of the engine's scale to that of the columns: s R^-1 g.
func (m *Model) toNatural(g []float64) []float64 {
	b := append([]float64(nil), g...)
	blas64.Trsv(blas.NoTrans, blas64.Triangular{N: len(b), Stride: len(b), Data: m.scale.r, Uplo: blas.Upper, Diag: blas.NonUnit}, vector(b))
	for i := range b {
		b[i] *= m.scale.y
	}
	return b
}

// natural brings a p x p covariance of the engine's scale to that of the columns: s^2 R^-1 C R^-T.
func (m *Model) natural(c []float64) *mat.SymDense {
	p := m.stats.p
	r := blas64.Triangular{N: p, Stride: p, Data: m.scale.r, Uplo: blas.Upper, Diag: blas.NonUnit}
	v := square(p, append([]float64(nil), c[:p*p]...))
	blas64.Trsm(blas.Left, blas.NoTrans, m.scale.y*m.scale.y, r, v)
	blas64.Trsm(blas.Right, blas.Trans, 1, r, v)
	out := mat.NewSymDense(p, nil)
	for i := range p {
		for j := range i + 1 {
			out.SetSym(i, j, (v.Data[i*p+j]+v.Data[j*p+i])/2)
		}
	}
	return out
}

// covariances fills Random and Residual from theta.
func (f *Fit) covariances() {
	m := f.model
	s2 := m.scale.y * m.scale.y
	for t, term := range m.design.random {
		q := len(term.names)
		g := m.g(t, f.theta)
		for i := range g {
			g[i] *= s2
		}
		f.Random = append(f.Random, RandomEffects{Group: term.label, Groups: term.groups, Names: term.names, G: mat.NewSymDense(q, g)})
	}
	nan := math.NaN()
	f.Residual = ResidualFit{Rho: nan, Phi: nan, Tau: nan}
	for r := range m.cov.roles {
		name := ""
		if m.cov.roles > 1 || m.spec.Residual.Variance == VarianceByRole {
			name = m.roles[r]
		}
		f.Residual.Roles = append(f.Residual.Roles, name)
		f.Residual.SD = append(f.Residual.SD, m.scale.y*m.cov.sigma(f.theta, r))
	}
	if i := m.cov.iRho; i >= 0 {
		f.Residual.Rho = math.Tanh(f.theta[i])
	}
	switch i := m.cov.iSerial; m.spec.Residual.Serial {
	case SerialAR1:
		f.Residual.Phi = math.Tanh(f.theta[i])
	case SerialCAR1:
		f.Residual.Tau = m.timeUnit * math.Exp(f.theta[i])
	}
}

// infer fills Parameters.
func (f *Fit) infer() {
	m := f.model
	for i, name := range f.Names {
		l := make([]float64, len(f.Beta))
		l[i] = 1
		f.Parameters = append(f.Parameters, m.parameter(name, f.Beta[i], math.Sqrt(f.covariance(l, l)), f.contrastDF(l)))
	}
}

// parameter makes the inference on one estimate with a t distribution, the normal one if df is +Inf.
func (m *Model) parameter(name string, estimate, se, df float64) Parameter {
	var d interface {
		CDF(float64) float64
		Quantile(float64) float64
	} = distuv.StudentsT{Mu: 0, Sigma: 1, Nu: df}
	if math.IsInf(df, 1) {
		d = distuv.UnitNormal
	}
	par := Parameter{Name: name, Role: m.roleOf(name), Estimate: estimate, SE: se, DF: df, Statistic: estimate / se}
	if !(df > 0) || math.IsNaN(par.Statistic) {
		par.P, par.Lower, par.Upper = math.NaN(), math.NaN(), math.NaN()
		return par
	}
	par.P = 2 * d.CDF(-math.Abs(par.Statistic))
	half := d.Quantile((1+m.spec.Level)/2) * se
	par.Lower, par.Upper = estimate-half, estimate+half
	return par
}

// roleOf returns the level of the role column to which a fixed effect belongs.
func (m *Model) roleOf(name string) string {
	if i := slices.Index(m.design.xNames, name); i >= 0 {
		return m.design.xRole[i]
	}
	return ""
}
