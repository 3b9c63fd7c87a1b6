package agreement_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/analysis/agreement"
)

// grid makes ratings of clips (rows) by judges (columns). NaN is missing.
func grid(rows ...[]float64) (list []agreement.Rating) {
	for i, row := range rows {
		for j, v := range row {
			list = append(list, agreement.Rating{Clip: fmt.Sprint(i), Judge: fmt.Sprint(j), Value: v})
		}
	}
	return list
}

// What cannot be known is said with its reason, by every coefficient.
func TestNotEstimable(t *testing.T) {
	gap := math.NaN()
	all := []string{"complete", "incomplete", "alpha", "cohen", "fleiss"}
	for _, c := range []struct {
		name   string
		rows   [][]float64
		of     []string
		reason string
	}{
		{"nothing", nil, all, "there are no ratings"},
		{"all missing", [][]float64{{gap, gap}, {gap, gap}}, all, "there are no ratings"},
		{"one judge", [][]float64{{1}, {2}, {3}}, all, "only one judge"},
		{"one clip", [][]float64{{1, 2, 3}}, []string{"complete", "incomplete", "fleiss"}, "only one clip"},
		{"one clip", [][]float64{{1, 2, 3}}, []string{"cohen"}, "1 clips in common"},
		{"ties only", [][]float64{{3, 3}, {3, 3}, {3, 3}}, []string{"complete", "incomplete", "alpha"}, "all ratings are equal"},
		{"ties only", [][]float64{{3, 3}, {3, 3}, {3, 3}}, []string{"cohen"}, "one category only"},
		{"ties only", [][]float64{{3, 3}, {3, 3}, {3, 3}}, []string{"fleiss"}, "one category"},
		{"clips do not differ", [][]float64{{1, 2}, {2, 1}, {1, 2}}, []string{"complete"}, "same mean"},
		{"gaps", [][]float64{{1, 2}, {2, gap}, {1, 3}}, []string{"complete"}, "1 of 6 ratings are missing"},
		{"gaps", [][]float64{{1, 2}, {2, gap}, {1, 3}}, []string{"fleiss"}, "use Krippendorff's alpha"},
		{"each clip by one judge", [][]float64{{1, gap}, {2, gap}, {gap, 3}, {gap, 5}}, []string{"incomplete"}, "cannot tell the variances of clip and residual apart"},
		{"each clip by one judge", [][]float64{{1, gap}, {2, gap}, {gap, 3}, {gap, 5}}, []string{"alpha"}, "no clip was rated by two judges"},
		{"perfect but for bias", [][]float64{{1, 2}, {2, 3}, {5, 6}}, []string{"incomplete"}, "explain the ratings exactly"},
		{"one judge of one category", [][]float64{{1, 2}, {1, 3}, {1, 2}}, []string{"cohen"}, "judge 0 used one category only"},
	} {
		tab := table(t, grid(c.rows...))
		for _, of := range c.of {
			var err error
			switch of {
			case "complete":
				_, err = agreement.ICCOf(tab, 0)
			case "incomplete":
				_, err = agreement.IncompleteICCOf(context.Background(), tab, nil)
			case "alpha":
				_, err = agreement.Krippendorff(context.Background(), tab, agreement.NominalScale, nil)
			case "cohen":
				_, err = agreement.CohenKappa(tab, 0, 1, agreement.Unweighted, 0)
			case "fleiss":
				_, err = agreement.FleissKappa(tab, 0)
			}
			require.ErrorIs(t, err, agreement.ErrNotEstimable, "%s: %s", c.name, of)
			assert.ErrorContains(t, err, c.reason, "%s: %s", c.name, of)
		}
	}
	_, err := agreement.Krippendorff(context.Background(), table(t, grid([]float64{-1, 2}, []float64{1, 2})), agreement.RatioScale, nil)
	assert.ErrorContains(t, err, "ratings of 0 or more")
}

