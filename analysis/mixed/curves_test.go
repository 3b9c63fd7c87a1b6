package mixed

import (
	"context"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/mat"

	"asem/analysis/frame"
)

// Curves and their errors are those of Henderson's equations, in which fixed and random effects of all couples are solved for at once.
func TestCurvesSolveHendersonsEquations(t *testing.T) {
	file, err := os.Open("testdata/nested.csv")
	require.NoError(t, err)
	defer file.Close()
	f, err := frame.ReadCSV(file, frame.CSVOptions{})
	require.NoError(t, err)
	m, err := New(f, Spec{Outcome: "y", Site: "site", Couple: "couple", Role: "role", Time: "time", Fixed: "role * time + x", Random: "(1 | site) + (1 + time | exchangeable(couple))"})
	require.NoError(t, err)
	r, err := m.Fit(context.Background())
	require.NoError(t, err)
	require.NoError(t, r.Err())
	d, p := m.design, len(r.Beta)
	n, width := len(d.rows), p
	var starts []int
	for _, term := range r.Random {
		starts = append(starts, width)
		width += term.Groups * len(term.Names)
	}
	w, s2 := mat.NewDense(n, width, nil), r.Residual.SD[0]*r.Residual.SD[0]
	for i := range n {
		for j := range p {
			w.Set(i, j, d.x[i*p+j])
		}
		for k, term := range d.random {
			q := len(term.names)
			for j := range q {
				w.Set(i, starts[k]+term.group[i]*q+j, term.z[i*q+j])
			}
		}
	}
	var lhs, c mat.Dense
	lhs.Mul(w.T(), w)
	for k, term := range r.Random {
		var inv mat.Dense
		require.NoError(t, inv.Inverse(term.G))
		q := len(term.Names)
		for g := range term.Groups {
			for a := range q {
				for b := range q {
					i, j := starts[k]+g*q+a, starts[k]+g*q+b
					lhs.Set(i, j, lhs.At(i, j)+s2*inv.At(a, b))
				}
			}
		}
	}
	require.NoError(t, c.Inverse(&lhs))
	var wy, solved mat.VecDense
	wy.MulVec(w.T(), mat.NewVecDense(n, d.y))
	solved.MulVec(&c, &wy)
	times := []float64{0, 1.5, 4}
	curves, err := r.Curves(times)
	require.NoError(t, err)
	people := m.peopleRows()
	require.Len(t, curves, len(people))
	for i, rows := range people {
		first := rows[0]
		assert.Equal(t, d.couples[d.couple[first]], curves[i].Couple)
		assert.Equal(t, d.roleLevels[d.role[first]], curves[i].Role)
		assert.Equal(t, d.sites[d.site[first]], curves[i].Site)
		for k, time := range times {
			row := mat.NewVecDense(width, nil)
			mean := 0.0
			for _, r := range rows {
				mean += d.x[r*p+3] / float64(len(rows))
			}
			woman := float64(d.role[first])
			for j, x := range []float64{1, woman, time, mean, woman * time} {
				row.SetVec(j, x)
			}
			row.SetVec(starts[0]+d.random[0].group[first], 1)
			sign := d.random[2].z[first*2]
			at := 2 * d.random[1].group[first]
			row.SetVec(starts[1]+at, 1)
			row.SetVec(starts[1]+at+1, time)
			row.SetVec(starts[2]+at, sign)
			row.SetVec(starts[2]+at+1, sign*time)
			point := curves[i].Points[k]
			assert.InDelta(t, mat.Dot(row, &solved), point.Mean, 1e-8)
			assert.InEpsilon(t, math.Sqrt(s2*mat.Inner(row, &c, row)), point.SE, 1e-8)
		}
	}
	require.Equal(t, []string{"(Intercept)", "rolew", "time", "x", "rolew:time"}, r.Names)
}

// At the occasions that were seen a curve goes through the predicted values, also where time is a factor or bent, and after an update.
func TestCurvesGoThroughThePredictedValues(t *testing.T) {
	f := drawn(rand.New(rand.NewPCG(4, 4)), 25, 4, 0.2, plain)
	for _, formulas := range [][2]string{{"0 + role + factor(time)", "(1 + time | couple)"}, {"role * poly(time, 2)", "(0 + role + role:time | couple)"}, {"time", "(1 + I(time^2) || couple/role)"}} {
		m, err := New(f, Spec{Outcome: "y", Couple: "couple", Role: "role", Time: "time", Fixed: formulas[0], Random: formulas[1]})
		require.NoError(t, err)
		m, err = m.Update(f, "3", "7")
		require.NoError(t, err)
		r, err := m.Fit(context.Background())
		require.NoError(t, err)
		require.NoError(t, r.Err())
		times := []float64{0, 1, 2, 3}
		curves, err := r.Curves(times)
		require.NoError(t, err)
		res, err := r.Residuals()
		require.NoError(t, err)
		d, seen := m.whole(), 0
		for i := range d.rows {
			for _, c := range curves {
				if c.Couple == d.couples[d.couple[i]] && c.Role == d.roleLevels[d.role[i]] {
					assert.InDelta(t, res.Couple[i], c.Points[slices.Index(times, d.time[i])].Mean, 1e-8)
					seen++
				}
			}
		}
		assert.Equal(t, len(d.rows), seen)
		if formulas[0] == "0 + role + factor(time)" {
			_, err = r.Curves([]float64{1.5})
			require.ErrorContains(t, err, `"1.5", which is none of the levels of the fit`)
			tr, err := r.Trajectories([]float64{0, 2})
			require.NoError(t, err)
			assert.InDelta(t, r.Beta[slices.Index(r.Names, "factor(time)2")], tr[0].Points[1].Mean-tr[0].Points[0].Mean, 1e-9)
		}
	}
}
