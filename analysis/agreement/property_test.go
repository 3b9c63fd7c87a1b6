package agreement_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"asem/analysis/agreement"
)

// drawRatings draws a table with gaps of values that tie.
func drawRatings(t *rapid.T, complete bool) []agreement.Rating {
	n, k := rapid.IntRange(3, 9).Draw(t, "clips"), rapid.IntRange(2, 5).Draw(t, "judges")
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
	clip, judge := make([]float64, n), make([]float64, k)
	for i := range clip {
		clip[i] = 1.5 * r.NormFloat64()
	}
	for j := range judge {
		judge[j] = 0.7 * r.NormFloat64()
	}
	var list []agreement.Rating
	for i := range clip {
		for j := range judge {
			if complete || r.Float64() < 0.7 {
				list = append(list, agreement.Rating{Clip: fmt.Sprintf("c%d", i), Judge: fmt.Sprintf("j%d", j), Value: math.Round(4*(4+clip[i]+judge[j]+0.8*r.NormFloat64())) / 4})
			}
		}
	}
	return list
}

// coefficients returns every number of agreement that a table has, by name.
func coefficients(t *rapid.T, list []agreement.Rating) map[string]float64 {
	tab, err := agreement.NewTable(list)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	ctx := context.Background()
	if r, err := agreement.ICCOf(tab, 0); err == nil {
		for _, c := range r.Coefficients {
			if c.Err == nil {
				out[c.Name] = c.Value
			}
			if c.Interval != nil {
				out[c.Name+" lower"], out[c.Name+" upper"] = c.Interval.Lower, c.Interval.Upper
			}
		}
	}
	if r, err := agreement.IncompleteICCOf(ctx, tab, nil); err == nil {
		for _, c := range r.Coefficients {
			out["REML "+c.Name] = c.Value
		}
	}
	for _, m := range []agreement.Metric{agreement.NominalScale, agreement.OrdinalScale, agreement.IntervalScale} {
		if a, err := agreement.Krippendorff(ctx, tab, m, nil); err == nil {
			out["alpha "+string(m)] = a.Value
		}
	}
	if k, err := agreement.FleissKappa(tab, 0); err == nil {
		out["Fleiss"], out["Fleiss SE"] = k.Value, k.SE
	}
	return out
}

func same(t *rapid.T, want, got map[string]float64, tolerance float64) {
	if len(want) != len(got) {
		t.Fatalf("%v and %v", want, got)
	}
	for name, v := range want {
		if d := math.Abs(v - got[name]); d > tolerance*max(1, math.Abs(v)) {
			t.Fatalf("%s: %v and %v", name, v, got[name])
		}
	}
}

func TestNamesAndOrderDoNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := drawRatings(t, rapid.Bool().Draw(t, "complete"))
		want := coefficients(t, list)
		shuffled := rapid.Permutation(list).Draw(t, "order")
		got := coefficients(t, shuffled)
		for name, v := range want {
			if v != got[name] {
				t.Fatalf("%s: %v and %v; the order of rows must not change a digit", name, v, got[name])
			}
		}
		names := rapid.Permutation([]string{"0", "1", "2", "3", "4", "5", "6", "7", "8"}).Draw(t, "names")
		renamed := slices.Clone(list)
		for i := range renamed {
			renamed[i].Clip = "z" + names[renamed[i].Clip[1]-'0']
			renamed[i].Judge = "y" + names[renamed[i].Judge[1]-'0']
		}
		same(t, want, coefficients(t, renamed), 1e-6) // the search for variances begins in another order
	})
}

func TestUnitsDoNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := drawRatings(t, rapid.Bool().Draw(t, "complete"))
		a, b := rapid.Float64Range(-100, 100).Draw(t, "shift"), rapid.SampledFrom([]float64{-3, -0.01, 0.001, 7, 1e6}).Draw(t, "scale")
		moved := slices.Clone(list)
		for i := range moved {
			moved[i].Value = a + b*moved[i].Value
		}
		same(t, coefficients(t, list), coefficients(t, moved), 1e-6)
	})
}

