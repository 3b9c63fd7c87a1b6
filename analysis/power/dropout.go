package power

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/stat"
)

// leaving is the risk of leaving before each occasion, and what last outcomes are compared with.
type leaving struct {
	intercept []float64 // of the log odds before each occasion, from the second
	mean, sd  []float64 // of the outcomes on each occasion
}

// calibrate finds the intercepts with which the planned share has left by the end. For dropout at random they are found on a study of some hundred couples, weighted by
// their chance to be there still.
func (s *scheme) calibrate() (leaving, error) {
	d, waves := s.plan.Dropout, len(s.plan.Times)
	risk := 1 - math.Pow(1-d.Share, 1/float64(max(waves-1, 1)))
	l := leaving{intercept: make([]float64, waves), mean: make([]float64, waves), sd: make([]float64, waves)}
	for w := range waves {
		l.intercept[w], l.sd[w] = math.Log(risk/(1-risk)), 1
	}
	if d.Mechanism != MAR || d.Share == 0 {
		return l, nil
	}
	t, err := s.study(min(max(20_000/(2*waves), 200), 4000))
	if err != nil {
		return l, err
	}
	rng := rand.New(rand.NewPCG(s.plan.Seed, 2))
	p, err := t.recruit(rng)
	if err != nil {
		return l, t.refused(err)
	}
	y, _, err := t.outcomes(rng, p)
	if err != nil {
		return l, t.refused(err)
	}
	for w := range waves {
		var now []float64
		for c := range t.couples {
			now = append(now, y[(c*waves+w)*2], y[(c*waves+w)*2+1])
		}
		if l.mean[w], l.sd[w] = stat.MeanStdDev(now, nil); l.sd[w] == 0 {
			l.sd[w] = 1
		}
	}
	units := 2 * t.couples
	stays := make([]float64, units) // chance to be there still
	for i := range stays {
		stays[i] = 1
	}
	z := make([]float64, units)
	for w := 1; w < waves; w++ {
		total := 0.0
		for c := range t.couples {
			a, b := l.standard(y[(c*waves+w-1)*2], w-1), l.standard(y[(c*waves+w-1)*2+1], w-1)
			if !d.Persons {
				a, b = (a+b)/2, (a+b)/2
			}
			z[2*c], z[2*c+1] = a, b
			total += stays[2*c] + stays[2*c+1]
		}
		low, high := -60.0, 60.0
		for range 80 {
			l.intercept[w] = (low + high) / 2
			left := 0.0
			for i := range z {
				left += stays[i] * expit(l.intercept[w]+d.LogOdds*z[i])
			}
			if left > risk*total {
				high = l.intercept[w]
			} else {
				low = l.intercept[w]
			}
		}
		for i := range z {
			stays[i] *= 1 - expit(l.intercept[w]+d.LogOdds*z[i])
		}
	}
	return l, nil
}

func (l leaving) standard(y float64, w int) float64 { return (y - l.mean[w]) / l.sd[w] }

func expit(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// lose makes the outcomes missing that are not answered or come after somebody left. What dropout at random depends on are the last outcomes that were observed. It
// reports whether any is missing.
func (t *study) lose(rng *rand.Rand, y []float64) bool {
	p, waves := t.plan, len(t.plan.Times)
	if p.Missing == 0 && p.Dropout.Share == 0 {
		return false
	}
	lost := false
	for c := range t.couples {
		last := [2]float64{}
		var left [2]bool
		for w := range waves {
			if w > 0 && p.Dropout.Share > 0 {
				for k, a := range [2]float64{rng.Float64(), rng.Float64()} {
					z := last[k]
					if !p.Dropout.Persons {
						z = (last[0] + last[1]) / 2
					}
					left[k] = left[k] || a < expit(t.leave.intercept[w]+p.Dropout.LogOdds*z)
					if !p.Dropout.Persons {
						left[1] = left[0]
						break
					}
				}
			}
			for k := range left {
				r := (c*waves+w)*2 + k
				if left[k] || p.Missing > 0 && rng.Float64() < p.Missing {
					y[r], lost = math.NaN(), true
					continue
				}
				last[k] = t.leave.standard(y[r], w)
			}
		}
	}
	return lost
}
