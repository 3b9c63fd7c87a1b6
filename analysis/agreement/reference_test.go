package agreement_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat"

	"asem/analysis/agreement"
	"asem/analysis/frame"
)

// shared is where the reference data lie that may not be copied into the project.
const shared = "../../../shared/reference"

// closed is the relative tolerance of what has a closed form, estimated that of what a search finds: lme4 and lavaan stop at about it.
const (
	closed    = 1e-9
	estimated = 1e-6
)

func near(t testing.TB, want, got, tolerance float64, what ...any) {
	t.Helper()
	assert.InEpsilon(t, want, got, tolerance, what...)
}

func readJSON(t testing.TB, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, into))
}

func readCSV(t testing.TB, path string) *frame.Frame {
	t.Helper()
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	f, err := frame.ReadCSV(file, frame.CSVOptions{})
	require.NoError(t, err)
	return f
}

func column(t testing.TB, f *frame.Frame, name string) frame.Column {
	t.Helper()
	c, ok := f.Column(name)
	require.True(t, ok, name)
	return c
}

// wide makes a table of the columns of a frame as judges and its rows as clips.
func wide(t testing.TB, f *frame.Frame, judges ...string) *agreement.Table {
	t.Helper()
	var list []agreement.Rating
	for _, j := range judges {
		c := column(t, f, j)
		for r := range f.Rows() {
			list = append(list, agreement.Rating{Clip: frame.Numeric("", []float64{float64(r)}).Label(0), Judge: j, Value: c.Values[r]})
		}
	}
	return table(t, list)
}

func table(t testing.TB, list []agreement.Rating) *agreement.Table {
	t.Helper()
	tab, err := agreement.NewTable(list)
	require.NoError(t, err)
	return tab
}

// reference is what testdata/reference.R wrote.
type reference struct {
	Incomplete struct {
		Twoway, Oneway map[string]float64
		K, Q           float64
		ICC            struct{ V1, V2, V3, V1k, V2k, V3k, Gqk float64 }
	}
	Crossed, Nested map[string]float64
	Diary           struct {
		Crossed, Nested                         map[string]float64
		Days, R1f, Rkf, R1r, Rkr, Rc, Rkrn, Rcn float64
	}
	Items struct {
		Omega, SE            float64
		Loadings, Residuals  []float64
		Chisq                float64
		DF                   int
		Alpha                float64
		StdAlpha             float64 `json:"std_alpha"`
		Feldt, Dropped, Rest []float64
		MaxSplit             float64 `json:"max_split"`
		MinSplit             float64 `json:"min_split"`
	}
	Kappa map[string]struct{ Kappa, SE float64 }
	CCF   struct{ Lag, R []float64 }
}

func readReference(t testing.TB) (r reference) {
	readJSON(t, filepath.Join("testdata", "reference.json"), &r)
	return r
}

// Shrout & Fleiss (1979), Table 2, by psych 2.2.9.
func TestICCAsInPsych(t *testing.T) {
	var want map[string]struct{ ICC, F, DF1, DF2, P, Lower, Upper float64 }
	readJSON(t, "testdata/icc_shrout_fleiss.json", &want)
	r, err := agreement.ICCOf(wide(t, readCSV(t, "testdata/shrout_fleiss_1979.csv"), "X1", "X2", "X3", "X4"), 0.95)
	require.NoError(t, err)
	for i, name := range []string{"ICC1", "ICC2", "ICC3", "ICC1k", "ICC2k", "ICC3k"} {
		w, c := want[name], r.Coefficients[i]
		require.NoError(t, c.Err)
		for what, pair := range map[string][2]float64{"icc": {w.ICC, c.Value}, "F": {w.F, c.Test.F}, "df1": {w.DF1, c.Test.DF1}, "df2": {w.DF2, c.Test.DF2}, "p": {w.P, c.Test.P},
			"lower": {w.Lower, c.Interval.Lower}, "upper": {w.Upper, c.Interval.Upper}} {
			near(t, pair[0], pair[1], closed, name, what)
		}
	}
}

