package mixed_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"asem/analysis/mixed"
)

// A model that followed couples that changed, came and went is the model made anew of what is there in the end.
func TestUpdateIsTheModelMadeAnew(t *testing.T) {
	specs := map[string]mixed.Spec{
		"growth": growthSpec(),
		"persons, exchangeable": {Outcome: "y", Couple: "couple", Role: "role", Time: "time", Fixed: "1 + time + x + partner(x) + within(x)", Random: "(1 | couple/role)",
			Residual: mixed.Residual{CrossPartner: true}},
		"serial":         {Outcome: "y", Couple: "couple", Role: "role", Time: "time", Fixed: "role*time", Residual: mixed.Residual{Variance: mixed.VarianceByRole, Serial: mixed.SerialAR1}},
		"sum contrasts":  {Outcome: "y", Couple: "couple", Role: "role", Time: "time", Fixed: "role*x", Random: "(1 | couple)", Contrasts: mixed.ContrastsSum},
		"beyond couples": {Outcome: "y", Couple: "couple", Role: "role", Time: "time", Fixed: "scale(x) + between(x) + lag(x) + poly(time, 2)", Random: "(1 | couple)"},
	}
	for name, spec := range specs {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				rows := simulateGrowth(rapid.Uint64().Draw(rt, "seed"), rapid.IntRange(25, 40).Draw(rt, "couples"), 4, 0.25)
				m, err := mixed.New(growthFrame(t, rows), spec)
				require.NoError(rt, err)
				earlier, err := m.Fit(context.Background())
				require.NoError(rt, err)
				for step := range rapid.IntRange(1, 4).Draw(rt, "steps") {
					var changed []string
					for range rapid.IntRange(1, 3).Draw(rt, "changes") {
						c := fmt.Sprint("c", rapid.IntRange(0, 44).Draw(rt, "couple"))
						changed = append(changed, c)
						fresh := simulateGrowth(uint64(step*1000+len(c)), 1, 4, rapid.SampledFrom([]float64{0, 0.5, 1}).Draw(rt, "missing"))
						for i := range fresh {
							fresh[i].couple = c
							if rapid.IntRange(0, 9).Draw(rt, "gap") == 0 {
								fresh[i].y = math.NaN()
							}
						}
						at := slices.IndexFunc(rows, func(r growthRow) bool { return r.couple == c })
						rows = slices.DeleteFunc(rows, func(r growthRow) bool { return r.couple == c })
						rows = slices.Insert(rows, min(max(at, 0), len(rows)), fresh...)
					}
					f := growthFrame(t, rows)
					m, err = m.Update(f, changed...)
					require.NoError(rt, err)
					got, err := m.FitFrom(context.Background(), earlier)
					require.NoError(rt, err)
					anew, err := mixed.New(f, spec)
					require.NoError(rt, err)
					want, err := anew.Fit(context.Background())
					require.NoError(rt, err)
					require.Equal(rt, want.Rows, got.Rows)
					require.Equal(rt, want.Couples, got.Couples)
					require.Equal(rt, want.Missing, got.Missing)
					require.Equal(rt, want.Names, got.Names)
					require.Equal(rt, want.Converged, got.Converged, "%v; %v", want.Convergence, got.Convergence)
					if !want.Converged {
						continue
					}
					require.InDelta(rt, want.LogLik, got.LogLik, 1e-7)
					for i, p := range want.Parameters {
						require.InDelta(rt, p.Estimate, got.Parameters[i].Estimate, 1e-4*p.SE, p.Name)
						require.InEpsilon(rt, p.SE, got.Parameters[i].SE, 1e-3, p.Name)
					}
					for i, r := range want.Random {
						require.Equal(rt, r.Groups, got.Random[i].Groups)
					}
					a, err := want.Residuals()
					require.NoError(rt, err)
					b, err := got.Residuals()
					require.NoError(rt, err)
					require.Equal(rt, a.Row, b.Row, "the rows are those of the new frame")
					require.InDeltaSlice(rt, a.Marginal, b.Marginal, 1e-4)
					earlier = got
				}
			})
		})
	}
}

func TestUpdateRefusesWhatNewRefuses(t *testing.T) {
	rows := simulateGrowth(4, 30, 4, 0.1)
	m, err := mixed.New(growthFrame(t, rows), growthSpec())
	require.NoError(t, err)
	worse := slices.Clone(rows)
	worse[3].y = math.Inf(1)
	_, err = m.Update(growthFrame(t, worse), worse[3].couple)
	var data *mixed.DataError
	require.ErrorAs(t, err, &data)
	assert.ErrorContains(t, err, "row 4 is not finite")
	for i := range worse {
		worse[i] = rows[i]
		if worse[i].couple == "c7" && worse[i].role == "h" {
			worse[i].role = "x" // a third role
		}
	}
	u, err := m.Update(growthFrame(t, worse), "c7")
	require.NoError(t, err)
	f, err := u.Fit(context.Background())
	require.NoError(t, err)
	assert.Contains(t, f.Names, "rolex", "new levels make the model anew")
	one := slices.DeleteFunc(slices.Clone(rows), func(r growthRow) bool { return r.couple != "c1" })
	var gone []string
	for c := range 30 {
		if c != 1 {
			gone = append(gone, fmt.Sprint("c", c))
		}
	}
	_, anew := mixed.New(growthFrame(t, one), growthSpec())
	_, err = m.Update(growthFrame(t, one), gone...)
	assert.Equal(t, anew, err)
}

// A study that begins with one wave in calendar years comes to the model that all waves make.
func TestAStudyThatBeginsWithOneWave(t *testing.T) {
	rows := simulateGrowth(12, 50, 4, 0.1)
	for i := range rows {
		rows[i].time = 2020 + rows[i].time/2
	}
	spec := mixed.Spec{Outcome: "y", Couple: "couple", Role: "role", Time: "time", Fixed: "role", Random: "(1 + time | couple)", Residual: mixed.Residual{CrossPartner: true, Serial: mixed.SerialCAR1}}
	var seen []growthRow
	for _, r := range rows {
		if r.time == 2020 {
			seen = append(seen, r)
		}
	}
	m, err := mixed.New(growthFrame(t, seen), spec)
	require.NoError(t, err)
	for wave := 2020.5; wave <= 2021.5; wave += 0.5 {
		var couples []string
		for _, r := range rows {
			if r.time == wave {
				seen, couples = append(seen, r), append(couples, r.couple)
			}
		}
		m, err = m.Update(growthFrame(t, seen), couples...)
		require.NoError(t, err)
	}
	got, err := m.Fit(context.Background())
	require.NoError(t, err)
	require.NoError(t, got.Err())
	want := fit(t, growthFrame(t, rows), spec)
	require.InDelta(t, want.LogLik, got.LogLik, 1e-7)
	require.InDelta(t, want.Condition, got.Condition, 0.5*want.Condition)
}
