package apim_test

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/analysis/apim"
	"asem/analysis/frame"
	"asem/analysis/mixed"
)

const shared = "../../../shared/reference"

// fiveWaves returns the marital quality of 538 couples at five yearly waves as long data.
func fiveWaves(t *testing.T) *frame.Frame {
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
			if r[k+1] == "" {
				continue
			}
			v, err := strconv.ParseFloat(r[k+1], 64)
			require.NoError(t, err)
			couple, role, time, y = append(couple, r[0]), append(role, []string{"h", "w"}[k/5]), append(time, float64(k%5)), append(y, v)
		}
	}
	f, err := frame.New(frame.Categorical("couple", couple), frame.Categorical("role", role), frame.Numeric("time", time), frame.Numeric("y", y))
	require.NoError(t, err)
	return f
}

// The named model on long data is R's gls on the pairs of the first two waves (reference.R, nlme 3.1-162).
func TestResidualisedChangeAgreesWithGls(t *testing.T) {
	f := fiveWaves(t)
	for _, method := range []mixed.Method{mixed.REML, mixed.ML} {
		text, err := os.ReadFile(filepath.Join(shared, "results", "residualised_change_gls_"+strings.ToLower(string(method))+".json"))
		require.NoError(t, err)
		var want struct {
			N            int
			LogLik       float64
			Coefficients map[string]struct{ Estimate, SE, P float64 }
		}
		require.NoError(t, json.Unmarshal(text, &want))
		r, err := apim.Fit(context.Background(), f, apim.Spec{Kind: "residualised_change", Outcome: "y", Couple: "couple", Role: "role", Time: "time",
			Occasions: []float64{0, 1}, CompletePairs: true, Method: method})
		require.NoError(t, err)
		require.NoError(t, r.Err())
		assert.Equal(t, want.N, r.Rows)
		assert.InDelta(t, want.LogLik, r.LogLik, 1e-5)
		names := strings.NewReplacer("role", "", "y_actor", "own", "y_partner", "partner")
		for _, p := range r.Parameters {
			w, ok := want.Coefficients[names.Replace(p.Name)]
			require.True(t, ok, p.Name)
			assert.InEpsilon(t, w.Estimate, p.Estimate, 1e-5, p.Name)
			assert.InEpsilon(t, w.SE, p.SE, 1e-4, p.Name)
			assert.InEpsilon(t, w.P, p.P, 1e-3, p.Name)
		}
		require.Len(t, r.Effects, 4)
		assert.Equal(t, []any{"y", apim.Actor, "level", "h"}, []any{r.Effects[0].Predictor, r.Effects[0].Path, r.Effects[0].On, r.Effects[0].Role})
	}
}

func TestAllWavePairsHaveInterceptsOfTheirOwn(t *testing.T) {
	r, err := apim.Fit(context.Background(), fiveWaves(t), apim.Spec{Kind: "residualised_change", Outcome: "y", Couple: "couple", Role: "role", Time: "time"})
	require.NoError(t, err)
	require.NoError(t, r.Err())
	assert.Len(t, r.Parameters, 2+2*3+4)
	assert.Greater(t, r.Rows, 1500)
}

// small is a couple whose partner missed the second wave, and one with both.
func small(t *testing.T) *frame.Frame {
	f, err := frame.New(
		frame.Categorical("couple", []string{"1", "1", "1", "2", "2", "2", "2"}), frame.Categorical("role", []string{"h", "w", "h", "h", "w", "h", "w"}),
		frame.Numeric("time", []float64{0, 0, 4, 0, 0, 4, 4}), frame.Numeric("y", []float64{1, 2, 3, 4, 5, 6, 7}), frame.Numeric("x", []float64{1, 5, 1, 3, 7, 3, 7}))
	require.NoError(t, err)
	return f
}

func values(t *testing.T, f *frame.Frame, name string) []float64 {
	t.Helper()
	c, ok := f.Column(name)
	require.True(t, ok, name)
	return c.Values
}

func TestGrowthUsesWhatIsKnownOfAnAbsentPartner(t *testing.T) {
	f, spec, err := apim.Compile(small(t), apim.Spec{Kind: "growth", Outcome: "y", Couple: "couple", Role: "role", Time: "time", Predictors: []string{"x"}})
	require.NoError(t, err)
	assert.Equal(t, "0 + role + role:time + role:`x_actor` + role:`x_partner` + role:time:`x_actor` + role:time:`x_partner`", spec.Fixed)
	// The mean over persons is 4. Husband 1 at time 4: the wife is absent, but her predictor does not change.
	assert.Equal(t, []float64{-3, 1, -3, -1, 3, -1, 3}, values(t, f, "x_actor"))
	assert.Equal(t, []float64{1, -3, 1, 3, -1, 3, -1}, values(t, f, "x_partner"))
}

