package agreement_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