func TestPerfectAgreementIsOne(t *testing.T) {
	r, err := agreement.ICCOf(table(t, grid([]float64{0.1, 0.1, 0.1}, []float64{0.3, 0.3, 0.3}, []float64{0.7, 0.7, 0.7})), 0)
	require.NoError(t, err)
	for _, c := range r.Coefficients {
		assert.Equal(t, 1.0, c.Value, c.Name)
		assert.Equal(t, agreement.Interval{Lower: 1, Upper: 1, Level: 0.95}, *c.Interval, c.Name)
		assert.Zero(t, c.Test.P)
	}
	biased, err := agreement.ICCOf(table(t, grid([]float64{1, 2}, []float64{2, 3}, []float64{4, 5})), 0)
	require.NoError(t, err)
	assert.Equal(t, 1.0, biased.Coefficients[2].Value, "consistent")
	assert.Less(t, biased.Coefficients[1].Value, 1.0, "not in agreement")
	assert.False(t, math.IsNaN(biased.Coefficients[1].Interval.Lower))
}

func TestBadInput(t *testing.T) {
	for _, c := range []struct {
		list []agreement.Rating
		want string
	}{
		{[]agreement.Rating{{Clip: "a", Judge: "", Value: 1}}, "has no judge"},
		{[]agreement.Rating{{Clip: "", Judge: "j", Value: 1}}, "has no clip"},
		{[]agreement.Rating{{Clip: "a", Judge: "j", Value: math.Inf(1)}}, `the rating of clip "a" by judge "j" is +Inf`},
		{[]agreement.Rating{{Clip: "a", Judge: "j", Value: 1}, {Clip: "b", Judge: "j", Value: 1}, {Clip: "a", Judge: "j", Value: 2}}, "stands twice"},
	} {
		_, err := agreement.NewTable(c.list)
		var e *agreement.InputError
		require.ErrorAs(t, err, &e)
		assert.ErrorContains(t, err, c.want)
	}
	tab := table(t, grid([]float64{1, 2}, []float64{2, 2}))
	_, err := agreement.ICCOf(tab, 1.5)
	assert.ErrorContains(t, err, "level")
	_, err = agreement.Krippendorff(context.Background(), tab, "cardinal", nil)
	assert.ErrorContains(t, err, "metric")
	zero, err := agreement.CohenKappa(table(t, grid([]float64{1, 2}, []float64{2, 2}, []float64{1, 1})), 0, 1, agreement.Weights{}, 0)
	require.NoError(t, err)
	assert.Equal(t, "unweighted", zero.Weights)
	_, err = agreement.AgreeTraces(context.Background(), &agreement.Traces{Judges: []string{"a", "b"}, Step: 1, Values: [][]float64{{1, 2, 3}, {1, 2}}}, 0, nil)
	assert.ErrorContains(t, err, "of equal length")
	_, err = agreement.CohenKappa(tab, 0, 2, agreement.Unweighted, 0)
	assert.ErrorContains(t, err, "judges")
	_, err = agreement.IncompleteICCOf(context.Background(), table(t, grid([]float64{1, 2, 2}, []float64{2, 5, 3}, []float64{1, 1, 4})), &agreement.Bootstrap{Samples: 3})
	assert.ErrorContains(t, err, "samples")
	_, err = agreement.Generalise(context.Background(), []agreement.Moment{{Couple: "1", Judge: "a", Segment: "1", Value: 1}, {Couple: "1", Judge: "a", Segment: "1", Value: 2}}, agreement.Crossed, nil)
	assert.ErrorContains(t, err, "stands twice")
	_, err = agreement.NewItems([]string{"a", "b"}, [][]float64{{1}}, agreement.Listwise)
	assert.ErrorContains(t, err, "row 1 has 1 answers to 2 items")
}

