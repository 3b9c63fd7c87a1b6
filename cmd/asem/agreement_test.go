package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/analysis/agreement"
	"asem/analysis/frame"
	"asem/projections"
)

const agreementData = "../../analysis/agreement/testdata"

func agreementJSONOf(t testing.TB, args ...string) (r agreementReport) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(must(t, append([]string{"agreement", "--json"}, args...)...)), &r))
	return r
}

// What the command prints is what the package computes.
func TestAgreementOfAFile(t *testing.T) {
	file := filepath.Join(agreementData, "incomplete.csv")
	r := agreementJSONOf(t, "--data", file, "--samples", "100", "--seed", "7")
	require.Len(t, r.Dimensions, 1)
	d := r.Dimensions[0]
	assert.False(t, d.Complete)
	assert.Empty(t, d.NotEstimable)
	assert.Len(t, r.Provenance.Data, 64)
	f, _, err := readData(file, nil)
	require.NoError(t, err)
	column := func(name string) frame.Column { c, _ := f.Column(name); return c }
	var ratings []agreement.Rating
	for i := range f.Rows() {
		ratings = append(ratings, agreement.Rating{Clip: column("clip").Label(i), Judge: column("judge").Label(i), Value: column("value").Values[i]})
	}
	table, err := agreement.NewTable(ratings)
	require.NoError(t, err)
	want, err := agreement.IncompleteICCOf(context.Background(), table, &agreement.Bootstrap{Samples: 100, Seed: 7})
	require.NoError(t, err)
	for i, c := range want.Coefficients {
		assert.Equal(t, c.Name, d.Coefficients[i].Name)
		assert.Equal(t, number(c.Value), d.Coefficients[i].Estimate)
		assert.Equal(t, number(c.Interval.Lower), *d.Coefficients[i].Lower)
	}
	assert.Equal(t, 6, d.Needed.Judges)
	out := must(t, "agreement", "--data", file, "--samples", "100")
	assert.Contains(t, out, "judges rated different clips")
	assert.Contains(t, out, "ICC(2,1)  ICC(A,1)     0.407")
	assert.Equal(t, out, must(t, "agreement", "--data", file, "--samples", "100"), "equal seeds, equal bytes")
	assert.NotEqual(t, out, must(t, "agreement", "--data", file, "--samples", "100", "--resample", "clips"))
}

func TestAgreementBySegmentsWeeksAndDimensions(t *testing.T) {
	r := agreementJSONOf(t, "--data", filepath.Join(agreementData, "segments.csv"), "--clip", "couple", "--segment", "segment", "--segments", "crossed", "--samples", "0")
	require.NotNil(t, r.Dimensions[0].GStudy)
	assert.Len(t, r.Dimensions[0].GStudy.Components, 7)
	assert.InDelta(t, 0.780, float64(r.Dimensions[0].GStudy.Components[0].Variance), 1e-3)
	assert.Nil(t, r.Dimensions[0].Coefficients[0].Lower, "no samples, no interval")

	var b strings.Builder
	b.WriteString("video,coder,rating,what,wk,gold\n")
	rng := rand.New(rand.NewPCG(3, 3))
	for week := 1; week <= 10; week++ {
		for c := range 6 {
			right := float64(1 + rng.IntN(7))
			for j, name := range []string{"ann", "bob", "cem"} {
				v := right + 0.4*rng.NormFloat64()
				if j == 1 && week > 5 {
					v += 1.5
				}
				fmt.Fprintf(&b, "v%d-%d,%s,%.2f,warmth,%d,%g\n", week, c, name, v, week, right)
				fmt.Fprintf(&b, "v%d-%d,%s,%d,presence,%d,\n", week, c, name, 1, week)
			}
		}
	}
	file := write(t, "ratings.csv", b.String())
	args := []string{"--data", file, "--clip", "video", "--judge", "coder", "--value", "rating", "--dimension", "what", "--week", "wk", "--criterion", "gold", "--baseline", "5", "--samples", "0"}
	r = agreementJSONOf(t, args...)
	require.Len(t, r.Dimensions, 2)
	assert.Equal(t, "presence", r.Dimensions[0].Dimension)
	assert.Empty(t, r.Dimensions[0].Coefficients)
	assert.Contains(t, strings.Join(r.Dimensions[0].NotEstimable, "\n"), "all ratings are equal")
	require.Len(t, r.Dimensions[1].Drift, 3)
	for _, c := range r.Dimensions[1].Drift {
		flagged := 0
		for _, w := range c.Weeks {
			flagged += min(1, len(w.Flags))
		}
		if c.Judge == "bob" {
			assert.GreaterOrEqual(t, flagged, 4)
		} else {
			assert.LessOrEqual(t, flagged, 1, c.Judge)
		}
	}
	assert.Contains(t, must(t, append([]string{"agreement"}, args...)...), "beyond limits")
}

