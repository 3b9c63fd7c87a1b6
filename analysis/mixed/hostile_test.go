package mixed_test

import (
	"context"
	"math"
	"slices"
	"testing"

	"asem/analysis/frame"
	"asem/analysis/mixed"
)

// FuzzFit builds small frames of odd values and fits odd models to them: nothing may panic or run on, and a result that
// passes for good holds finite numbers only, also in what is asked of it afterwards.
func FuzzFit(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19}, uint16(0))
	f.Add([]byte("a couple of two persons, seen on several occasions; some of them twice"), uint16(0x3a5))
	f.Add([]byte{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, uint16(77))
	odd := []float64{0, 1, -1, 2, 3.5, 7, 1e-9, 1e9, 1e300, math.NaN(), math.Inf(1), 12, -4, 0.25, 100, 5}
	fixed := []string{"1", "0 + role", "role * x", "role + time + x", "partner(x) + within(x)", "poly(x, 2)", "lag(y)", "x + I(2 * x)"}
	random := []string{"", "(1 | couple)", "(0 + role | couple)", "(1 + time | couple)", "(1 + x || couple)", "(1 | couple/role)", "(1 + time | exchangeable(couple))"}
	f.Fuzz(func(t *testing.T, data []byte, choice uint16) {
		if len(data) > 160 {
			data = data[:160]
		}
		n := len(data) / 2
		couple, role := make([]string, n), make([]string, n)
		time, x, y := make([]float64, n), make([]float64, n), make([]float64, n)
		for i := range n {
			a, b := data[2*i], data[2*i+1]
			couple[i] = []string{"a", "b", "c", "d", "e", "f", "g", ""}[(i/4+int(choice>>12))%8]
			role[i] = []string{"h", "w"}[i%2]
			time[i] = float64(i / 2 % 2)
			if choice&1 != 0 {
				time[i] = odd[a>>4]
			}
			x[i], y[i] = odd[b>>4]+float64(a%8), odd[a%16]+float64(b%16)
		}
		fr, err := frame.New(frame.Categorical("couple", couple), frame.Categorical("role", role), frame.Numeric("time", time), frame.Numeric("x", x), frame.Numeric("y", slices.Clone(y)))
		if err != nil {
			t.Fatal(err)
		}
		s := mixed.Spec{Outcome: "y", Couple: "couple", Role: "role", Time: "time", Fixed: fixed[int(choice>>1)%len(fixed)], Random: random[int(choice>>4)%len(random)],
			Residual: mixed.Residual{CrossPartner: choice&2 != 0}, DF: []mixed.DF{mixed.DFSatterthwaite, mixed.DFKenwardRoger, mixed.DFContainment, mixed.DFResidual}[choice>>7&3]}
		if choice&4 != 0 {
			s.Residual.Variance = mixed.VarianceByRole
		}
		if choice&8 != 0 {
			s.Residual.Serial = mixed.SerialCAR1
		}
		m, err := mixed.New(fr, s)
		if err != nil {
			return
		}
		fit, err := m.Fit(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for i := range y { // one couple changes
			if couple[i] == "b" {
				y[i] = odd[data[i]%16]
			}
		}
		changed, err := frame.New(frame.Categorical("couple", couple), frame.Categorical("role", role), frame.Numeric("time", time), frame.Numeric("x", x), frame.Numeric("y", slices.Clone(y)))
		if err != nil {
			t.Fatal(err)
		}
		if again, err := m.Update(changed, "b"); err == nil {
			after, err := again.FitFrom(context.Background(), fit)
			if err != nil {
				t.Fatal(err)
			}
			if after.Err() == nil {
				if _, err := after.Residuals(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if fit.Err() != nil {
			if fit.Reason == "" {
				t.Fatal("a fit that failed does not say why")
			}
			return
		}
		for _, p := range fit.Parameters {
			for _, v := range []float64{p.Estimate, p.SE, p.DF, p.Statistic, p.P} {
				if math.IsNaN(v) || math.IsInf(v, 0) {
					t.Fatalf("a result that passes for good: %+v", p)
				}
			}
			if !(p.Lower <= p.Estimate && p.Estimate <= p.Upper) { // infinite with next to no degrees of freedom
				t.Fatalf("an interval without its estimate: %+v", p)
			}
		}
		if _, err := fit.TypeIII(); err != nil {
			t.Fatal(err)
		}
		res, err := fit.Residuals()
		if err != nil {
			t.Fatal(err)
		}
		if curves, err := fit.Curves([]float64{0, 1}); err == nil { // lag and the like cannot be computed at a time
			for _, c := range curves {
				for _, p := range c.Points {
					if math.IsNaN(p.Mean+p.SE) || math.IsInf(p.Mean+p.SE, 0) {
						t.Fatalf("a point of a curve: %+v", p)
					}
				}
			}
		}
		for _, v := range append(res.Whitened, res.Conditional...) {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				t.Fatal("a residual is not finite")
			}
		}
		if fit.Couples > 1 {
			r, err := fit.Robust(mixed.CR2)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range r.Parameters {
				if math.IsNaN(p.SE) != math.IsNaN(p.DF) || p.DF <= 0 {
					t.Fatalf("robust inference neither stands nor is missing: %+v", p)
				}
			}
		}
	})
}
