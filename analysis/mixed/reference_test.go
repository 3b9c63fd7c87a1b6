package mixed_test

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/analysis/frame"
	"asem/analysis/mixed"
)

// shared is where the reference data lie that may not be copied into the project.
const shared = "../../../shared/reference"

// reference is a result file that R made (reference.R beside the data: R 4.2.2, nlme 3.1-162, lme4 1.1-31).
type reference struct {
	N, Groups       int
	LogLik          float64
	AIC, BIC, Sigma float64
	G               [][]float64
	Coefficients    map[string]coefficient
	Satterthwaite   map[string]coefficient
	KenwardRoger    map[string]coefficient `json:"kenward_roger"`
	Structure       json.RawMessage
}

type coefficient struct{ Estimate, SE, DF, T, P float64 }

func readReference(t testing.TB, name string) reference {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(shared, "results", name+".json"))
	if err != nil {
		t.Skipf("the reference results are not beside the project (%v); they hold what R found on the same data", err)
	}
	var r reference
	require.NoError(t, json.Unmarshal(text, &r))
	return r
}

func readCSV(t testing.TB, path string) *frame.Frame {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Skipf("the reference data are not beside the project: %v", err)
	}
	defer f.Close()
	fr, err := frame.ReadCSV(f, frame.CSVOptions{})
	require.NoError(t, err)
	return fr
}

// fiveWaves returns the five-wave marital quality of 538 couples as long data.
func fiveWaves(t testing.TB) *frame.Frame {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(shared, "data", "marital_quality_5waves_wide.csv"))
	if err != nil {
		t.Skipf("the five-wave data are not beside the project and may not be copied into it: %v", err)
	}
	records, err := csv.NewReader(strings.NewReader(string(text))).ReadAll()
	require.NoError(t, err)
	var couple, role []string
	var time, y []float64
	for _, r := range records[1:] {
		for k := range 10 {
			v := math.NaN()
			if r[k+1] != "" {
				v, err = strconv.ParseFloat(r[k+1], 64)
				require.NoError(t, err)
			}
			couple, role = append(couple, r[0]), append(role, []string{"h", "w"}[k/5])
			time, y = append(time, float64(k%5)), append(y, v)
		}
	}
	return newFrame(t, frame.Categorical("couple", couple), frame.Categorical("role", role), frame.Numeric("time", time), frame.Numeric("y", y))
}

func newFrame(t testing.TB, columns ...frame.Column) *frame.Frame {
	t.Helper()
	f, err := frame.New(columns...)
	require.NoError(t, err)
	return f
}

func fit(t testing.TB, f *frame.Frame, s mixed.Spec) *mixed.Fit {
	t.Helper()
	m, err := mixed.New(f, s)
	require.NoError(t, err)
	r, err := m.Fit(context.Background())
	require.NoError(t, err)
	require.NoError(t, r.Err())
	return r
}

// Tolerances: a likelihood may be higher than R's but not lower by more than 1e-5. Where R found
// the same maximum, fixed effects agree to 1e-5, standard errors to 1e-4 and df to 1e-3, relatively; that is about how
// far R's own optimiser goes.
func matches(t *testing.T, want reference, got *mixed.Fit, coefficients map[string]coefficient, names func(string) string) {
	t.Helper()
	require.GreaterOrEqual(t, got.LogLik, want.LogLik-1e-5)
	better := got.LogLik > want.LogLik+1e-4 // R stopped before the maximum: its estimates are not the target
	if better {
		t.Logf("the log-likelihood %.6f is higher than R's %.6f", got.LogLik, want.LogLik)
	}
	require.Len(t, got.Parameters, len(coefficients))
	for _, p := range got.Parameters {
		w, ok := coefficients[names(p.Name)]
		require.True(t, ok, "R has no %s", names(p.Name))
		if better {
			assert.InEpsilon(t, w.Estimate, p.Estimate, 2e-3, p.Name)
			assert.InEpsilon(t, w.SE, p.SE, 2e-3, p.Name)
		} else {
			assert.InEpsilon(t, w.Estimate, p.Estimate, 1e-5, p.Name)
			assert.InEpsilon(t, w.SE, p.SE, 1e-4, p.Name)
			assert.InEpsilon(t, w.T, p.Statistic, 2e-4, p.Name)
			if w.P > 1e-12 {
				assert.InEpsilon(t, w.P, p.P, 1e-3, p.Name)
			}
		}
		if w.DF > 0 {
			assert.InEpsilon(t, w.DF, p.DF, 1e-3, p.Name)
		}
	}
}