// Complete designs: variance components by restricted likelihood are those of the analysis of variance where these are above zero.
func TestLikelihoodEqualsAnalysisOfVariance(t *testing.T) {
	tried := 0
	rapid.Check(t, func(t *rapid.T) {
		tab, err := agreement.NewTable(drawRatings(t, true))
		if err != nil {
			t.Fatal(err)
		}
		a, err := agreement.ICCOf(tab, 0)
		if err != nil {
			return
		}
		n, k := float64(a.Clips), float64(a.Judges)
		want := []float64{(a.MSClips - a.MSError) / k, (a.MSJudges - a.MSError) / n, a.MSError}
		if want[0] < 1e-3 || want[1] < 1e-3 || want[2] < 1e-3 || a.MSClips <= a.MSWithin {
			return
		}
		tried++
		r, err := agreement.IncompleteICCOf(context.Background(), tab, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range want {
			if math.Abs(v-r.Variances[i].Variance) > 1e-7*(want[0]+want[1]+want[2]) {
				t.Fatalf("%s: %v by analysis of variance, %v by likelihood", r.Variances[i].Name, v, r.Variances[i].Variance)
			}
		}
		for i, c := range a.Coefficients {
			if math.Abs(c.Value-r.Coefficients[i].Value) > 1e-7 {
				t.Fatalf("%s: %v and %v", c.Name, c.Value, r.Coefficients[i].Value)
			}
		}
		if r.Q != 0 || math.Abs(r.K-k) > 1e-12*k {
			t.Fatalf("a complete design has K = %v, Q = %v", r.K, r.Q)
		}
	})
	assert.Greater(t, tried, 20)
}

// 8 couples x 3 judges x 4 segments: the analysis of variance of the crossed and the nested design.
func TestGeneralisabilityEqualsAnalysisOfVariance(t *testing.T) {
	const n, k, m = 8, 3, 4
	tried := 0
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 5))
		var y [n][k][m]float64
		var list []agreement.Moment
		draw := func(count int, sd float64) []float64 {
			x := make([]float64, count)
			for i := range x {
				x[i] = sd * r.NormFloat64()
			}
			return x
		}
		c, j, s, cj, cs, js := draw(n, 1.5), draw(k, 1), draw(m, 1), draw(n*k, 1), draw(n*m, 1), draw(k*m, 1)
		for a := range n {
			for b := range k {
				for d := range m {
					y[a][b][d] = c[a] + j[b] + s[d] + cj[a*k+b] + cs[a*m+d] + js[b*m+d] + 0.5*r.NormFloat64()
					list = append(list, agreement.Moment{Couple: fmt.Sprint(a), Judge: fmt.Sprint(b), Segment: fmt.Sprint(d), Value: y[a][b][d]})
				}
			}
		}
		mean := func(in func(a, b, d int) bool) float64 {
			sum, count := 0.0, 0.0
			for a := range n {
				for b := range k {
					for d := range m {
						if in(a, b, d) {
							sum, count = sum+y[a][b][d], count+1
						}
					}
				}
			}
			return sum / count
		}
		all := mean(func(_, _, _ int) bool { return true })
		mc := func(i int) float64 { return mean(func(a, _, _ int) bool { return a == i }) }
		mj := func(i int) float64 { return mean(func(_, b, _ int) bool { return b == i }) }
		ms := func(i int) float64 { return mean(func(_, _, d int) bool { return d == i }) }
		var C, J, S, CJ, CS, JS, E float64
		for a := range n {
			C += k * m * math.Pow(mc(a)-all, 2) / (n - 1)
			for b := range k {
				CJ += m * math.Pow(mean(func(x, y, _ int) bool { return x == a && y == b })-mc(a)-mj(b)+all, 2) / ((n - 1) * (k - 1))
			}
			for d := range m {
				CS += k * math.Pow(mean(func(x, _, z int) bool { return x == a && z == d })-mc(a)-ms(d)+all, 2) / ((n - 1) * (m - 1))
			}
		}
		for b := range k {
			J += n * m * math.Pow(mj(b)-all, 2) / (k - 1)
			for d := range m {
				JS += n * math.Pow(mean(func(_, y, z int) bool { return y == b && z == d })-mj(b)-ms(d)+all, 2) / ((k - 1) * (m - 1))
			}
		}
		total := 0.0
		for d := range m {
			S += n * k * math.Pow(ms(d)-all, 2) / (m - 1)
		}
		for a := range n {
			for b := range k {
				for d := range m {
					total += (y[a][b][d] - all) * (y[a][b][d] - all)
				}
			}
		}
		E = (total - C*(n-1) - J*(k-1) - S*(m-1) - CJ*(n-1)*(k-1) - CS*(n-1)*(m-1) - JS*(k-1)*(m-1)) / ((n - 1) * (k - 1) * (m - 1))
		want := []float64{(C - CJ - CS + E) / (k * m), (J - CJ - JS + E) / (n * m), (S - CS - JS + E) / (n * k), (CJ - E) / m, (CS - E) / k, (JS - E) / n, E}
		// Nested: segments within couples pool S and CS, and JS with E.
		sc := (S*(m-1) + CS*(n-1)*(m-1)) / (n * (m - 1))
		e := (JS*(k-1)*(m-1) + E*(n-1)*(k-1)*(m-1)) / (n * (k - 1) * (m - 1))
		nested := []float64{(C - CJ - sc + e) / (k * m), (J - CJ) / (n * m), (CJ - e) / m, (sc - e) / k, e}
		for layout, want := range map[agreement.Layout][]float64{agreement.Crossed: want, agreement.Nested: nested} {
			if slices.Min(want) < 1e-2 {
				continue
			}
			tried++
			g, err := agreement.Generalise(context.Background(), list, layout, nil)
			require.NoError(t, err)
			for i, v := range want {
				assert.InDelta(t, v, g.Components[i].Variance, 1e-7, "%s, seed %d", g.Components[i].Name, seed)
			}
		}
	}
	assert.Greater(t, tried, 20)
}