func readIncomplete(t testing.TB) *agreement.Table {
	f := readCSV(t, "testdata/incomplete.csv")
	clip, judge, value := column(t, f, "clip"), column(t, f, "judge"), column(t, f, "value")
	var list []agreement.Rating
	for r := range f.Rows() {
		list = append(list, agreement.Rating{Clip: clip.Label(r), Judge: judge.Label(r), Value: value.Values[r]})
	}
	return table(t, list)
}

// 60 clips with 2 to 4 of 9 judges each, by lme4 1.1-31.
func TestIncompleteICCAsInLme4(t *testing.T) {
	w := readReference(t).Incomplete
	r, err := agreement.IncompleteICCOf(context.Background(), readIncomplete(t), nil)
	require.NoError(t, err)
	near(t, w.K, r.K, closed)
	near(t, w.Q, r.Q, closed)
	near(t, w.Twoway["loglik"], r.LogLik, 1e-10)
	near(t, w.Twoway["mean"], r.Mean, estimated)
	for i, name := range []string{"clip", "judge", "Residual"} {
		near(t, w.Twoway[name], r.Variances[i].Variance, estimated, name)
	}
	for i, v := range []float64{w.ICC.V1, w.ICC.V2, w.ICC.V3, w.ICC.V1k, w.ICC.V2k, w.ICC.V3k, w.ICC.Gqk} {
		near(t, v, r.Coefficients[i].Value, estimated, r.Coefficients[i].Name)
	}
}

func checkComponents(t *testing.T, want map[string]float64, names map[string]string, got []agreement.Component) {
	t.Helper()
	for _, c := range got {
		name := names[c.Name]
		if name == "" {
			name = c.Name
		}
		w, ok := want[name]
		require.True(t, ok, c.Name)
		assert.InDelta(t, w, c.Variance, estimated, c.Name) // lme4 finds small variances to about six digits
	}
}

func readMoments(t testing.TB) (list []agreement.Moment) {
	f := readCSV(t, "testdata/segments.csv")
	couple, judge, segment, value := column(t, f, "couple"), column(t, f, "judge"), column(t, f, "segment"), column(t, f, "value")
	for r := range f.Rows() {
		list = append(list, agreement.Moment{Couple: couple.Label(r), Judge: judge.Label(r), Segment: segment.Label(r), Value: value.Values[r]})
	}
	return list
}

// 25 couples x 4 judges x 6 segments with a tenth missing, by lme4 1.1-31.
func TestGeneralisabilityAsInLme4(t *testing.T) {
	w := readReference(t)
	names := map[string]string{"couple x judge": "couple:judge", "couple x segment": "couple:segment", "segment within couple": "couple:segment", "judge x segment": "judge:segment", "residual": "Residual"}
	for layout, want := range map[agreement.Layout]map[string]float64{agreement.Crossed: w.Crossed, agreement.Nested: w.Nested} {
		g, err := agreement.Generalise(context.Background(), readMoments(t), layout, nil)
		require.NoError(t, err)
		near(t, want["loglik"], g.LogLik, 1e-10)
		near(t, want["mean"], g.Mean, estimated)
		checkComponents(t, want, names, g.Components)
	}
}

func readDiary(t testing.TB) (list []agreement.Answer) {
	f := readCSV(t, "testdata/diary.csv")
	person, day := column(t, f, "person"), column(t, f, "day")
	for _, item := range []string{"i1", "i2", "i3", "i4"} {
		for r := range f.Rows() {
			list = append(list, agreement.Answer{Person: person.Label(r), Day: day.Label(r), Item: item, Value: column(t, f, item).Values[r]})
		}
	}
	return list
}