func TestScalesNotEstimable(t *testing.T) {
	gap := math.NaN()
	for _, c := range []struct {
		names  []string
		rows   [][]float64
		reason string
	}{
		{[]string{"a"}, [][]float64{{1}, {2}}, "there are 1 items"},
		{[]string{"a", "b"}, nil, "nobody answered all items"},
		{[]string{"a", "b"}, [][]float64{{1, gap}, {gap, 2}}, "nobody answered all items"},
		{[]string{"a", "b"}, [][]float64{{1, 2}}, "answered both"},
		{[]string{"a", "b"}, [][]float64{{1, 2}, {1, 3}}, "all answers to item a are equal"},
	} {
		_, err := agreement.NewItems(c.names, c.rows, agreement.Listwise)
		require.ErrorIs(t, err, agreement.ErrNotEstimable)
		assert.ErrorContains(t, err, c.reason)
	}
	opposed, err := agreement.NewItems([]string{"a", "b"}, [][]float64{{1, 3}, {2, 2}, {3, 1}}, agreement.Listwise)
	require.NoError(t, err)
	_, err = agreement.CronbachAlpha(opposed, 0)
	assert.ErrorContains(t, err, "does not vary")
	_, err = agreement.SplitHalf(opposed, 0)
	assert.ErrorContains(t, err, "does not vary")
	_, err = agreement.Omega(opposed, 0)
	assert.ErrorContains(t, err, "needs three items")
	double, err := agreement.NewItems([]string{"a", "b", "c"}, [][]float64{{1, 1, 3}, {2, 2, 1}, {3, 3, 5}, {5, 5, 1}, {4, 4, 4}}, agreement.Listwise)
	require.NoError(t, err)
	_, err = agreement.Omega(double, 0)
	assert.ErrorContains(t, err, "follow from the others")
	_, err = agreement.Diary(context.Background(), []agreement.Answer{{Person: "1", Day: "1", Item: "a", Value: 1}, {Person: "2", Day: "1", Item: "a", Value: 2}}, agreement.Crossed, nil)
	assert.ErrorContains(t, err, "only one day")
	_, err = agreement.Generalise(context.Background(), []agreement.Moment{{Couple: "1", Judge: "a", Segment: "1", Value: 1}, {Couple: "2", Judge: "a", Segment: "1", Value: 2}, {Couple: "2", Judge: "a", Segment: "2", Value: 3}}, agreement.Crossed, nil)
	require.ErrorIs(t, err, agreement.ErrNotEstimable)
	assert.ErrorContains(t, err, "only one judge")
}

// noNaN fails on a number in a result that is no number, unless the part it is in says why.
func noNaN(t *testing.T, path string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Float64:
		if math.IsNaN(v.Float()) {
			t.Fatalf("%s is NaN", path)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			noNaN(t, path, v.Elem())
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			noNaN(t, fmt.Sprintf("%s[%d]", path, i), v.Index(i))
		}
	case reflect.Struct:
		if f := v.FieldByName("Err"); f.IsValid() && !f.IsNil() {
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				noNaN(t, path+"."+v.Type().Field(i).Name, v.Field(i))
			}
		}
	}
}

