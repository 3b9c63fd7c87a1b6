package agreement

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Weights say how much two ratings agree that differ: 1 for full agreement, 0 for none. The zero Weights are those of unweighted kappa.
type Weights struct {
	Name string // unweighted, linear, quadratic or custom
	// of returns the weight of the categories a and b; the largest difference between categories that occur is span.
	of     func(a, b, span float64) float64
	custom map[[2]float64]float64
}

// The usual weights go by the values of the categories: for 1, 2, ... they are those of Cohen (1968). Categories that nobody used change nothing.
var (
	Unweighted = Weights{Name: "unweighted", of: func(a, b, _ float64) float64 {
		if a == b {
			return 1
		}
		return 0
	}}
	Linear    = Weights{Name: "linear", of: func(a, b, span float64) float64 { return 1 - math.Abs(a-b)/span }}
	Quadratic = Weights{Name: "quadratic", of: func(a, b, span float64) float64 { return 1 - square((a-b)/span) }}
)

// CustomWeights makes weights from a matrix: matrix[i][j] for a rating of categories[i] by the first judge and categories[j] by the second. Weights lie
// between 0 and 1, and are 1 on the diagonal.
func CustomWeights(categories []float64, matrix [][]float64) (Weights, error) {
	w := Weights{Name: "custom", custom: map[[2]float64]float64{}}
	if len(matrix) != len(categories) {
		return w, badInput("weights", "has %d rows for %d categories", len(matrix), len(categories))
	}
	for i, row := range matrix {
		if len(row) != len(categories) {
			return w, badInput(fmt.Sprintf("weights[%d]", i), "has %d columns for %d categories", len(row), len(categories))
		}
		for j, x := range row {
			switch {
			case !(x >= 0 && x <= 1):
				return w, badInput(fmt.Sprintf("weights[%d][%d]", i, j), "is %v; expected a number between 0 and 1", x)
			case i == j && x != 1:
				return w, badInput(fmt.Sprintf("weights[%d][%d]", i, j), "is %v; a category agrees with itself by 1", x)
			}
			key := [2]float64{categories[i], categories[j]}
			if _, twice := w.custom[key]; twice || math.IsNaN(categories[i]) {
				return w, badInput("categories", "have %v twice, or one that is no number", categories[i])
			}
			w.custom[key] = x
		}
	}
	return w, nil
}

// Kappa is agreement beyond chance.
type Kappa struct {
	Weights  string // of Cohen's kappa
	Judges   [2]string
	Clips    int // that count: rated by both judges, or for Fleiss' by all
	Value    float64
	Observed float64 // agreement, weighted
	Expected float64 // by chance
	SE       float64 // of a sample of clips
	NullSE   float64 // where there is no agreement beyond chance
	Z, P     float64 // of the test of that, two-sided
	Interval *Interval
}

// CohenKappa returns the agreement of two judges, by their numbers in the table, over the clips that both rated (Cohen 1960; weighted 1968). Standard
// errors are those for large samples of Fleiss, Cohen & Everitt (1969, Psychological Bulletin 72, 323-327). Values are categories; labels
// can be numbered. The level is 0.95 if 0. Judges without a clip in common, or of whom one uses one category only, are [ErrNotEstimable].
func CohenKappa(t *Table, a, b int, w Weights, level float64) (*Kappa, error) {
	const what = "Cohen's kappa"
	level, err := checkLevel(level)
	if err != nil {
		return nil, err
	}
	if a < 0 || b < 0 || a >= len(t.judges) || b >= len(t.judges) || a == b {
		if t.ratings == 0 || len(t.judges) < 2 {
			return nil, t.rated(what)
		}
		return nil, badInput("judges", "are %d and %d; expected two of 0 to %d", a, b, len(t.judges)-1)
	}
	var pairs [][2]float64
	for i := range t.clips {
		x, ok := t.At(i, a)
		y, both := t.At(i, b)
		if ok && both {
			pairs = append(pairs, [2]float64{x, y})
		}
	}
	if len(pairs) < 2 {
		return nil, notEstimable(what, "judges %s and %s have rated %d clips in common; at least two are needed", t.judges[a], t.judges[b], len(pairs))
	}
	for side, j := range []int{a, b} {
		if !slices.ContainsFunc(pairs, func(p [2]float64) bool { return p[side] != pairs[0][side] }) {
			return nil, notEstimable(what, "judge %s used one category only, so that whatever the other judge does is chance", t.judges[j])
		}
	}
	k, err := w.kappa(pairs)
	if err != nil {
		return nil, err
	}
	k.Judges = [2]string{t.judges[a], t.judges[b]}
	k.interval(level)
	return k, nil
}

