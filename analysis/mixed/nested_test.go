package mixed_test

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/analysis/frame"
	"asem/analysis/mixed"
)

// nestedR is testdata/nested.json, which R made by nested.R beside it (versions there).
type nestedR struct {
	Nested, Sums, Exchangeable struct {
		LogLik        float64
		Satterthwaite map[string]coefficient
		KenwardRoger  map[string]coefficient `json:"kenward_roger"`
		SDs           []float64
	}
	CR2 map[string]coefficient
}

func nestedSpec() mixed.Spec {
	return mixed.Spec{Outcome: "y", Site: "site", Couple: "couple", Role: "role", Time: "time", Fixed: "role * time + x", Random: "(1 | site) + (1 + time | exchangeable(couple))"}
}

// Couples nested in therapists, partners whom nothing tells apart, and sum contrasts, as in lme4, lmerTest, pbkrtest and clubSandwich.
func TestNestedModelsAgreeWithR(t *testing.T) {
	text, err := os.ReadFile("testdata/nested.json")
	require.NoError(t, err)
	var r nestedR
	require.NoError(t, json.Unmarshal(text, &r))
	f := readCSV(t, "testdata/nested.csv")
	for _, df := range []mixed.DF{mixed.DFSatterthwaite, mixed.DFKenwardRoger} {
		t.Run(string(df), func(t *testing.T) {
			check := func(s mixed.Spec, ll float64, satterthwaite, kr map[string]coefficient, sds []float64) *mixed.Fit {
				s.DF = df
				got := fit(t, f, s)
				require.NoError(t, got.Err())
				assert.InDelta(t, ll, got.LogLik, 1e-6)
				want := satterthwaite
				if df == mixed.DFKenwardRoger {
					want = kr
				}
				coefficientsAgree(t, want, got.Parameters)
				var ours []float64
				for _, g := range got.Random {
					ours = append(ours, g.SD()...)
				}
				ours = append(ours, got.Residual.SD...)
				for _, sd := range ours { // R lists them in an order of its own, with the correlations
					assert.True(t, slices.ContainsFunc(sds, func(x float64) bool { return math.Abs(x-sd) < 2e-5 }), "%v in %v", sd, sds)
				}
				return got
			}
			nested := check(nestedSpec(), r.Nested.LogLik, r.Nested.Satterthwaite, r.Nested.KenwardRoger, r.Nested.SDs)
			assert.Equal(t, []string{"site", "couple", "couple difference"}, []string{nested.Random[0].Group, nested.Random[1].Group, nested.Random[2].Group})
			assert.Equal(t, 12, nested.Random[0].Groups)
			assert.Equal(t, nested.Random[1].Groups, nested.Couples)
			sums := nestedSpec()
			sums.Contrasts = mixed.ContrastsSum
			check(sums, r.Sums.LogLik, r.Sums.Satterthwaite, r.Sums.KenwardRoger, r.Sums.SDs)
			exchangeable := nestedSpec()
			exchangeable.Site, exchangeable.Fixed, exchangeable.Random = "", "time + x", "(1 + time | exchangeable(couple))"
			check(exchangeable, r.Exchangeable.LogLik, r.Exchangeable.Satterthwaite, r.Exchangeable.KenwardRoger, r.Exchangeable.SDs)
		})
	}
	t.Run("CR2", func(t *testing.T) {
		robust, err := fit(t, f, nestedSpec()).Robust(mixed.CR2)
		require.NoError(t, err)
		coefficientsAgree(t, r.CR2, robust.Parameters)
	})
}

// Sites with one couple each are couples.
func TestASiteOfOneCouple(t *testing.T) {
	f := readCSV(t, "testdata/nested.csv")
	c, _ := f.Column("couple")
	labels := make([]string, c.Len())
	for r := range labels {
		labels[r] = "s" + c.Label(r)
	}
	g, err := f.With(frame.Categorical("own", labels))
	require.NoError(t, err)
	s := nestedSpec()
	s.Site, s.Random = "", "(1 | couple)"
	s.Residual = mixed.Residual{CrossPartner: true, Serial: mixed.SerialAR1}
	want := fit(t, g, s)
	s.Site, s.Random = "own", "(1 | own)"
	got := fit(t, g, s)
	assert.InDelta(t, want.LogLik, got.LogLik, 1e-9)
	s.Random = "(1 | couple)"
	assert.InDelta(t, want.LogLik, fit(t, g, s).LogLik, 1e-9)
	s.Site = "site" // residuals of different couples have nothing to do with each other
	assert.InDelta(t, want.LogLik, fit(t, g, s).LogLik, 1e-7)
}

