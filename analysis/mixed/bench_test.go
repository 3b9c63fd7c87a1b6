package mixed_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"asem/analysis/frame"
	"asem/analysis/mixed"
)

func growthModel(b *testing.B, couples int) *mixed.Model {
	m, err := mixed.New(growthFrame(b, simulateGrowth(1, couples, 4, 0.3)), growthOnly())
	require.NoError(b, err)
	return m
}

// BenchmarkLogLik evaluates likelihood and score once. It does not allocate.
func BenchmarkLogLik(b *testing.B) {
	for _, couples := range []int{150, 10_000} {
		b.Run(fmt.Sprint(couples), func(b *testing.B) {
			m := growthModel(b, couples)
			w, theta, score := m.NewWorkspace(), make([]float64, m.Params()), make([]float64, m.Params())
			for i := range theta {
				theta[i] = 0.1
			}
			b.ReportAllocs()
			for b.Loop() {
				m.LogLik(theta, score, w)
			}
		})
	}
}

// BenchmarkNew reads formulas, builds the design and sums up.
func BenchmarkNew(b *testing.B) {
	for _, couples := range []int{1000, 10_000} {
		b.Run(fmt.Sprint(couples), func(b *testing.B) {
			f := growthFrame(b, simulateGrowth(1, couples, 4, 0.3))
			b.ReportAllocs()
			for b.Loop() {
				_, err := mixed.New(f, growthOnly())
				require.NoError(b, err)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*couples), "ns/couple")
		})
	}
}

// BenchmarkFit maximises REML and makes the inference. Its time hardly depends on the number of couples.
func BenchmarkFit(b *testing.B) {
	for _, couples := range []int{150, 1000, 10_000, 100_000} {
		b.Run(fmt.Sprint(couples), func(b *testing.B) {
			m := growthModel(b, couples)
			for b.Loop() {
				r, err := m.Fit(context.Background())
				require.NoError(b, err)
				require.NoError(b, r.Err())
			}
		})
	}
}

// BenchmarkBootstrap draws and fits 1,000 cluster samples of 500 couples.
func BenchmarkBootstrap(b *testing.B) {
	r, err := growthModel(b, 500).Fit(context.Background())
	require.NoError(b, err)
	for b.Loop() {
		_, err := r.Bootstrap(context.Background(), mixed.BootstrapOptions{Samples: 1000, Seed: 1})
		require.NoError(b, err)
	}
}

// BenchmarkUpdate replaces one couple of 10,000 and fits anew, from the data to the inference.
func BenchmarkUpdate(b *testing.B) {
	rows := simulateGrowth(1, 10_000, 4, 0.3)
	frames := make([]*frame.Frame, 2)
	frames[0] = growthFrame(b, rows)
	for i := range rows {
		if rows[i].couple == "c5000" {
			rows[i].y++
		}
	}
	frames[1] = growthFrame(b, rows)
	m, err := mixed.New(frames[0], growthOnly())
	require.NoError(b, err)
	f, err := m.Fit(context.Background())
	require.NoError(b, err)
	i := 0
	for b.Loop() {
		i++
		m, err = m.Update(frames[i%2], "c5000")
		require.NoError(b, err)
		f, err = m.FitFrom(context.Background(), f)
		require.NoError(b, err)
		require.NoError(b, f.Err())
	}
}