func TestPlansKeepTheirPromise(t *testing.T) {
	g, err := agreement.Generalise(context.Background(), readMoments(t), agreement.Crossed, nil)
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		p := agreement.Plan{Judges: rapid.IntRange(1, 9).Draw(t, "judges"), Segments: rapid.IntRange(1, 9).Draw(t, "segments"),
			DifferentJudges: rapid.Bool().Draw(t, "different"), FixedSegments: rapid.Bool().Draw(t, "fixed")}
		d, err := g.Decide(p)
		if err != nil || !(0 < d.Absolute && d.Absolute <= d.Relative && d.Relative < 1) {
			t.Fatalf("%+v: %+v, %v", p, d, err)
		}
		more := p
		more.Judges++
		if e, _ := g.Decide(more); e.Absolute <= d.Absolute || e.Relative <= d.Relative {
			t.Fatalf("%+v: another judge makes it worse", p)
		}
		target := rapid.Float64Range(0.3, 0.95).Draw(t, "target")
		n, err := g.JudgesNeeded(target, p, true)
		if err != nil {
			return // as many judges as there are do not reach it
		}
		p.Judges = n
		if e, _ := g.Decide(p); e.Absolute < target-1e-9 {
			t.Fatalf("%d judges reach %v of %v", n, e.Absolute, target)
		}
		if p.Judges--; n > 1 {
			if e, _ := g.Decide(p); e.Absolute >= target {
				t.Fatalf("%d judges would do for %v", n-1, target)
			}
		}
	})
	_, err = g.JudgesNeeded(0.999, agreement.Plan{Judges: 1, Segments: 1}, true)
	assert.ErrorIs(t, err, agreement.ErrNotEstimable)
	d, err := g.Decide(agreement.Plan{Judges: 4, Segments: 6, FixedJudges: true, FixedSegments: true})
	require.NoError(t, err)
	assert.Greater(t, d.Relative, 0.97, "for these very judges and segments only the residual is error")
}

func TestJudgesNeeded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		single, target := rapid.Float64Range(0.01, 0.99).Draw(t, "single"), rapid.Float64Range(0.01, 0.99).Draw(t, "target")
		n, err := agreement.JudgesNeeded(single, target)
		if err != nil {
			t.Fatal(err)
		}
		of := func(k float64) float64 { return k * single / (1 + (k-1)*single) }
		if of(float64(n)) < target-1e-9 || n > 1 && of(float64(n-1)) > target+1e-9 {
			t.Fatalf("%d judges of %v for %v", n, single, target)
		}
	})
	_, err := agreement.JudgesNeeded(-0.1, 0.8)
	assert.ErrorIs(t, err, agreement.ErrNotEstimable)
	_, err = agreement.JudgesNeeded(0.5, 1)
	assert.Error(t, err)
}