func TestAgreementOnCategories(t *testing.T) {
	file := write(t, "codes.csv", "clip,judge,value\n1,a,calm\n1,b,calm\n2,a,tense\n2,b,calm\n3,a,tense\n3,b,tense\n4,a,calm\n4,b,\n")
	r := agreementJSONOf(t, "--data", file, "--metric", "nominal", "--samples", "0")
	names := []string{}
	for _, c := range r.Dimensions[0].Coefficients {
		names = append(names, c.Name)
	}
	assert.Equal(t, []string{"Cohen's kappa", "Krippendorff's alpha, nominal"}, names)
	assert.InDelta(t, 0.4, float64(r.Dimensions[0].Coefficients[0].Estimate), 1e-12)
	_, err, code := asem(t, "agreement", "--data", file)
	assert.Equal(t, 2, code)
	assert.Contains(t, err, "there is text in it; expected numbers, or --metric nominal")
}

func TestAgreementExitCodes(t *testing.T) {
	for _, c := range []struct {
		name, text string
		code       int
		want       string
	}{
		{"one judge", "clip,judge,value\n1,a,3\n2,a,4\n", 1, "there is only one judge"},
		{"ties", "clip,judge,value\n1,a,3\n1,b,3\n2,a,3\n2,b,3\n", 1, "all ratings are equal"},
		{"a rating twice", "clip,judge,value\n1,a,3\n1,a,4\n", 2, `the rating of clip "1" by judge "a" stands twice; expected one for each clip and judge; several dimensions need their column named with --dimension`},
		{"no judge", "clip,judge,value\n1,a,3\n1,,4\n", 2, `column "judge": row 2 has none`},
		{"no column", "clip,rater,value\n1,a,3\n", 2, "it has clip, rater, value. Name the right one with --judge"},
		{"not a table", "clip\"", 2, "quote"},
	} {
		_, err, code := asem(t, "agreement", "--data", write(t, "r.csv", c.text))
		assert.Equal(t, c.code, code, c.name)
		assert.Contains(t, err, c.want, c.name)
	}
	_, err, code := asem(t, "agreement")
	assert.Equal(t, 2, code)
	assert.Contains(t, err, "name a CSV file")
	_, err, code = asem(t, "agreement", "--data", filepath.Join(agreementData, "incomplete.csv"), "--level", "2")
	assert.Equal(t, 2, code)
	assert.Contains(t, err, "level is 2")
}

// A study's ratings agree as far as the same ratings in a file do.
func TestAgreementOfAStudy(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	must(t, "simulate", "--study", "SIM", "--couples", "12", "--separations", "0", "--data", data)
	study := agreementJSONOf(t, "--study", "SIM", "--data", data, "--samples", "50")
	require.Len(t, study.Dimensions, 3)
	assert.True(t, study.Provenance.Synthetic)
	require.NoError(t, storage{Data: data}.withExisting(context.Background(), func(h *house) error {
		v, err := h.read.View(context.Background(), projections.AsOf{})
		require.NoError(t, err)
		ratings, err := v.Ratings(context.Background(), "SIM")
		require.NoError(t, err)
		var b strings.Builder
		b.WriteString("clip,judge,value,dimension\n")
		for _, r := range ratings {
			fmt.Fprintf(&b, "%s/%s/%s,%s,%v,%s/%s\n", r.Couple, r.Clip, r.Target, r.Judge, r.Value, r.Scheme, r.Dimension)
		}
		file := agreementJSONOf(t, "--data", write(t, "ratings.csv", b.String()), "--dimension", "dimension", "--samples", "50")
		for i := range study.Dimensions {
			assert.Equal(t, file.Dimensions[i].Coefficients, study.Dimensions[i].Coefficients)
			assert.Len(t, study.Dimensions[i].Drift, 3)
		}
		return nil
	}))
	_, err, code := asem(t, "agreement", "--study", "NONE", "--data", data)
	assert.Equal(t, 2, code)
	assert.Contains(t, err, "NONE")
	assert.Contains(t, must(t, "agreement", "--study", "SIM", "--data", data, "--samples", "0"), "SYNTHETIC DATA")
}

