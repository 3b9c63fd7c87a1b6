package mixed

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
)

// Where a variance counts as zero and a correlation as one: as shares of the variance of the
// outcome, and as the smallest eigenvalue of a correlation matrix.
const (
	zeroVariance = 1e-7
	zeroEigen    = 1e-6
)

// boundary names what lies on the edge of the parameter space at theta. Variances of random effects are
// compared with the outcome's by what their column alone can say.
func (m *Model) boundary(theta []float64) []string {
	var found []string
	for t, ct := range m.cov.terms {
		q := ct.q
		g, term := m.g(t, theta), m.design.random[t]
		var alive []int
		for i := range q {
			if own := m.bases[t].own[i]; g[i*q+i]*own*own < zeroVariance {
				found = append(found, fmt.Sprintf("the variance of %s in %s is zero", term.names[i], term.label))
			} else {
				alive = append(alive, i)
			}
		}
		if len(alive) < 2 || ct.diag {
			continue
		}
		least := 0.0
		if len(alive) == q { // where effects are compared at an origin far away, such as the year 0, all correlate nearly perfectly
			m.cov.g(t, theta, g)
			least = zeroVariance
		}
		if !regular(g, q, alive, least) {
			found = append(found, fmt.Sprintf("the random effects in %s are perfectly correlated", term.label))
		}
	}
	if i := m.cov.iRho; i >= 0 && math.Abs(math.Tanh(theta[i])) > 1-zeroEigen {
		found = append(found, "the partners' residuals are perfectly correlated")
	}
	if i := m.cov.iSerial; i >= 0 && m.spec.Residual.Serial == SerialAR1 && math.Abs(math.Tanh(theta[i])) > 1-zeroEigen {
		found = append(found, "the serial correlation is one")
	}
	if i := m.cov.iSerial; i >= 0 && m.spec.Residual.Serial == SerialCAR1 && math.Abs(theta[i]) > 15 {
		found = append(found, "the serial correlation is zero or one")
	}
	for r := range m.cov.roles {
		if 2*theta[m.cov.iSigma+r] < math.Log(zeroVariance) {
			found = append(found, "a residual variance is zero")
		}
	}
	return found
}

// regular reports whether some effects with covariance g (q x q) have more than the least variance each and no combination of them has none.
func regular(g []float64, q int, effects []int, least float64) bool {
	cor := mat.NewSymDense(len(effects), nil)
	for a, i := range effects {
		if !(g[i*q+i] > least) {
			return false
		}
		for b, j := range effects[:a+1] {
			cor.SetSym(a, b, g[i*q+j]/math.Sqrt(g[i*q+i]*g[j*q+j]))
		}
	}
	var eig mat.EigenSym
	return eig.Factorize(cor, false) && eig.Values(nil)[0] > zeroEigen
}

// rowStart returns the index, within the term's parameters, of the first parameter of a row of L.
func (t covTerm) rowStart(row int) int {
	if t.diag {
		return row
	}
	return row * (row + 1) / 2
}

// edgeParams marks the parameters along which the likelihood may be flat because theta lies on the boundary.
func (m *Model) edgeParams(theta []float64) []bool {
	edge := make([]bool, len(theta))
	for _, ct := range m.cov.terms {
		for i := range ct.q {
			last := ct.first + ct.rowStart(i)
			if !ct.diag {
				last += i
			}
			if math.Abs(theta[last]) < 1e-3 {
				for k := ct.first + ct.rowStart(i); k <= last; k++ {
					if k == last || math.Abs(theta[k]) < 1e-3 {
						edge[k] = true
					}
				}
			}
		}
	}
	for i := m.cov.iSigma; i < len(theta); i++ {
		isCorrelation := i == m.cov.iRho || (i == m.cov.iSerial && m.spec.Residual.Serial == SerialAR1)
		edge[i] = (isCorrelation && math.Abs(theta[i]) > 7) || math.Abs(theta[i]) > 15
	}
	return edge
}