// Cronbach's alpha is ICC(3,k), and its interval too; the mean over all halves of an even number of items is alpha.
func TestAlphaIsAnICCAndTheMeanOfHalves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, k := rapid.IntRange(5, 20).Draw(t, "persons"), rapid.SampledFrom([]int{2, 4, 6}).Draw(t, "items")
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		rows, names := make([][]float64, n), make([]string, k)
		var list []agreement.Rating
		for i := range rows {
			f := r.NormFloat64()
			for j := range k {
				names[j] = fmt.Sprintf("i%d", j)
				rows[i] = append(rows[i], f+r.NormFloat64())
				list = append(list, agreement.Rating{Clip: fmt.Sprint(i), Judge: names[j], Value: rows[i][j]})
			}
		}
		it, err := agreement.NewItems(names, rows, agreement.Listwise)
		if err != nil {
			t.Fatal(err)
		}
		a, err := agreement.CronbachAlpha(it, 0.9)
		if err != nil {
			t.Fatal(err)
		}
		tab, _ := agreement.NewTable(list)
		icc, err := agreement.ICCOf(tab, 0.9)
		if err != nil {
			t.Fatal(err)
		}
		c := icc.Coefficients[5]
		s, err := agreement.SplitHalf(it, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, pair := range [][2]float64{{c.Value, a.Alpha}, {c.Interval.Lower, a.Interval.Lower}, {c.Interval.Upper, a.Interval.Upper}, {s.Mean, a.Alpha}} {
			if math.Abs(pair[0]-pair[1]) > 1e-9*max(1, math.Abs(pair[0])) {
				t.Fatalf("%v and %v", pair[0], pair[1])
			}
		}
	})
}

// Alpha by its definition over all pairs of values, with the ordinal difference summed over the values between.
func TestKrippendorffByDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := drawRatings(t, false)
		for i := range list {
			list[i].Value = max(0, math.Round(list[i].Value))
		}
		byClip := map[string][]float64{}
		for _, r := range list {
			byClip[r.Clip] = append(byClip[r.Clip], r.Value)
		}
		var all []float64
		for _, u := range byClip {
			if len(u) > 1 {
				all = append(all, u...)
			}
		}
		tab, _ := agreement.NewTable(list)
		delta := map[agreement.Metric]func(a, b float64) float64{
			agreement.NominalScale: func(a, b float64) float64 {
				if a == b {
					return 0
				}
				return 1
			},
			agreement.IntervalScale: func(a, b float64) float64 { return (a - b) * (a - b) },
			agreement.RatioScale: func(a, b float64) float64 {
				if a == b {
					return 0
				}
				return (a - b) * (a - b) / ((a + b) * (a + b))
			},
			agreement.OrdinalScale: func(a, b float64) float64 {
				sum := 0.0
				for _, v := range all {
					if v >= min(a, b) && v <= max(a, b) {
						sum++
					}
					if v == a {
						sum -= 0.5
					}
					if v == b {
						sum -= 0.5
					}
				}
				if a == b {
					return 0
				}
				return sum * sum
			},
		}
		for m, d := range delta {
			a, err := agreement.Krippendorff(context.Background(), tab, m, nil)
			if err != nil {
				continue
			}
			var observed, expected float64
			n := float64(len(all))
			for _, u := range byClip {
				for i := range u {
					for j := range u {
						if i != j {
							observed += d(u[i], u[j]) / float64(len(u)-1) / n
						}
					}
				}
			}
			for i := range all {
				for j := range all {
					expected += d(all[i], all[j]) / (n * (n - 1))
				}
			}
			if want := 1 - observed/expected; math.Abs(want-a.Value) > 1e-10 {
				t.Fatalf("%s: %v by definition, %v", m, want, a.Value)
			}
		}
	})
}