func TestReliability(t *testing.T) {
	items := filepath.Join(agreementData, "items.csv")
	var r reliabilityReport
	require.NoError(t, json.Unmarshal([]byte(must(t, "reliability", "--json", "--data", items, "--columns", "q1,q2,q3,q4,q5,q6")), &r))
	assert.Equal(t, 150, r.Persons)
	assert.Equal(t, "0.817 0.842", fmt.Sprintf("%.3f %.3f", float64(r.Coefficients[0].Estimate), float64(r.Coefficients[2].Estimate)))
	assert.Len(t, r.ByItem, 6)
	assert.NotNil(t, r.ByItem[0].Loading)
	assert.True(t, r.SplitHalf.All)
	out := must(t, "reliability", "--data", filepath.Join(agreementData, "diary.csv"), "--columns", "i1,i2,i3,i4", "--person", "person", "--day", "day", "--samples", "40")
	assert.Contains(t, out, "RC     0.801")
	assert.Contains(t, out, "change within a person")

	for _, c := range []struct {
		args []string
		text string
		code int
		want string
	}{
		{[]string{"--columns", "a,b"}, "a,b\n1,2\n1,3\n", 1, "all answers to item a are equal"},
		{[]string{"--columns", "a,c"}, "a,b\n1,2\n1,3\n", 2, "it has a, b"},
		{[]string{"--columns", "a,b"}, "a,b\n1,x\n1,y\n", 2, `column "b": there is text in it`},
		{[]string{"--columns", "a,a"}, "a,b\n1,2\n2,3\n", 2, `item "a" stands twice`},
		{[]string{"--columns", "a,b", "--person", "a"}, "a,b\n1,2\n1,3\n", 2, "needs both --person and --day"},
	} {
		_, err, code := asem(t, append([]string{"reliability", "--data", write(t, "i.csv", c.text)}, c.args...)...)
		assert.Equal(t, c.code, code, c.want)
		assert.Contains(t, err, c.want)
	}
}

func TestAgreementOfTraces(t *testing.T) {
	f, _, err := readData(filepath.Join(agreementData, "traces.csv"), nil)
	require.NoError(t, err)
	var b strings.Builder
	b.WriteString("clip,judge,value,second\n")
	for _, judge := range []string{"b", "a"} {
		c, _ := f.Column(judge)
		for i, v := range c.Values {
			fmt.Fprintf(&b, "talk,%s,%v,%v\n", judge, v, float64(i)/2)
			if judge == "a" {
				fmt.Fprintf(&b, "alone,%s,%v,%v\n", judge, v, float64(i)/2)
			}
		}
	}
	file := write(t, "traces.csv", b.String())
	r := agreementJSONOf(t, "--data", file, "--time", "second", "--step", "0.5", "--samples", "40")
	require.Len(t, r.Dimensions[0].Traces, 1)
	assert.Equal(t, "talk", r.Dimensions[0].Traces[0].Clip)
	assert.Equal(t, number(1.5), r.Dimensions[0].Traces[0].Pairs[0].BestLag, "b comes three moments after a")
	assert.Contains(t, strings.Join(r.Dimensions[0].NotEstimable, "\n"), "clip alone: the agreement of traces is not estimable: there are 1 traces")
	assert.Contains(t, must(t, "agreement", "--data", file, "--time", "second", "--step", "0.5", "--samples", "0"), "1.5 s")
	_, text, code := asem(t, "agreement", "--data", file, "--time", "second", "--lag", "500")
	assert.Equal(t, 2, code)
	assert.Contains(t, text, "clip talk: lag is 500 s; expected 0 to")
	_, text, code = asem(t, "agreement", "--data", write(t, "one.csv", "clip,judge,value,second\n1,a,1,0\n1,a,2,1\n"), "--time", "second")
	assert.Equal(t, 1, code)
	assert.Contains(t, text, "at least two are needed")
	_, text, code = asem(t, "agreement", "--data", write(t, "twice.csv", "clip,judge,value,second\n1,a,1,0\n1,a,2,0\n1,b,2,0\n1,b,2,1\n"), "--time", "second")
	assert.Equal(t, 2, code)
	assert.Contains(t, text, "expected rising seconds")
}
