package mixed

import (
	"fmt"
	"math"
)

// Component is a covariance parameter in its own units.
type Component struct {
	Name  string // "sd(couple, rolew)", "cor(couple, rolew, roleh)", "sd(residual, w)", "cor(partners)", "phi", "tau"
	Value float64
}

// Components returns the covariance parameters of the fit: for each random term the standard deviations and
// then the correlations, the residual standard deviations, and the correlations of residuals. A correlation with an
// effect that has no variance is NaN.
func (f *Fit) Components() []Component {
	if f.Beta == nil {
		return nil
	}
	return f.model.components(f.theta)
}

func (m *Model) components(theta []float64) []Component {
	var out []Component
	add := func(value float64, format string, args ...any) {
		out = append(out, Component{fmt.Sprintf(format, args...), value})
	}
	for t, term := range m.design.random {
		q := len(term.names)
		g := m.g(t, theta)
		for i, name := range term.names {
			add(m.scale.y*math.Sqrt(g[i*q+i]), "sd(%s, %s)", term.label, name)
		}
		if term.diag {
			continue
		}
		for i := range q {
			for j := range i {
				add(g[i*q+j]/math.Sqrt(g[i*q+i]*g[j*q+j]), "cor(%s, %s, %s)", term.label, term.names[j], term.names[i])
			}
		}
	}
	for r := range m.cov.roles {
		if m.spec.Residual.Variance == VarianceByRole {
			add(m.scale.y*m.cov.sigma(theta, r), "sd(residual, %s)", m.roles[r])
		} else {
			add(m.scale.y*m.cov.sigma(theta, r), "sd(residual)")
		}
	}
	if i := m.cov.iRho; i >= 0 {
		add(math.Tanh(theta[i]), "cor(partners)")
	}
	switch i := m.cov.iSerial; m.spec.Residual.Serial {
	case SerialAR1:
		add(math.Tanh(theta[i]), "phi")
	case SerialCAR1:
		add(m.timeUnit*math.Exp(theta[i]), "tau")
	}
	return out
}