// Whatever a study holds, every estimator gives numbers or a reason.
func FuzzEstimators(f *testing.F) {
	f.Add([]byte{0, 0, 1, 0, 1, 2, 1, 0, 3, 1, 1, 4, 2, 0, 5, 2, 1, 1}, uint8(0))
	f.Add([]byte{0, 0, 1, 1, 1, 1, 2, 2, 1}, uint8(1))
	f.Add([]byte{0, 0, 255, 0, 1, 254, 1, 0, 253, 1, 1, 252, 2, 0, 9, 2, 1, 8, 3, 0, 9, 3, 2, 7}, uint8(2))
	f.Fuzz(func(t *testing.T, data []byte, kind uint8) {
		if len(data) > 120 {
			return
		}
		value := func(b byte) float64 {
			switch kind % 4 {
			case 1:
				return float64(b%3) * 1e-300
			case 2:
				return math.Copysign(math.Pow(10, float64(b%200)-100), float64(b%2)-0.5)
			case 3:
				if b%7 == 0 {
					return math.NaN()
				}
			}
			return float64(b % 5)
		}
		var ratings []agreement.Rating
		var coded []agreement.Coded
		var moments []agreement.Moment
		var answers []agreement.Answer
		seen := map[[3]byte]bool{}
		rows := map[byte][]float64{}
		var traces [3]agreement.Trace
		for i := 0; i+2 < len(data); i += 3 {
			a, b, v := data[i]%9, data[i+1]%5, value(data[i+2])
			c := data[i+1] / 5 % 3
			if !seen[[3]byte{a, b, 255}] {
				ratings = append(ratings, agreement.Rating{Clip: fmt.Sprint(a), Judge: fmt.Sprint(b), Value: v})
				coded = append(coded, agreement.Coded{Rating: ratings[len(ratings)-1], Week: int(c)})
			}
			if !seen[[3]byte{a, b, c}] {
				moments = append(moments, agreement.Moment{Couple: fmt.Sprint(a), Judge: fmt.Sprint(b), Segment: fmt.Sprint(c), Value: v})
				answers = append(answers, agreement.Answer{Person: fmt.Sprint(a), Day: fmt.Sprint(b), Item: fmt.Sprint(c), Value: v})
			}
			seen[[3]byte{a, b, 255}], seen[[3]byte{a, b, c}] = true, true
			rows[a] = append(rows[a], v)
			tr := &traces[c]
			tr.Judge, tr.Time, tr.Values = fmt.Sprint(c), append(tr.Time, float64(len(tr.Time))), append(tr.Values, v)
		}
		var items [][]float64
		for i := range byte(9) {
			if r := rows[i]; len(r) >= 3 {
				items = append(items, r[:3])
			}
		}
		ok := func(name string, result any, err error) bool {
			t.Helper()
			var bad *agreement.InputError
			if err != nil && !errors.Is(err, agreement.ErrNotEstimable) && !errors.As(err, &bad) {
				t.Fatalf("%s: %v", name, err)
			}
			if err == nil {
				noNaN(t, name, reflect.ValueOf(result))
			}
			return err == nil
		}
		ctx, boot := context.Background(), &agreement.Bootstrap{Samples: 20, Seed: uint64(kind), Workers: 1, Resampling: agreement.Parametric}
		if kind%2 == 1 {
			boot.Resampling = agreement.Clips
		}
		tab, err := agreement.NewTable(ratings)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range []agreement.Metric{agreement.NominalScale, agreement.OrdinalScale, agreement.IntervalScale, agreement.RatioScale} {
			a, err := agreement.Assess(ctx, tab, m, 0.9, boot)
			if ok("Assess "+string(m), a, err) {
				_ = a.Err()
				if single, err := a.Single(); err == nil {
					n, err := agreement.JudgesNeeded(single, 0.8)
					ok("JudgesNeeded", n, err)
				}
			}
		}
		incomplete, err := agreement.IncompleteICCOf(ctx, tab, nil)
		ok("IncompleteICCOf", incomplete, err)
		if len(tab.Judges()) > 1 {
			k, err := agreement.CohenKappa(tab, 0, 1, agreement.Linear, 0)
			ok("CohenKappa", k, err)
		}
		boot.Resampling = agreement.Parametric
		for _, layout := range []agreement.Layout{agreement.Crossed, agreement.Nested} {
			g, err := agreement.Generalise(ctx, moments, layout, boot)
			if ok("Generalise", g, err) {
				d, err := g.Decide(agreement.Plan{Judges: 2, Segments: 3})
				ok("Decide", d, err)
				n, err := g.SegmentsNeeded(0.7, agreement.Plan{Judges: 2, Segments: 1}, false)
				ok("SegmentsNeeded", n, err)
			}
			d, err := agreement.Diary(ctx, answers, layout, boot)
			ok("Diary", d, err)
		}
		charts, err := agreement.Drift(coded, agreement.DriftOptions{Baseline: int(kind % 3), Criterion: map[string]float64{"1": 2}})
		ok("Drift", charts, err)
		for _, missing := range []agreement.Missing{agreement.Listwise, agreement.Pairwise} {
			it, err := agreement.NewItems([]string{"a", "b", "c"}, items, missing)
			if ok("NewItems", it, err) {
				c, err := agreement.CronbachAlpha(it, 0)
				ok("CronbachAlpha", c, err)
				s, err := agreement.SplitHalf(it, 0)
				ok("SplitHalf", s, err)
				o, err := agreement.Omega(it, 0)
				ok("Omega", o, err)
			}
		}
		for i := range traces {
			traces[i].Judge = fmt.Sprint(i)
		}
		tr, err := agreement.AlignTraces(traces[:], 1, agreement.HeldReading)
		if err == nil {
			a, err := agreement.AgreeTraces(ctx, tr, 0, boot)
			ok("AgreeTraces", a, err)
		}
	})
}