// Which of two exchangeable partners is first cannot be told from the fit, and partners may resemble each other less than strangers.
func TestExchangeablePartnersMayBeSwapped(t *testing.T) {
	rows := simulateGrowth(11, 60, 4, 0.2)
	s := mixed.Spec{Outcome: "y", Couple: "couple", Person: "role", Time: "time", Fixed: "time + x + partner(x)", Random: "(1 + time | exchangeable(couple))", Residual: mixed.Residual{CrossPartner: true}}
	want := fit(t, growthFrame(t, rows), s)
	require.NoError(t, want.Err())
	swapped := slices.Clone(rows)
	for i := range swapped {
		if swapped[i].couple > "c3" { // in some couples
			swapped[i].role = map[string]string{"h": "w", "w": "h"}[swapped[i].role]
		}
	}
	got := fit(t, growthFrame(t, swapped), s)
	assert.InDelta(t, want.LogLik, got.LogLik, 1e-8)
	for i, p := range want.Parameters {
		assert.InDelta(t, p.Estimate, got.Parameters[i].Estimate, 1e-6)
		assert.InDelta(t, p.SE, got.Parameters[i].SE, 1e-6)
	}
	for i := range rows { // partners on different sides
		if rows[i].y -= 3; rows[i].role == "w" {
			rows[i].y *= -1
		}
	}
	s.Fixed = "1"
	apart := fit(t, growthFrame(t, rows), s)
	require.NoError(t, apart.Err())
	s.Random = "(1 + time | couple/role)"
	together := fit(t, growthFrame(t, rows), s)
	assert.Greater(t, apart.LogLik, together.LogLik+1, "a variance of couples cannot be negative")
}

func TestNestingIsChecked(t *testing.T) {
	f := readCSV(t, "testdata/nested.csv")
	c, _ := f.Column("site")
	labels := make([]string, c.Len())
	for r := range labels {
		labels[r] = c.Label(r)
	}
	labels[2] = "elsewhere"
	bad, err := f.With(frame.Categorical("moved", labels))
	require.NoError(t, err)
	for name, c := range map[string]struct {
		f      *frame.Frame
		change func(*mixed.Spec)
		want   string
	}{
		"a couple at two sites":   {bad, func(s *mixed.Spec) { s.Site, s.Random = "moved", "(1 | moved)" }, `column "moved": couple "1" has two values (rows 1 and 3); expected one`},
		"no such column":          {f, func(s *mixed.Spec) { s.Site = "cite" }, `names "cite", which is not a column`},
		"a site that is not one":  {f, func(s *mixed.Spec) { s.Site = "" }, `cannot group by site`},
		"exchangeable of a site":  {f, func(s *mixed.Spec) { s.Random = "(1 | exchangeable(site))" }, `cannot group by exchangeable(site)`},
		"nobody told apart":       {f, func(s *mixed.Spec) { s.Role, s.Fixed = "", "1" }, "needs a person column"},
		"contrasts of their own":  {f, func(s *mixed.Spec) { s.Contrasts = "helmert" }, `contrasts is "helmert"; expected treatment or sum`},
		"too large for one block": {large(t), func(s *mixed.Spec) { s.Fixed, s.Random, s.Role, s.Person = "1", "(1 | site)", "", "" }, "takes up to 2000 in one independent unit"},
	} {
		t.Run(name, func(t *testing.T) {
			s := nestedSpec()
			c.change(&s)
			_, err := mixed.New(c.f, s)
			assert.ErrorContains(t, err, c.want)
		})
	}
}

// large is one site with many couples.
func large(t *testing.T) *frame.Frame {
	n := 2001
	site, couple, y := make([]string, n), make([]float64, n), make([]float64, n)
	for i := range n {
		site[i], couple[i], y[i] = "s", float64(i), float64(i%7)
	}
	return newFrame(t, frame.Categorical("site", site), frame.Numeric("couple", couple), frame.Numeric("time", make([]float64, n)), frame.Numeric("y", y))
}
