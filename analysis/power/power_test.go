package power_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"asem/analysis/apim"
	"asem/analysis/power"
)

// growth is the 8-month design: coded responsiveness of both partners and three waves.
func growth() power.Plan {
	return power.Plan{
		Model:      power.Model{Spec: apim.Spec{Kind: "growth", Outcome: "avoidance", Predictors: []string{"responsiveness"}}},
		Couples:    []int{60, 120, 200, 350, 500},
		Times:      []float64{0, 4, 8},
		Predictors: []power.Predictor{{Name: "responsiveness", Mean: 4, SD: 1, Correlation: 0.3}},
		Effects:    map[string]float64{"role": 3.5, "role:time": -0.01, "role:time:responsiveness_partner": -0.02, "role:time:responsiveness_actor": -0.01},
		Covariance: map[string]float64{"sd(couple, role)": 0.6, "sd(couple, role:time)": 0.05, "cor(couple, role, role)": 0.3, "cor(couple, role:time, role:time)": 0.2, "cor(couple, role, role:time)": -0.2,
			"sd(residual)": 0.4, "cor(partners)": 0.15},
		Seed: 1,
	}
}

// BenchmarkCurve simulates 1,000 studies at each of five sample sizes.
func BenchmarkCurve(b *testing.B) {
	for b.Loop() {
		c, err := power.Simulate(context.Background(), growth())
		require.NoError(b, err)
		for _, p := range c.Points {
			b.Log(p.Couples, p.Failed, p.Singular, p.Failures)
			for _, i := range c.Interest {
				b.Logf("%+v", p.Effects[i])
			}
		}
	}
}