// Of a partner seen once nothing is carried over if the predictor changes in others.
func TestGrowthInventsNothingForAnAbsentPartner(t *testing.T) {
	f, err := frame.New(
		frame.Categorical("couple", []string{"1", "1", "1", "2", "2", "2", "2", ""}), frame.Categorical("role", []string{"h", "w", "h", "h", "w", "h", "w", "h"}),
		frame.Numeric("time", []float64{0, 0, 4, 0, 0, 4, 4, 0}), frame.Numeric("y", []float64{1, 2, 3, 4, 5, 6, 7, 8}), frame.Numeric("x", []float64{1, 5, 1, 3, 7, 3, 6, 1}))
	require.NoError(t, err)
	got, _, err := apim.Compile(f, apim.Spec{Kind: "growth", Outcome: "y", Couple: "couple", Role: "role", Time: "time", Predictors: []string{"x"}})
	require.NoError(t, err)
	assert.True(t, math.IsNaN(values(t, got, "x_partner")[2]), "the wife of couple 1 was not there at time 4")
}

func TestResidualisedChangeLooksBackOneOccasion(t *testing.T) {
	f, _, err := apim.Compile(small(t), apim.Spec{Kind: "residualised_change", Outcome: "y", Couple: "couple", Role: "role", Time: "time", Predictors: []string{"x"}, Pooled: true})
	require.NoError(t, err)
	assert.Equal(t, []float64{3, 6, 7}, values(t, f, "outcome"))
	assert.Equal(t, []float64{1, 4, 5}, values(t, f, "y_actor"))
	assert.Equal(t, []float64{2, 5, 4}, values(t, f, "y_partner"))
	assert.Equal(t, []float64{1, 3, -1}, values(t, f, "x_partner"))
	f, _, err = apim.Compile(small(t), apim.Spec{Kind: "residualised_change", Outcome: "y", Couple: "couple", Role: "role", Time: "time", CompletePairs: true})
	require.NoError(t, err)
	assert.Equal(t, 2, f.Rows())
}

func TestSpecsRefused(t *testing.T) {
	ok := apim.Spec{Kind: "growth", Outcome: "y", Couple: "couple", Role: "role", Time: "time"}
	for name, c := range map[string]struct {
		change func(*apim.Spec)
		want   string
	}{
		"an unknown kind":               {func(s *apim.Spec) { s.Kind = "groth" }, `kind is "groth"; expected one of growth, residualised_change`},
		"no outcome":                    {func(s *apim.Spec) { s.Outcome = "" }, "outcome is missing"},
		"an outcome of text":            {func(s *apim.Spec) { s.Outcome = "role" }, "holds text"},
		"an unknown predictor":          {func(s *apim.Spec) { s.Predictors = []string{"z"} }, `predictors[0] names "z", which is not a column`},
		"a predictor twice":             {func(s *apim.Spec) { s.Predictors = []string{"x", "x"} }, "stands in the model already"},
		"couples as roles":              {func(s *apim.Spec) { s.Role = "couple" }, "has two rows"},
		"no growth on one occasion":     {func(s *apim.Spec) { s.Occasions = []float64{0} }, "growth needs two or more"},
		"an occasion that is not there": {func(s *apim.Spec) { s.Occasions = []float64{0, 77} }, "waves asks for 77"},
		"no change on one occasion":     {func(s *apim.Spec) { s.Kind = "residualised_change"; s.Occasions = []float64{0} }, "has one occasion"},
	} {
		s := ok
		c.change(&s)
		_, _, err := apim.Compile(small(t), s)
		var bad *apim.SpecError
		require.ErrorAs(t, err, &bad, name)
		assert.ErrorContains(t, err, c.want, name)
	}
}

func TestEffectsKnowTheirRole(t *testing.T) {
	y := []float64{}
	var couple, role []string
	var time, x []float64
	for c := range 40 {
		for w := range 3 {
			for i, r := range []string{"h", "w"} {
				couple, role, time = append(couple, strconv.Itoa(c)), append(role, r), append(time, float64(w))
				x = append(x, math.Sin(float64(7*c+i)))
				y = append(y, math.Cos(float64(3*c+5*w+11*i))+0.2*math.Sin(float64(17*c+i))+math.Sin(float64(c)))
			}
		}
	}
	f, err := frame.New(frame.Categorical("couple", couple), frame.Categorical("role", role), frame.Numeric("time", time), frame.Numeric("y", y), frame.Numeric("x", x))
	require.NoError(t, err)
	x1, _ := f.Column("x")
	x1.Name = "a-b c" // no name that a formula could hold without quotes
	f, err = f.With(x1)
	require.NoError(t, err)
	odd, err := apim.Fit(context.Background(), f, apim.Spec{Kind: "growth", Outcome: "y", Couple: "couple", Role: "role", Time: "time", Predictors: []string{"a-b c"}})
	require.NoError(t, err)
	assert.Len(t, odd.Effects, 8)
	r, err := apim.Fit(context.Background(), f, apim.Spec{Kind: "growth", Outcome: "y", Couple: "couple", Role: "role", Time: "time", Predictors: []string{"x"}})
	require.NoError(t, err)
	var got []string
	for _, e := range r.Effects {
		got = append(got, strings.Join([]string{string(e.Path), e.On, e.Role}, " "))
	}
	assert.Equal(t, []string{"actor level h", "actor level w", "actor slope h", "actor slope w", "partner level h", "partner level w", "partner slope h", "partner slope w"}, got)
}