// role strips the role column's name from the coefficient names: "roleh:time" is R's "h:time".
func roleNames(name string) string { return strings.ReplaceAll(name, "role", "") }

func TestGrowthAgreesWithNlme(t *testing.T) {
	f := fiveWaves(t)
	for _, c := range []struct {
		name   string
		method mixed.Method
		cross  bool
	}{
		{"growth_dyadic_lme_reml", mixed.REML, false}, {"growth_dyadic_lme_ml", mixed.ML, false},
		{"growth_dyadic_rescorr_lme_reml", mixed.REML, true}, {"growth_dyadic_rescorr_lme_ml", mixed.ML, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := readReference(t, c.name)
			got := fit(t, f, mixed.Spec{Outcome: "y", Couple: "couple", Role: "role", Time: "time", Fixed: "0 + role + role:time", Random: "(0 + role + role:time | couple)",
				Residual: mixed.Residual{Variance: mixed.VarianceByRole, CrossPartner: c.cross}, Method: c.method, DF: mixed.DFContainment})
			assert.Equal(t, want.N, got.Rows)
			assert.Equal(t, want.Groups, got.Couples)
			assert.Equal(t, 5380-3548, got.Missing["y"])
			matches(t, want, got, want.Coefficients, roleNames)
			if c.cross {
				assert.InDelta(t, want.AIC, got.AIC, 1e-4)
				assert.InDelta(t, want.BIC, got.BIC, 1e-4)
				assert.InEpsilon(t, want.Sigma, got.Residual.SD[0], 1e-4)
				for i := range 4 {
					for j := range 4 {
						assert.InDelta(t, want.G[i][j], got.Random[0].G.At(i, j), 1e-3*math.Sqrt(want.G[i][i]*want.G[j][j]))
					}
				}
			}
		})
	}
}

// lme4 reports this fit as singular, and so must we; its Satterthwaite df hold all the same.
func TestSingularGrowthAgreesWithLmerTest(t *testing.T) {
	want := readReference(t, "growth_dyadic_lmer_reml")
	got := fit(t, fiveWaves(t), mixed.Spec{Outcome: "y", Couple: "couple", Role: "role", Time: "time", Fixed: "0 + role + role:time", Random: "(0 + role + role:time | couple)"})
	matches(t, want, got, want.Satterthwaite, roleNames)
	assert.NotEmpty(t, got.Boundary, "the fit is singular and must say so")
	assert.Contains(t, got.Reason, "singular")
}

func TestResidualisedChangeAgreesWithGls(t *testing.T) {
	long := fiveWaves(t)
	y, _ := long.Column("y")
	var couple, role []string
	var outcome, own, partner []float64
	for c := range long.Rows() / 10 {
		h1, h2, w1, w2 := y.Values[10*c], y.Values[10*c+1], y.Values[10*c+5], y.Values[10*c+6]
		if math.IsNaN(h1 + h2 + w1 + w2) {
			continue
		}
		couple, role = append(couple, strconv.Itoa(c), strconv.Itoa(c)), append(role, "h", "w")
		outcome, own, partner = append(outcome, h2, w2), append(own, h1, w1), append(partner, w1, h1)
	}
	f := newFrame(t, frame.Categorical("couple", couple), frame.Categorical("role", role), frame.Numeric("y", outcome), frame.Numeric("own", own), frame.Numeric("partner", partner))
	for _, m := range []mixed.Method{mixed.REML, mixed.ML} {
		want := readReference(t, "residualised_change_gls_"+strings.ToLower(string(m)))
		got := fit(t, f, mixed.Spec{Outcome: "y", Couple: "couple", Role: "role", Fixed: "0 + role + role:own + role:partner",
			Residual: mixed.Residual{Variance: mixed.VarianceByRole, CrossPartner: true}, Method: m, DF: mixed.DFResidual})
		matches(t, want, got, want.Coefficients, roleNames)
		assert.InDelta(t, want.AIC, got.AIC, 1e-4)
		assert.InDelta(t, want.BIC, got.BIC, 1e-4)
	}
}

// Acitelli's 148 couples, as given in the R package dyadr (R. Garcia, D. Kenny), CC0.
func acitelli(t testing.TB) *frame.Frame { return readCSV(t, "testdata/acitelli_couples.csv") }

