package apim_test

import (
	"context"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/analysis/apim"
	"asem/analysis/frame"
)

// measured makes a growth study in which true responsiveness x acts on slopes, and w = x + e is what judges' means say of it.
func measured(couples int, reliability, alike float64, rng *rand.Rand) *frame.Frame {
	var couple, role []string
	var time, w, y []float64
	noise := math.Sqrt((1 - reliability) / reliability)
	for c := range couples {
		shared := rng.NormFloat64()
		var x [2]float64
		for k := range x {
			x[k] = 4 + math.Sqrt(alike)*shared + math.Sqrt(1-alike)*rng.NormFloat64()
		}
		for k, label := range []string{"man", "woman"} {
			seen, level, slope := x[k]+noise*rng.NormFloat64(), rng.NormFloat64(), 0.1*rng.NormFloat64()
			for t := range 3 {
				couple, role, time = append(couple, strconv.Itoa(c)), append(role, label), append(time, float64(t))
				w = append(w, seen)
				y = append(y, 3+level+float64(t)*(slope-0.10*(x[k]-4)-0.30*(x[1-k]-4))+0.3*rng.NormFloat64())
			}
		}
	}
	f, err := frame.New(frame.Categorical("couple", couple), frame.Categorical("role", role), frame.Numeric("time", time), frame.Numeric("w", w), frame.Numeric("y", y))
	if err != nil {
		panic(err)
	}
	return f
}

func slopes(t *testing.T, f *frame.Frame, reliability map[string]float64) map[apim.Path]apim.Effect {
	t.Helper()
	r, err := apim.Fit(context.Background(), f, apim.Spec{Kind: "growth", Outcome: "y", Couple: "couple", Role: "role", Time: "time", Predictors: []string{"w"}, Pooled: true, Reliability: reliability})
	require.NoError(t, err)
	require.NoError(t, r.Err())
	list := map[apim.Path]apim.Effect{}
	for _, e := range r.Effects {
		if e.On == "slope" {
			list[e.Path] = e
		}
	}
	return list
}

// With the reliability given, the effects are those of the true predictor; without it both are weakened, and a part of the stronger is taken for the weaker.
func TestEffectsOfWhatIsMeasuredWithError(t *testing.T) {
	const rel, alike = 0.6, 0.4
	f := measured(6000, rel, alike, rand.New(rand.NewPCG(3, 9)))
	naive, right := slopes(t, f, nil), slopes(t, f, map[string]float64{"w": rel})
	// What the naive effects come to: B'(actor, partner) with B = S_x S_w^-1.
	own, other := 1/rel, alike
	det := own*own - other*other
	b, c := (own-other*other)/det, (other*own-other)/det
	for path, want := range map[apim.Path][2]float64{apim.Actor: {-0.10*b - 0.30*c, -0.10}, apim.Partner: {-0.10*c - 0.30*b, -0.30}} {
		assert.InDelta(t, want[0], naive[path].Parameter.Estimate, 4*naive[path].Parameter.SE, "%s, as measured", path)
		assert.InDelta(t, want[1], right[path].Parameter.Estimate, 4*right[path].Parameter.SE, "%s, put right", path)
		assert.Less(t, right[path].Parameter.SE, 0.01)
	}
	assert.Greater(t, math.Abs(naive[apim.Partner].Parameter.Estimate+0.30), 8*naive[apim.Partner].Parameter.SE, "otherwise there was nothing to put right")
	perfect := slopes(t, f, map[string]float64{"w": 1})
	assert.InDelta(t, naive[apim.Actor].Parameter.Estimate, perfect[apim.Actor].Parameter.Estimate, 1e-9, "a reliability of 1 changes nothing")
}

func TestReliabilitiesThatCannotBe(t *testing.T) {
	f := measured(200, 0.9, 0.6, rand.New(rand.NewPCG(1, 1)))
	for says, r := range map[string]map[string]float64{
		`names "v", which is not one of the predictors; they are w`: {"v": 0.5},
		"is 0; expected more than 0":                                {"w": 0},
		"is NaN":                                                    {"w": math.NaN()},
		"too low to be true: partners correlate":                    {"w": 0.3},
	} {
		_, _, err := apim.Compile(f, apim.Spec{Kind: "growth", Outcome: "y", Couple: "couple", Role: "role", Time: "time", Predictors: []string{"w"}, Reliability: r})
		assert.ErrorContains(t, err, says)
	}
	short, err := frame.New(frame.Categorical("couple", []string{"1", "1"}), frame.Categorical("role", []string{"a", "b"}), frame.Numeric("time", []float64{0, 0}), frame.Numeric("w", []float64{1, 2}), frame.Numeric("y", []float64{1, 2}))
	require.NoError(t, err)
	_, _, err = apim.Compile(short, apim.Spec{Kind: "growth", Outcome: "y", Couple: "couple", Role: "role", Time: "time", Predictors: []string{"w"}, Reliability: map[string]float64{"w": 0.5}})
	assert.ErrorContains(t, err, "has 1 values; expected at least two")
}