// 40 persons with 5 to 10 days and 4 items, by lme4 1.1-31 and the formulas of psych's mlr.
func TestDiaryReliabilityAsInLme4(t *testing.T) {
	w := readReference(t).Diary
	names := map[string]string{"person x day": "person:day", "person x item": "person:item", "day x item": "day:item", "day within person": "person:day", "residual": "Residual"}
	r, err := agreement.Diary(context.Background(), readDiary(t), agreement.Crossed, nil)
	require.NoError(t, err)
	near(t, w.Days, r.K, closed)
	checkComponents(t, w.Crossed, names, r.Components)
	for i, v := range []float64{w.R1f, w.Rkf, w.R1r, w.Rkr, w.Rc} {
		near(t, v, r.Coefficients[i].Value, estimated, r.Coefficients[i].Name)
	}
	r, err = agreement.Diary(context.Background(), readDiary(t), agreement.Nested, nil)
	require.NoError(t, err)
	checkComponents(t, w.Nested, names, r.Components)
	near(t, w.Rkrn, r.Coefficients[0].Value, estimated)
	near(t, w.Rcn, r.Coefficients[1].Value, estimated)
}

// Two judges of 60 clips: kappa by psych 2.2.9 and vcd 1.4-11. psych gives weighted kappa an interval of no width; vcd the large-sample error.
func TestKappaAsInPsychAndVcd(t *testing.T) {
	var psych struct {
		Kappa     float64
		Quadratic float64 `json:"weighted_kappa_quadratic"`
		Confid    [][]float64
	}
	readJSON(t, "testdata/kappa_two_judges.json", &psych)
	tab := wide(t, readCSV(t, "testdata/two_judges_ordinal.csv"), "a", "b")
	for _, w := range []agreement.Weights{agreement.Unweighted, agreement.Linear, agreement.Quadratic} {
		want := readReference(t).Kappa[w.Name]
		k, err := agreement.CohenKappa(tab, 0, 1, w, 0)
		require.NoError(t, err)
		near(t, want.Kappa, k.Value, closed, w.Name)
		near(t, want.SE, k.SE, closed, w.Name)
		switch w.Name {
		case "unweighted":
			near(t, psych.Kappa, k.Value, closed)
			near(t, psych.Confid[0][0], k.Interval.Lower, closed)
			near(t, psych.Confid[0][2], k.Interval.Upper, closed)
		case "quadratic":
			near(t, psych.Quadratic, k.Value, closed)
		}
	}
}

func readItems(t testing.TB, path string, m agreement.Missing, names ...string) *agreement.Items {
	t.Helper()
	f := readCSV(t, path)
	rows := make([][]float64, f.Rows())
	for _, n := range names {
		c := column(t, f, n)
		for r := range rows {
			rows[r] = append(rows[r], c.Values[r])
		}
	}
	it, err := agreement.NewItems(names, rows, m)
	require.NoError(t, err)
	return it
}

// Six items of 150 persons, by psych 2.2.9 and lavaan 0.6-14.
func TestScaleReliabilityAsInPsychAndLavaan(t *testing.T) {
	w := readReference(t).Items
	it := readItems(t, "testdata/items.csv", agreement.Listwise, "q1", "q2", "q3", "q4", "q5", "q6")
	c, err := agreement.CronbachAlpha(it, 0)
	require.NoError(t, err)
	near(t, w.Alpha, c.Alpha, closed)
	near(t, w.StdAlpha, *c.Standardised, closed)
	near(t, w.Feldt[0], c.Interval.Lower, closed)
	near(t, w.Feldt[1], c.Interval.Upper, closed)
	for i, item := range c.ByItem {
		near(t, w.Dropped[i], *item.Without, closed, item.Name)
		near(t, w.Rest[i], *item.Rest, closed, item.Name)
	}
	f := readCSV(t, "testdata/items.csv") // psych halves the correlations
	rows := make([][]float64, f.Rows())
	for _, n := range it.Names {
		x := column(t, f, n).Values
		mean, sd := stat.MeanStdDev(x, nil)
		for r := range rows {
			rows[r] = append(rows[r], (x[r]-mean)/sd)
		}
	}
	z, err := agreement.NewItems(it.Names, rows, agreement.Listwise)
	require.NoError(t, err)
	s, err := agreement.SplitHalf(z, 0)
	require.NoError(t, err)
	assert.Equal(t, 10, s.Splits)
	near(t, w.MaxSplit, s.Max, closed)
	near(t, w.MinSplit, s.Min, closed)
	o, err := agreement.Omega(it, 0)
	require.NoError(t, err)
	near(t, w.Omega, o.Omega, estimated)
	near(t, w.SE, *o.SE, estimated)
	near(t, w.Chisq, o.ChiSquare, estimated)
	assert.Equal(t, w.DF, o.DF)
	assert.Empty(t, o.Heywood)
	for i, item := range o.Items {
		near(t, w.Loadings[i], item.Loading, 1e-5, item.Name) // where lavaan's own search stops
		near(t, w.Residuals[i], item.Residual, 1e-5, item.Name)
	}
}