func TestApimAgreesWithGls(t *testing.T) {
	f := acitelli(t)
	for _, m := range []mixed.Method{mixed.REML, mixed.ML} {
		t.Run("distinguishable "+string(m), func(t *testing.T) {
			want := readReference(t, "apim_distinguishable_gls_"+strings.ToLower(string(m)))
			got := fit(t, f, mixed.Spec{Outcome: "satisfaction", Couple: "couple", Role: "role", Method: m, DF: mixed.DFResidual,
				Fixed:    "0 + role + role:tension + role:partner(tension) + role:partner_positivity + role:partner(partner_positivity)",
				Residual: mixed.Residual{Variance: mixed.VarianceByRole, CrossPartner: true}})
			matches(t, want, got, want.Coefficients, func(s string) string {
				s = strings.NewReplacer("rolehusband", "h", "rolewife", "w", "partner(tension)", "tension_p", "partner(partner_positivity)", "partner_positivity_p").Replace(s)
				return s
			})
		})
		t.Run("indistinguishable "+string(m), func(t *testing.T) {
			want := readReference(t, "apim_indistinguishable_gls_"+strings.ToLower(string(m)))
			got := fit(t, f, mixed.Spec{Outcome: "satisfaction", Couple: "couple", Person: "role", Method: m, DF: mixed.DFResidual,
				Fixed:    "tension + partner(tension) + partner_positivity + partner(partner_positivity)",
				Residual: mixed.Residual{CrossPartner: true}})
			matches(t, want, got, want.Coefficients, func(s string) string {
				return strings.NewReplacer("partner(tension)", "tension_p", "partner(partner_positivity)", "partner_positivity_p").Replace(s)
			})
		})
	}
}

func TestDiaryAgreesWithNlme(t *testing.T) {
	f := readCSV(t, filepath.Join(shared, "data", "diary_female_male.csv"))
	names := func(s string) string {
		return strings.NewReplacer("genderfemale", "f", "gendermale", "m", "partner(within(provided_support))", "cwp_p", "partner(between(provided_support))", "cbp_p",
			"within(provided_support)", "cwp", "between(provided_support)", "cbp").Replace(s)
	}
	fixed := "0 + gender"
	for _, x := range []string{"within(provided_support)", "partner(within(provided_support))", "between(provided_support)", "partner(between(provided_support))", "day"} {
		fixed += " + gender:" + x
	}
	for _, c := range []struct {
		name   string
		method mixed.Method
		res    mixed.Residual
	}{
		{"diary_lapim_lme_reml", mixed.REML, mixed.Residual{Variance: mixed.VarianceByRole, CrossPartner: true}},
		{"diary_lapim_lme_ml", mixed.ML, mixed.Residual{Variance: mixed.VarianceByRole, CrossPartner: true}},
		{"diary_lapim_ar1_lme_reml", mixed.REML, mixed.Residual{Variance: mixed.VarianceByRole, Serial: mixed.SerialAR1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := readReference(t, c.name)
			got := fit(t, f, mixed.Spec{Outcome: "closeness", Couple: "couple", Person: "person", Role: "gender", Time: "day", Fixed: fixed, Random: "(0 + gender | couple)",
				Residual: c.res, Method: c.method, DF: mixed.DFContainment})
			matches(t, want, got, want.Coefficients, names)
		})
	}
}

func TestExchangeableDiaryAgreesWithNlme(t *testing.T) {
	f := readCSV(t, filepath.Join(shared, "data", "diary_female_female.csv"))
	for _, m := range []mixed.Method{mixed.REML, mixed.ML} {
		want := readReference(t, "diary_indistinguishable_lme_"+strings.ToLower(string(m)))
		got := fit(t, f, mixed.Spec{Outcome: "closeness", Couple: "couple", Person: "person", Time: "day", Method: m, DF: mixed.DFContainment,
			Fixed:  "within(provided_support) + partner(within(provided_support)) + between(provided_support) + partner(between(provided_support)) + day",
			Random: "(1 | couple/person)"})
		matches(t, want, got, want.Coefficients, func(s string) string {
			return strings.NewReplacer("partner(within(provided_support))", "cwp_p", "partner(between(provided_support))", "cbp_p",
				"within(provided_support)", "cwp", "between(provided_support)", "cbp").Replace(s)
		})
		assert.True(t, slices.Equal([]string{"couple", "person"}, []string{got.Random[0].Group, got.Random[1].Group}))
	}
}
