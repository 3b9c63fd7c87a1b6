package mixed

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/analysis/frame"
)

// testdata/modelmatrix.json was made by R (modelmatrix.R beside it).
func TestDesignAgreesWithModelMatrix(t *testing.T) {
	text, err := os.ReadFile("testdata/modelmatrix.json")
	require.NoError(t, err)
	var r struct {
		Data struct {
			Couple, Time, X, Z, Y []float64
			Role, Arm             []string
		}
		Results []struct {
			Formula string
			Names   []string
			Dropped []string
			Matrix  [][]float64
		}
	}
	require.NoError(t, json.Unmarshal(text, &r))
	d := r.Data
	f, err := frame.New(frame.Numeric("couple", d.Couple), frame.Categorical("role", d.Role), frame.Numeric("time", d.Time), frame.Categorical("arm", d.Arm),
		frame.Numeric("x", d.X), frame.Numeric("z", d.Z), frame.Numeric("y", d.Y))
	require.NoError(t, err)
	for _, c := range r.Results {
		t.Run(c.Formula, func(t *testing.T) {
			got, err := buildDesign(f, Spec{Outcome: "y", Couple: "couple", Role: "role", Time: "time", Fixed: c.Formula})
			require.NoError(t, err)
			require.Equal(t, c.Names, got.xNames)
			assert.ElementsMatch(t, c.Dropped, got.dropped)
			p := len(got.xNames)
			for i, row := range got.rows {
				for j := range p {
					assert.InDelta(t, c.Matrix[row][j], got.x[i*p+j], 1e-12*max(1, math.Abs(c.Matrix[row][j])), "row %d, %s", row, got.xNames[j])
				}
			}
		})
	}
}

// A couple of two, three occasions; the husband missed the last.
func dyad(t *testing.T) *frame.Frame {
	f, err := frame.New(
		frame.Categorical("couple", []string{"1", "1", "1", "1", "1"}), frame.Categorical("role", []string{"h", "w", "h", "w", "w"}),
		frame.Numeric("time", []float64{0, 0, 1, 1, 2}), frame.Numeric("x", []float64{1, 10, 3, 20, 30}), frame.Numeric("y", []float64{1, 2, 3, 4, 5}))
	require.NoError(t, err)
	return f
}

func TestDyadFunctions(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		formula string
		want    []float64
	}{
		{"partner(x)", []float64{10, 1, 20, 3, nan}},
		{"within(x)", []float64{-1, -10, 1, 0, 10}},
		{"between(x)", []float64{2 - 11, 20 - 11, 2 - 11, 20 - 11, 20 - 11}},
		{"lag(x)", []float64{nan, nan, 1, 10, 20}},
		{"lag(x, 2)", []float64{nan, nan, nan, nan, 10}},
		{"partner(within(x))", []float64{-10, -1, 0, 1, nan}},
		{"lag(partner(x))", []float64{nan, nan, 10, 1, 3}},
		{"I(x / 2 + lag(x))", []float64{nan, nan, 2.5, 20, 35}},
	} {
		b := &builder{f: dyad(t), spec: Spec{Outcome: "y", Couple: "couple", Role: "role", Time: "time"}, d: &design{missing: map[string]int{}}}
		require.NoError(t, b.order())
		s, err := b.formula(c.formula)
		require.NoError(t, err, c.formula)
		for r, w := range c.want {
			got := s.variables[0].columns[0][r]
			assert.True(t, got == w || math.IsNaN(got) && math.IsNaN(w), "%s, row %d: %v, expected %v", c.formula, r, got, w)
		}
	}
}

// Between whole numbers an occasion is a point in time; otherwise the couple's occasions are counted, also those
// that one partner missed.
func TestLagCountsTheCouplesOccasions(t *testing.T) {
	nan := math.NaN()
	f, err := frame.New(
		frame.Categorical("couple", []string{"1", "1", "1", "1", "1"}), frame.Categorical("role", []string{"h", "w", "w", "h", "w"}),
		frame.Numeric("time", []float64{0.5, 0.5, 1.25, 3, 3}), frame.Numeric("x", []float64{1, 2, 3, 4, 5}), frame.Numeric("y", []float64{1, 2, 3, 4, 5}))
	require.NoError(t, err)
	for src, want := range map[string][]float64{"lag(x)": {nan, nan, 2, nan, 3}, "lag(x, 2)": {nan, nan, nan, 1, 2}} {
		b := &builder{f: f, spec: Spec{Outcome: "y", Couple: "couple", Role: "role", Time: "time"}, d: &design{missing: map[string]int{}}}
		require.NoError(t, b.order())
		s, err := b.formula(src)
		require.NoError(t, err)
		for r, w := range want {
			got := s.variables[0].columns[0][r]
			assert.True(t, got == w || math.IsNaN(got) && math.IsNaN(w), "%s, row %d: %v, expected %v", src, r, got, w)
		}
	}
}

func TestDyadFunctionsRefuseWhatHasNoMeaning(t *testing.T) {
	three, err := frame.New(frame.Categorical("couple", []string{"a", "a", "a", "b", "b"}), frame.Categorical("p", []string{"1", "2", "3", "1", "2"}),
		frame.Numeric("day", []float64{0, 0, 0, 4, 4}), frame.Numeric("y", []float64{1, 2, 3, 4, 5}), frame.Numeric("c", []float64{2, 2, 2, 2, 2}))
	require.NoError(t, err)
	s := Spec{Outcome: "y", Couple: "couple", Person: "p", Time: "day"}
	for _, c := range []struct {
		fixed, person, want string
	}{
		{"partner(y)", "p", `couple "a" has more than two persons on one occasion`},
		{"partner(y)", "", "partner() needs a role or a person column"},
		{"within(y)", "", "within() needs a role or a person column"},
		{"lag(y)", "p", "nobody was observed 1 before an occasion; lag() counts in whole units of day"},
		{"scale(c)", "p", "c does not vary"},
		{"poly(c, 2)", "p", "c has 1 different values; degree 2 needs more than 2"},
	} {
		s.Fixed, s.Person = c.fixed, c.person
		_, err := buildDesign(three, s)
		var bad *FormulaError
		require.ErrorAs(t, err, &bad, c.fixed)
		assert.ErrorContains(t, err, c.want)
	}
}

