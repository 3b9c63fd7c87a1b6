package power_test

import (
	"context"
	"fmt"

	"asem/analysis/apim"
	"asem/analysis/power"
)

// How many couples find that a partner's responsiveness changes avoidance from one wave to the next?
func Example() {
	plan := power.Plan{
		Model:      power.Model{Spec: apim.Spec{Kind: "residualised_change", Outcome: "avoidance", Predictors: []string{"responsiveness"}}},
		Times:      []float64{0, 12},
		Predictors: []power.Predictor{{Name: "responsiveness", Correlation: 0.3, Judges: 3, ICC: 0.6}},
		Outcome:    power.Baseline{Mean: 3, SD: 1, Correlation: 0.3},
		Dropout:    power.Dropout{Share: 0.15},
		Effects:    map[string]float64{"role": 1.2, "role:avoidance_actor": 0.6, "role:responsiveness_partner": -0.2},
		Covariance: map[string]float64{"sd(residual)": 0.8, "cor(partners)": 0.2},
		Interest:   []string{"rolewoman:responsiveness_partner"}, Replications: 100, Seed: 1,
	}
	s, err := power.Solve(context.Background(), plan, 0.8)
	if err != nil {
		panic(err)
	}
	fmt.Printf("%d couples (%d to %d)\n", s.Couples, s.Lower, s.Upper)
	for _, e := range s.At().Effects {
		if e.Name == s.Effect {
			fmt.Printf("power %.2f; the effect of %.2f is estimated as %.2f, for judges measure with error\n", e.Power, e.True, e.Mean)
		}
	}
	// Output:
	// 221 couples (197 to 244)
	// power 0.81; the effect of -0.20 is estimated as -0.16, for judges measure with error
}
