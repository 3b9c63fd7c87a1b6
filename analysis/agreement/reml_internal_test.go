package agreement

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
	"pgregory.net/rapid"
)

// drawSolver draws an incomplete design of three facets and outcomes for it.
func drawSolver(t *rapid.T) (*solver, []float64) {
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
	facets := []facet{{name: "a", levels: rapid.IntRange(2, 5).Draw(t, "a")}, {name: "b", levels: rapid.IntRange(2, 4).Draw(t, "b")}, {name: "c", levels: rapid.IntRange(2, 4).Draw(t, "c")}}
	var y []float64
	for a := range facets[0].levels {
		for b := range facets[1].levels {
			for c := range facets[2].levels {
				if r.Float64() < 0.2 {
					continue
				}
				for f, l := range []int{a, b, c} {
					facets[f].level = append(facets[f].level, int32(l))
				}
				y = append(y, 0.1+r.NormFloat64())
			}
		}
	}
	for f := range facets { // levels that nobody observed are none
		facets[f] = facet{facets[f].name, combine([]facet{facets[f], {name: "one", level: make([]int32, len(y)), levels: 1}}, effectSet(0, 1)).level, 0}
		for _, l := range facets[f].level {
			facets[f].levels = max(facets[f].levels, int(l)+1)
		}
	}
	effects := rapid.SampledFrom([][]uint{{effectSet(0)}, {effectSet(0), effectSet(1)}, layouts[Crossed], layouts[Nested], diaryEffects[Nested]}).Draw(t, "effects")
	s := newSolver(newDesign(facets, effects))
	s.load(y)
	return s, y
}

// The deviance is that of the model written out with an n x n covariance, and its gradient that of differences.
func TestDevianceByDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, outcomes := drawSolver(t)
		if s.n < 4 {
			return
		}
		theta := make([]float64, len(s.factors))
		for i := range theta {
			theta[i] = rapid.SampledFrom([]float64{0, 1e-3, 0.3, 1, 4}).Draw(t, "theta")
		}
		grad := make([]float64, len(theta))
		got := s.deviance(theta, grad)
		v := mat.NewSymDense(s.n, nil)
		for i := range s.n {
			for j := i; j < s.n; j++ {
				x := 0.0
				if i == j {
					x = 1
				}
				for f, fac := range s.factors {
					if fac.level[i] == fac.level[j] {
						x += theta[f] * theta[f]
					}
				}
				v.SetSym(i, j, x)
			}
		}
		var chol mat.Cholesky
		if !chol.Factorize(v) {
			t.Fatal("V is not positive definite")
		}
		y := mat.NewVecDense(s.n, outcomes)
		one := mat.NewVecDense(s.n, nil)
		for i := range s.n {
			one.SetVec(i, 1)
		}
		var v1, vy mat.VecDense
		if chol.SolveVecTo(&v1, one) != nil || chol.SolveVecTo(&vy, y) != nil {
			t.Fatal("V cannot be solved")
		}
		s11, s1y, syy := mat.Dot(one, &v1), mat.Dot(one, &vy), mat.Dot(y, &vy)
		want := chol.LogDet() + math.Log(s11) + float64(s.n-1)*math.Log(syy-s1y*s1y/s11)
		if math.Abs(want-got) > 1e-8*(1+math.Abs(want)) {
			t.Fatalf("%v by definition, %v", want, got)
		}
		for i := range theta {
			h := 1e-5 * (1 + math.Abs(theta[i]))
			up, down := append([]float64(nil), theta...), append([]float64(nil), theta...)
			up[i] += h
			down[i] -= h
			numeric := (s.deviance(up, nil) - s.deviance(down, nil)) / (2 * h)
			if math.Abs(numeric-grad[i]) > 1e-4*(1+math.Abs(numeric)) {
				t.Fatalf("d/d theta[%d] is %v by differences, %v", i, numeric, grad[i])
			}
		}
	})
}

// From wherever the search begins, it finds the same maximum.
func TestOneMaximumFromManyStarts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, _ := drawSolver(t)
		if s.n < 6 || s.identified("") != nil || s.exact() {
			return
		}
		best, ok := s.estimate()
		if !ok {
			t.Fatalf("no maximum from the usual start; %d rows", s.n)
		}
		for _, from := range []float64{0.1, 0.5, 3} {
			start := make([]float64, len(s.factors))
			for i := range start {
				start[i] = from / float64(1+i%2)
			}
			if other, ok := s.fit(start, false); ok && other.deviance < best.deviance-1e-4 {
				t.Fatalf("deviance %v with %v from the usual start, %v with %v from another", best.deviance, best.theta, other.deviance, other.theta)
			}
		}
	})
}