func TestAFactorWithALevelForEachRowIsRefused(t *testing.T) {
	n := maxColumns + 5
	couple, y := make([]string, n), make([]float64, n)
	for i := range couple {
		couple[i], y[i] = fmt.Sprint("c", i), float64(i)
	}
	f, err := frame.New(frame.Categorical("couple", couple), frame.Numeric("y", y))
	require.NoError(t, err)
	for _, fixed := range []string{"couple", "y:couple", "couple^2 + 0"} {
		_, err = buildDesign(f, Spec{Outcome: "y", Couple: "couple", Fixed: fixed})
		assert.ErrorContains(t, err, "more than 1000 columns", fixed)
	}
}

// A column belongs to a role only where it is that role's own, not where it is the difference from the other.
func TestColumnsKnowTheirRole(t *testing.T) {
	for fixed, want := range map[string][]string{
		"0 + role + role:x": {"h", "w", "h", "w"},
		"role * x":          {"", "", "", ""},
		"x + role:x:time":   {"", "", "h", "w"},
	} {
		d, err := buildDesign(dyad(t), Spec{Outcome: "y", Couple: "couple", Role: "role", Time: "time", Fixed: fixed})
		require.NoError(t, err)
		assert.Equal(t, want, d.xRole, "%s: %v", fixed, d.xNames)
	}
}

func TestFormulasRefused(t *testing.T) {
	f := dyad(t)
	for _, c := range []struct{ formula, want string }{
		{"x +", "column 4: the formula ends here"},
		{"(x", "column 1: the parenthesis is not closed"},
		{"x y", `column 3: found "y"`},
		{"tiem", `column 1: there is no column "tiem"; did you mean "time"?`},
		{"x + 2", "column 5: the number 2 stands alone"},
		{"witin(x)", `there is no function "witin"; did you mean "within"?`},
		{"lag(x, 0)", "the lag must be a whole number from 1"},
		{"within(role)", `column "role" holds text`},
		{"(1 | couple)", "a random term does not belong here"},
		{"x^1.5", "the power must be a whole number"},
		{"1 +\n  nope", `line 2, column 3: there is no column "nope"`},
		{"1:x", "column 1: 1 stands for no variable and cannot be part of a product"},
		{"role * (x - x)", "column 8: (x - x) stands for no variable"},
		{"y ~ x", "column 3: found ~; expected the right-hand side alone"},
		{"factor(x + 1)", "factor() takes the name of a column"},
		{"log(factor(x))", "factor() makes no number"},
		{"-x", "nothing stands before this minus"},
		{"partner(x, 2)", "partner has 2 arguments; expected 1"},
		{strings.Repeat("(", 200) + "x" + strings.Repeat(")", 200), "nested more than 100 deep"},
		{"(x+y+time+role+couple)^9^9", "power"},
	} {
		_, err := buildDesign(f, Spec{Outcome: "y", Couple: "couple", Role: "role", Time: "time", Fixed: c.formula})
		var bad *FormulaError
		require.ErrorAs(t, err, &bad, c.formula)
		assert.ErrorContains(t, err, c.want)
	}
}

func TestRandomTermsRefused(t *testing.T) {
	for _, c := range []struct{ random, want string }{
		{"1 | role", "cannot group by role"}, {"1", "expected random terms such as (1 | couple)"}, {"(1 | couple) * 2", "expected random terms"}, {"(0 | couple)", "has no column"},
	} {
		_, err := buildDesign(dyad(t), Spec{Outcome: "y", Couple: "couple", Role: "role", Time: "time", Fixed: "1", Random: c.random})
		assert.ErrorContains(t, err, c.want, c.random)
	}
}

func TestTwoRowsOnOneOccasionAreRefused(t *testing.T) {
	f, err := frame.New(frame.Categorical("couple", []string{"7", "7"}), frame.Categorical("role", []string{"h", "h"}), frame.Numeric("time", []float64{1, 1}), frame.Numeric("y", []float64{1, 2}))
	require.NoError(t, err)
	_, err = buildDesign(f, Spec{Outcome: "y", Couple: "couple", Role: "role", Time: "time", Fixed: "1"})
	assert.ErrorContains(t, err, `couple "7", "h" has two rows at time 1 (rows 1 and 2); expected one`)
}

func FuzzFormula(f *testing.F) {
	for _, s := range []string{"0 + role + role:time", "(x + y)^3 - x", "poly(x, 2) * role", "within(partner(x)) / time", "`a b` + I(x^2)", "-1 + x", "(1 | couple)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		n, err := parseFormula(src)
		if err != nil {
			return
		}
		_, _ = expandTerms(src, n) // must return, whatever the formula
		printed := n.String()
		again, err := parseFormula(printed)
		if err != nil {
			t.Fatalf("%q is printed as %q, which does not parse: %v", src, printed, err)
		}
		if again.String() != printed {
			t.Fatalf("%q is printed as %q and then as %q", src, printed, again.String())
		}
	})
}