func (w Weights) kappa(pairs [][2]float64) (*Kappa, error) {
	const what = "Cohen's kappa"
	var all []float64
	for _, p := range pairs {
		all = append(all, p[0], p[1])
	}
	if w.of == nil && w.custom == nil {
		w = Unweighted
	}
	categories := sortedSet(all)
	m := len(categories)
	span := categories[m-1] - categories[0]
	weight := make([]float64, m*m)
	for i, x := range categories {
		for j, y := range categories {
			if w.custom == nil {
				weight[i*m+j] = w.of(x, y, span)
				continue
			}
			v, ok := w.custom[[2]float64{x, y}]
			if !ok {
				return nil, badInput("weights", "have no category %v or %v, which occur", x, y)
			}
			weight[i*m+j] = v
		}
	}
	n := float64(len(pairs))
	joint, row, col := make([]float64, m*m), make([]float64, m), make([]float64, m)
	for _, p := range pairs {
		i, _ := slices.BinarySearch(categories, p[0])
		j, _ := slices.BinarySearch(categories, p[1])
		joint[i*m+j] += 1 / n
		row[i] += 1 / n
		col[j] += 1 / n
	}
	k := &Kappa{Weights: w.Name, Clips: len(pairs)}
	byRow, byCol := make([]float64, m), make([]float64, m) // mean weights of each category
	for i := range m {
		for j := range m {
			x := weight[i*m+j]
			k.Observed += x * joint[i*m+j]
			k.Expected += x * row[i] * col[j]
			byRow[i] += x * col[j]
			byCol[j] += x * row[i]
		}
	}
	if 1-k.Expected < 1e-12 {
		return nil, notEstimable(what, "chance alone makes the judges agree fully, as the weights count all categories that they used as one")
	}
	k.Value = (k.Observed - k.Expected) / (1 - k.Expected)
	var sample, null float64 // second moments where clips are a sample, and where judges are independent
	for i := range m {
		for j := range m {
			mean := byRow[i] + byCol[j]
			sample += joint[i*m+j] * square(weight[i*m+j]-mean*(1-k.Value))
			null += row[i] * col[j] * square(weight[i*m+j]-mean)
		}
	}
	scale := math.Sqrt(n) * (1 - k.Expected)
	k.SE = math.Sqrt(left(sample, square(k.Value-k.Expected*(1-k.Value)))) / scale
	k.NullSE = math.Sqrt(left(null, square(k.Expected))) / scale
	return k, nil
}

// left returns a - b, and 0 where only rounding is left.
func left(a, b float64) float64 {
	if d := a - b; d > 1e-14 {
		return d
	}
	return 0
}

// interval fills in what follows from estimate and standard errors.
func (k *Kappa) interval(level float64) {
	z := distuv.UnitNormal.Quantile((1 + level) / 2)
	k.Interval = &Interval{Lower: max(-1, k.Value-z*k.SE), Upper: min(1, k.Value+z*k.SE), Level: level}
	switch {
	case k.NullSE > 0:
		k.Z = k.Value / k.NullSE
	case k.Value != 0:
		k.Z = math.Copysign(math.Inf(1), k.Value)
	}
	k.P = 2 * distuv.UnitNormal.Survival(math.Abs(k.Z))
}

// sortedSet returns the distinct values in order.
func sortedSet(values []float64) []float64 {
	out := slices.Clone(values)
	slices.Sort(out)
	return slices.Compact(out)
}

// FleissKappa returns the agreement of any number of judges on categories, where every clip was rated by equally many, not necessarily the
// same ones (Fleiss 1971, Psychological Bulletin 76, 378-382). NullSE is that of Fleiss, Nee & Landis (1979), SE the large-sample one of the
// linearised coefficient over clips (Gwet 2008, Br. J. Math. Stat. Psychol. 61, 29-48). Clips that differ in their number of judges are
// [ErrNotEstimable]; Krippendorff's alpha takes them. The level is 0.95 if 0.
func FleissKappa(t *Table, level float64) (*Kappa, error) {
	const what = "Fleiss' kappa"
	level, err := checkLevel(level)
	if err != nil {
		return nil, err
	}
	if err := t.rated(what); err != nil {
		return nil, err
	}
	judges := len(t.rows[0])
	for i, row := range t.rows {
		switch {
		case len(row) != judges:
			return nil, notEstimable(what, "clip %s was rated by %d judges and clip %s by %d; use Krippendorff's alpha", t.clips[0], judges, t.clips[i], len(row))
		case len(row) < 2:
			return nil, notEstimable(what, "each clip was rated by one judge; at least two are needed")
		}
	}
	categories := sortedSet(t.values())
	if len(categories) == 1 {
		return nil, notEstimable(what, "all ratings are of one category, so that chance alone makes the judges agree")
	}
	n, r := float64(len(t.rows)), float64(judges)
	share := make([]float64, len(categories))
	agree := make([]float64, len(t.rows))
	counts := make([][]float64, len(t.rows))
	for i, row := range t.rows {
		counts[i] = make([]float64, len(categories))
		for _, c := range row {
			at, _ := slices.BinarySearch(categories, c.value)
			counts[i][at]++
			share[at] += 1 / (n * r)
		}
		for _, c := range counts[i] {
			agree[i] += c * (c - 1) / (r * (r - 1))
		}
	}
	k := &Kappa{Weights: Unweighted.Name, Clips: len(t.rows)}
	third := 0.0
	for _, p := range share {
		k.Expected += p * p
		third += p * p * p
	}
	for _, a := range agree {
		k.Observed += a / n
	}
	k.Value = (k.Observed - k.Expected) / (1 - k.Expected)
	pq := 1 - k.Expected // sum p(1-p)
	k.NullSE = math.Sqrt(max(0, 2*(square(pq)-(pq-2*(k.Expected-third)))/(n*r*(r-1)))) / pq
	sum := 0.0
	for i, a := range agree {
		chance := 0.0
		for c, p := range share {
			chance += p * counts[i][c] / r
		}
		own := (a-k.Expected)/(1-k.Expected) - 2*(1-k.Value)*(chance-k.Expected)/(1-k.Expected)
		sum += square(own - k.Value)
	}
	k.SE = math.Sqrt(sum / (n * (n - 1)))
	k.interval(level)
	return k, nil
}