// With complete data nominal alpha is Fleiss' kappa but for the small-sample correction of chance; for two judges Cohen's kappa stays the same
// when they change places.
func TestKappasAreRelated(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := drawRatings(t, true)
		for i := range list {
			list[i].Value = math.Round(list[i].Value)
		}
		tab, _ := agreement.NewTable(list)
		a, errA := agreement.Krippendorff(context.Background(), tab, agreement.NominalScale, nil)
		k, errK := agreement.FleissKappa(tab, 0)
		if (errA == nil) != (errK == nil) {
			t.Fatal(errA, errK)
		}
		if errA == nil {
			n := float64(tab.Ratings())
			if want := 1 - (1-k.Value)*(n-1)/n; math.Abs(want-a.Value) > 1e-10 {
				t.Fatalf("%v and %v", want, a.Value)
			}
		}
		for _, w := range []agreement.Weights{agreement.Unweighted, agreement.Linear, agreement.Quadratic} {
			x, errX := agreement.CohenKappa(tab, 0, 1, w, 0)
			y, errY := agreement.CohenKappa(tab, 1, 0, w, 0)
			if (errX == nil) != (errY == nil) {
				t.Fatal(errX, errY)
			}
			if errX == nil && (math.Abs(x.Value-y.Value) > 1e-12 || math.Abs(x.SE-y.SE) > 1e-12) {
				t.Fatalf("%+v and %+v", x, y)
			}
		}
	})
}

// A table that takes ratings one by one, corrects some and loses others, is the table of what it holds, and says the same of it.
func TestFollowingATable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		live, _ := agreement.NewTable(nil)
		held := map[[2]string]float64{}
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			r := agreement.Rating{Clip: fmt.Sprintf("c%d", rapid.IntRange(1, 12).Draw(t, "clip")), Judge: fmt.Sprintf("j%d", rapid.IntRange(1, 4).Draw(t, "judge")), Value: float64(rapid.IntRange(1, 7).Draw(t, "value"))}
			key := [2]string{r.Clip, r.Judge}
			if rapid.IntRange(0, 5).Draw(t, "kind") == 0 {
				r.Value = math.NaN()
				delete(held, key)
			} else {
				held[key] = r.Value
			}
			if err := live.Set(r); err != nil {
				t.Fatal(err)
			}
		}
		var list []agreement.Rating
		for key, v := range held {
			list = append(list, agreement.Rating{Clip: key[0], Judge: key[1], Value: v})
		}
		fresh, err := agreement.NewTable(list)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(live.Clips(), fresh.Clips()) || !slices.Equal(live.Judges(), fresh.Judges()) || live.Ratings() != fresh.Ratings() {
			t.Fatalf("%v %v %d and %v %v %d", live.Clips(), live.Judges(), live.Ratings(), fresh.Clips(), fresh.Judges(), fresh.Ratings())
		}
		for _, m := range []agreement.Metric{agreement.NominalScale, agreement.IntervalScale} {
			a, errA := agreement.Assess(context.Background(), live, m, 0, nil)
			b, errB := agreement.Assess(context.Background(), fresh, m, 0, nil)
			if errA != nil || errB != nil {
				t.Fatal(errA, errB)
			}
			if x, y := fmt.Sprintf("%+v", flat(a)), fmt.Sprintf("%+v", flat(b)); x != y {
				t.Fatalf("%s\n%s", x, y)
			}
		}
	})
}

// flat shows what an assessment points at.
func flat(a *agreement.Assessment) []any {
	out := []any{a.Clips, a.Judges, a.Ratings, a.NotEstimable}
	if a.ICC != nil {
		for _, c := range a.ICC.Coefficients {
			out = append(out, c.Value, c.Test.P)
		}
	}
	if a.Incomplete != nil {
		out = append(out, a.Incomplete.LogLik, a.Incomplete.Variances)
		for _, c := range a.Incomplete.Coefficients {
			out = append(out, c.Value)
		}
	}
	if a.Alpha != nil {
		out = append(out, *a.Alpha)
	}
	for _, k := range a.Pairs {
		out = append(out, k.Value, k.SE, k.Interval.Lower)
	}
	return out
}
