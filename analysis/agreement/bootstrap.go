package agreement

import (
	"context"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
)

// Resampling says where bootstrap samples come from.
type Resampling string

// Parametric draws clips, judges and residuals anew from the fitted variances: the only way in which the judges of a sample are others than those
// at hand, of whom there are too few to be drawn from. Clips draws clips (couples, persons) with replacement and keeps the judges: it needs no
// normal distribution, but its intervals are for these judges. Blocks draws stretches of traces.
const (
	Parametric Resampling = "parametric"
	Clips      Resampling = "clips"
	Blocks     Resampling = "blocks"
)

// Bootstrap steers bootstrap intervals. They are percentile intervals (Davison & Hinkley 1997, section 5.3.1).
type Bootstrap struct {
	Resampling Resampling // of variance components; empty means Parametric. Krippendorff's alpha always draws clips, traces blocks.
	Samples    int        // 0 means 1000
	Seed       uint64     // the same seed gives the same samples, whatever the number of workers
	Level      float64    // 0 means 0.95
	Workers    int        // 0 means one for each processor
}

// Resampled says what intervals stand on.
type Resampled struct {
	Resampling Resampling
	Samples    int // that gave an estimate
	Failed     int // that did not, and were left out
}

func (b Bootstrap) checked() (Bootstrap, error) {
	var err error
	if b.Level, err = checkLevel(b.Level); err != nil {
		return b, err
	}
	if b.Resampling == "" {
		b.Resampling = Parametric
	}
	if b.Samples == 0 {
		b.Samples = 1000
	}
	if b.Workers == 0 {
		b.Workers = runtime.GOMAXPROCS(0)
	}
	switch {
	case b.Resampling != Parametric && b.Resampling != Clips:
		return b, badInput("resampling", "is %q; expected parametric or clips", b.Resampling)
	case b.Samples < 20 || b.Samples > 1_000_000:
		return b, badInput("samples", "is %d; expected 20 to 1000000", b.Samples)
	case b.Workers < 1:
		return b, badInput("workers", "is %d; expected 1 or more", b.Workers)
	}
	return b, nil
}

// run draws samples in parallel. Each worker gets a drawer of its own, which returns the estimates from one sample, or nil if there are none. The
// intervals of the estimates are nil if more than half of the samples have none; a single estimate that is NaN in a sample does not count there.
func (b Bootstrap) run(ctx context.Context, drawer func() func(*rand.Rand) []float64) ([]*Interval, Resampled, error) {
	samples := make([][]float64, b.Samples)
	var mu sync.Mutex
	next := 0
	take := func() (int, bool) {
		mu.Lock()
		defer mu.Unlock()
		next++
		return next - 1, next <= b.Samples && ctx.Err() == nil
	}
	var workers sync.WaitGroup
	for range min(b.Workers, b.Samples) {
		workers.Go(func() {
			draw := drawer()
			for i, ok := take(); ok; i, ok = take() {
				samples[i] = draw(rand.New(rand.NewPCG(b.Seed, uint64(i))))
			}
		})
	}
	workers.Wait()
	if err := ctx.Err(); err != nil {
		return nil, Resampled{}, err
	}
	samples = slices.DeleteFunc(samples, func(s []float64) bool { return s == nil })
	r := Resampled{Resampling: b.Resampling, Samples: len(samples), Failed: b.Samples - len(samples)}
	if r.Failed > b.Samples/2 {
		return nil, r, nil
	}
	intervals := make([]*Interval, len(samples[0]))
	for c := range intervals {
		var x []float64
		for _, s := range samples {
			if !math.IsNaN(s[c]) {
				x = append(x, s[c])
			}
		}
		if len(x) <= b.Samples/2 {
			continue
		}
		slices.Sort(x)
		intervals[c] = &Interval{Lower: quantile(x, (1-b.Level)/2), Upper: quantile(x, (1+b.Level)/2), Level: b.Level}
	}
	return intervals, r, nil
}

// quantile interpolates between order statistics: definition 7 of Hyndman & Fan (1996).
func quantile(sorted []float64, p float64) float64 {
	h := p * float64(len(sorted)-1)
	i := min(int(h), len(sorted)-2)
	if i < 0 {
		return sorted[0]
	}
	return sorted[i] + (h-float64(i))*(sorted[i+1]-sorted[i])
}
