package mixed_test

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/analysis/mixed"
)

// serialR is one fit of testdata/serial.json, which R made by serial.R beside it (versions there).
type serialR struct {
	LogLik       float64
	Serial       float64   // correlation one day apart
	Sigma        float64   // of role h, where variances are by role
	SDs          []float64 // residual ones by role; of the uncorrelated effects and the residual in lme_diag
	Rho          float64
	SDCouple     float64 `json:"sd_couple"`
	Coefficients map[string]coefficient
}

// AR(1) and continuous-time AR within persons and uncorrelated effects as in nlme; partner x serial as in the likelihood written out in R.
func TestSerialCorrelationAgreesWithR(t *testing.T) {
	text, err := os.ReadFile("testdata/serial.json")
	require.NoError(t, err)
	var all map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(text, &all))
	f := readCSV(t, "testdata/serial.csv")
	byRole := func(serial mixed.Serial, cross bool) mixed.Residual {
		return mixed.Residual{Variance: mixed.VarianceByRole, CrossPartner: cross, Serial: serial}
	}
	for name, c := range map[string]struct {
		time, random string
		residual     mixed.Residual
	}{
		"gls_ar1":      {"day", "", byRole(mixed.SerialAR1, false)},
		"gls_car1":     {"clock", "", byRole(mixed.SerialCAR1, false)},
		"lme_ar1":      {"day", "(1 | couple/role)", mixed.Residual{Serial: mixed.SerialAR1}},
		"lme_car1":     {"clock", "(1 | couple/role)", byRole(mixed.SerialCAR1, false)},
		"lme_diag":     {"day", "(1 + day || couple)", mixed.Residual{}},
		"partner_ar1":  {"day", "(1 | couple)", byRole(mixed.SerialAR1, true)},
		"partner_car1": {"clock", "(1 | couple)", byRole(mixed.SerialCAR1, true)},
	} {
		t.Run(name, func(t *testing.T) {
			var want serialR
			require.NoError(t, json.Unmarshal(all[name], &want))
			got := fit(t, f, mixed.Spec{Outcome: "y", Couple: "couple", Role: "role", Time: c.time, Fixed: "role + x + day", Random: c.random, Residual: c.residual})
			assert.GreaterOrEqual(t, got.LogLik, want.LogLik-1e-5)
			assert.InDelta(t, want.LogLik, got.LogLik, 1e-4)
			require.Len(t, want.Coefficients, len(got.Parameters))
			for _, p := range got.Parameters {
				w, ok := want.Coefficients[p.Name]
				require.True(t, ok, p.Name)
				assert.InEpsilon(t, w.Estimate, p.Estimate, 1e-5, p.Name)
				assert.InEpsilon(t, w.SE, p.SE, 1e-4, p.Name)
			}
			switch c.residual.Serial {
			case mixed.SerialAR1:
				assert.InDelta(t, want.Serial, got.Residual.Phi, 1e-4)
			case mixed.SerialCAR1:
				assert.InDelta(t, want.Serial, math.Exp(-1/got.Residual.Tau), 1e-4)
			}
			switch {
			case c.residual.CrossPartner:
				assert.InDelta(t, want.Rho, got.Residual.Rho, 1e-4)
				assert.InDeltaSlice(t, want.SDs, got.Residual.SD, 1e-4)
				assert.InDelta(t, want.SDCouple, got.Random[0].SD()[0], 1e-4)
			case name == "lme_diag":
				assert.InDeltaSlice(t, want.SDs, append(got.Random[0].SD(), got.Residual.SD[0]), 1e-4)
			default:
				assert.InDelta(t, want.Sigma, got.Residual.SD[0], 1e-4)
			}
		})
	}
}
