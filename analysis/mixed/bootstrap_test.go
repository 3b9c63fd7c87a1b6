package mixed_test

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/analysis/mixed"
)

// The parametric bootstrap draws from the fitted model, so its standard errors are those of the model; with the model
// right, as here, so are those of the cluster bootstrap. With 400 samples a standard error is known to 3.5 %, and 80
// couples make cluster ones vary by 10 %.
func TestBootstrapStandardErrors(t *testing.T) {
	f := growthFrame(t, simulateGrowth(31, 80, 4, 0))
	got := fit(t, f, growthSpec())
	for _, c := range []struct {
		kind mixed.Resampling
		tol  float64
	}{{mixed.Parametric, 0.15}, {mixed.Cluster, 0.35}} {
		b, err := got.Bootstrap(context.Background(), mixed.BootstrapOptions{Resampling: c.kind, Samples: 400, Seed: 5})
		require.NoError(t, err)
		assert.Equal(t, 400, b.Samples+b.Failed)
		assert.Less(t, b.Failed, 10)
		require.Len(t, b.Parameters, len(got.Parameters)+len(got.Components()))
		for i, p := range got.Parameters {
			s := b.Parameters[i]
			assert.Equal(t, p.Name, s.Name)
			assert.InEpsilon(t, p.SE, s.SE, c.tol, "%s, %s", c.kind, p.Name)
			assert.Less(t, math.Abs(s.Bias), 0.3*s.SE)
			assert.True(t, s.Lower < p.Estimate && p.Estimate < s.Upper)
		}
	}
}

// The samples depend on the seed alone: not on the workers, and each sample is where a full search finds it.
func TestBootstrapIsReproducible(t *testing.T) {
	got := fit(t, growthFrame(t, simulateGrowth(32, 30, 4, 0.2)), growthSpec())
	ctx := context.Background()
	one, err := got.Bootstrap(ctx, mixed.BootstrapOptions{Samples: 20, Seed: 9, Workers: 1})
	require.NoError(t, err)
	two, err := got.Bootstrap(ctx, mixed.BootstrapOptions{Samples: 20, Seed: 9, Workers: 3})
	require.NoError(t, err)
	assert.Equal(t, one, two)
	other, err := got.Bootstrap(ctx, mixed.BootstrapOptions{Samples: 20, Seed: 10})
	require.NoError(t, err)
	assert.NotEqual(t, one.Beta, other.Beta)
}

func TestBootstrapCanBeCancelledAndTellsItsProgress(t *testing.T) {
	got := fit(t, growthFrame(t, simulateGrowth(33, 30, 4, 0.2)), growthSpec())
	ctx, cancel := context.WithCancel(context.Background())
	last := 0
	_, err := got.Bootstrap(ctx, mixed.BootstrapOptions{Samples: 5000, Progress: func(done, of int) {
		assert.Equal(t, last+1, done)
		assert.Equal(t, 5000, of)
		if last = done; done == 5 {
			cancel()
		}
	}})
	assert.ErrorIs(t, err, context.Canceled)
	assert.Less(t, last, 20)
}

func TestBootstrapOptionsRefused(t *testing.T) {
	got := fit(t, growthFrame(t, simulateGrowth(34, 30, 4, 0.2)), growthSpec())
	for _, c := range []struct {
		o    mixed.BootstrapOptions
		want string
	}{
		{mixed.BootstrapOptions{Resampling: "wild"}, `bootstrap.resampling is "wild"; expected cluster or parametric`},
		{mixed.BootstrapOptions{Samples: 1}, "bootstrap.samples is 1; expected 2 or more"},
		{mixed.BootstrapOptions{Workers: -1}, "bootstrap.workers is -1"},
	} {
		_, err := got.Bootstrap(context.Background(), c.o)
		assert.ErrorContains(t, err, c.want)
	}
}