// Five satisfaction items of 118 persons; the data may not be copied into the project.
func TestSatisfactionItemsAsInPsychAndLavaan(t *testing.T) {
	if _, err := os.Stat(shared); err != nil {
		t.Skip("the reference data are not beside this checkout; they may not be copied into the project")
	}
	var want struct {
		Items    []string
		Alpha    float64
		StdAlpha float64 `json:"std_alpha"`
	}
	readJSON(t, filepath.Join(shared, "results", "reliability_satisfaction_items.json"), &want)
	it := readItems(t, filepath.Join(shared, "data", "commitment_items_wide.csv"), agreement.Pairwise, want.Items...)
	c, err := agreement.CronbachAlpha(it, 0)
	require.NoError(t, err)
	near(t, want.Alpha, c.Alpha, closed)
	near(t, want.StdAlpha, *c.Standardised, closed)
	var cfa struct {
		Omega float64 `json:"omega_total"`
	}
	readJSON(t, filepath.Join(shared, "results", "cfa_satisfaction_fiml.json"), &cfa)
	complete := readItems(t, filepath.Join(shared, "data", "commitment_items_wide.csv"), agreement.Listwise, want.Items...)
	o, err := agreement.Omega(complete, 0)
	require.NoError(t, err)
	assert.Equal(t, 1, complete.Incomplete)
	near(t, cfa.Omega, o.Omega, 2e-3) // lavaan took in the one person of 118 with a missing answer
}

// Two traces, the second 3 moments late, by R's stats::ccf.
func TestCrossCorrelationAsInR(t *testing.T) {
	w := readReference(t).CCF
	f := readCSV(t, "testdata/traces.csv")
	var list []agreement.Trace
	for _, name := range []string{"a", "b"} {
		c := column(t, f, name)
		tr := agreement.Trace{Judge: name, Values: c.Values}
		for i := range c.Values {
			tr.Time = append(tr.Time, float64(i)/2)
		}
		list = append(list, tr)
	}
	tr, err := agreement.AlignTraces(list, 0.5, agreement.LinearReading)
	require.NoError(t, err)
	a, err := agreement.AgreeTraces(context.Background(), tr, 5, &agreement.Bootstrap{Samples: 200, Seed: 1})
	require.NoError(t, err)
	require.Len(t, a.Pairs, 1)
	require.Len(t, a.Pairs[0].R, len(w.R))
	for i, r := range w.R {
		near(t, r, a.Pairs[0].R[i], closed, "lag %v", w.Lag[i])
	}
	assert.Equal(t, 1.5, a.Pairs[0].BestLag)
	for _, c := range a.Coefficients {
		require.NotNil(t, c.Interval)
		assert.Less(t, c.Interval.Lower, c.Value)
		assert.Greater(t, c.Interval.Upper, c.Value)
	}
}
