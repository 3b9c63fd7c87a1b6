package agreement

import (
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
)

// Missing says what to do with persons who did not answer all items.
type Missing string

// Listwise leaves such persons out. Pairwise takes each covariance from all persons who answered both items.
const (
	Listwise Missing = "listwise"
	Pairwise Missing = "pairwise"
)

// Items holds persons' answers to the items of a scale, all of them keyed in the same direction.
type Items struct {
	Names      []string
	Incomplete int // persons with a missing answer

	missing Missing
	persons int           // smallest number that a covariance stands on
	cov     *mat.SymDense // items x items, of answers spanned to ±1
	half    float64
	means   []float64
}

// NewItems takes one row for each person, with an answer to each item; NaN is missing. Rows of another length, numbers out of range and names that
// stand twice are [*InputError]s. Fewer than two items or persons, or an item that all answer alike, are [ErrNotEstimable].
func NewItems(names []string, rows [][]float64, m Missing) (*Items, error) {
	const what = "the reliability of a scale"
	k := len(names)
	it := &Items{Names: names, missing: m}
	if m != Listwise && m != Pairwise {
		return nil, badInput("missing", "is %q; expected listwise or pairwise", m)
	}
	seen := map[string]bool{}
	for _, n := range names {
		if seen[n] {
			return nil, badInput(fmt.Sprintf("item %q", n), "stands twice")
		}
		seen[n] = true
	}
	var flat, there []float64
	for r, row := range rows {
		if len(row) != k {
			return nil, badInput(fmt.Sprintf("row %d", r+1), "has %d answers to %d items", len(row), k)
		}
		complete := true
		for c, v := range row {
			if math.Abs(v) > maxValue {
				return nil, badInput(fmt.Sprintf("row %d, item %q", r+1, names[c]), "is %v; expected a number within ±%v", v, maxValue)
			}
			complete = complete && !math.IsNaN(v)
		}
		if !complete {
			it.Incomplete++
			if m == Listwise {
				continue
			}
		}
		flat = append(flat, row...)
	}
	if k < 2 {
		return nil, notEstimable(what, "there are %d items; at least two are needed", k)
	}
	for _, v := range flat {
		if !math.IsNaN(v) {
			there = append(there, v)
		}
	}
	if len(there) == 0 {
		return nil, notEstimable(what, "nobody answered all items")
	}
	z, half := spanned(there)
	if half == 0 {
		return nil, notEstimable(what, "all answers are equal")
	}
	it.half = half
	mid := there[0] - half*z[0]
	columns := make([][]float64, k)
	for i, v := range flat {
		if !math.IsNaN(v) {
			v, z = z[0], z[1:]
		}
		columns[i%k] = append(columns[i%k], v)
	}
	it.cov, it.persons = mat.NewSymDense(k, nil), len(flat)/k
	for i := range k {
		for j := range i + 1 {
			var x, y []float64
			for r, v := range columns[i] {
				if w := columns[j][r]; !math.IsNaN(v) && !math.IsNaN(w) {
					x, y = append(x, v), append(y, w)
				}
			}
			if len(x) < 2 {
				return nil, notEstimable(what, "%d persons answered both item %s and item %s; at least two are needed", len(x), names[j], names[i])
			}
			it.persons = min(it.persons, len(x))
			it.cov.SetSym(i, j, stat.Covariance(x, y, nil))
			if i == j {
				it.means = append(it.means, mid+half*stat.Mean(x, nil))
				if lo, hi := slices.Min(x), slices.Max(x); lo == hi || it.cov.At(i, i) == 0 {
					return nil, notEstimable(what, "all answers to item %s are equal", names[i])
				}
			}
		}
	}
	return it, nil
}

// Persons returns how many persons answered all items or, pairwise, those two that the fewest answered.
func (it *Items) Persons() int { return it.persons }

// sum returns the sum of the covariances of the items of one set with those of another, given as bits.
func (it *Items) sum(in func(int) bool, with func(int) bool) float64 {
	s := 0.0
	for i := range it.Names {
		if !in(i) {
			continue
		}
		for j := range it.Names {
			if with(j) {
				s += it.cov.At(i, j)
			}
		}
	}
	return s
}

func everything(int) bool { return true }

// Cronbach is alpha and what it is made of.
type Cronbach struct {
	Persons, Items int
	Alpha          float64   // at most 1; below 0 where items go against each other
	Interval       *Interval // exact for items that are parallel and normal
	Standardised   *float64  // of items divided by their SD; nil if the sum of these does not vary
	MeanR          float64   // mean correlation of two items
	ByItem         []ItemFit
}

// ItemFit says how an item fits the others.
type ItemFit struct {
	Name     string
	Mean, SD float64
	Rest     *float64 // correlation with the sum of the others; nil if that does not vary
	Without  *float64 // alpha of the others; nil if they are one only, or their sum does not vary
}

// CronbachAlpha returns alpha (Cronbach 1951, Psychometrika 16, 297-334) with the interval of Feldt (1965, Psychometrika 30, 357-370). It equals
// ICC(3,k) with the items as judges. The level is 0.95 if 0.
func CronbachAlpha(it *Items, level float64) (*Cronbach, error) {
	level, err := checkLevel(level)
	if err != nil {
		return nil, err
	}
	k := len(it.Names)
	alpha, ok := it.alpha(everything)
	if !ok {
		return nil, notEstimable("Cronbach's alpha", "the sum of the items does not vary")
	}
	c := &Cronbach{Persons: it.persons, Items: k, Alpha: alpha}
	n := float64(it.persons)
	df := [2]float64{n - 1, (n - 1) * float64(k-1)}
	_, limits := ratioLimits(1/(1-alpha), df, float64(k), level)
	limits.Level = level
	c.Interval = &limits
	pairs := 0.0
	for i := range k {
		for j := range i {
			c.MeanR += it.correlation(i, j)
			pairs++
		}
	}
	c.MeanR /= pairs
	if d := 1 + float64(k-1)*c.MeanR; d > 1e-12 {
		c.Standardised = known(float64(k) * c.MeanR / d)
	}
	for i, name := range it.Names {
		others := func(j int) bool { return j != i }
		this := func(j int) bool { return j == i }
		f := ItemFit{Name: name, Mean: it.means[i], SD: math.Sqrt(it.cov.At(i, i)) * it.half}
		if rest := it.sum(others, others); rest > rounding {
			f.Rest = known(it.sum(this, others) / math.Sqrt(it.cov.At(i, i)*rest))
		}
		if a, ok := it.alpha(others); ok && k > 2 {
			f.Without = known(a)
		}
		c.ByItem = append(c.ByItem, f)
	}
	return c, nil
}

func (it *Items) correlation(i, j int) float64 {
	return it.cov.At(i, j) / math.Sqrt(it.cov.At(i, i)*it.cov.At(j, j))
}

// alpha returns Cronbach's alpha of some items, and whether their sum varies.
func (it *Items) alpha(in func(int) bool) (float64, bool) {
	own, k := 0.0, 0.0
	for i := range it.Names {
		if in(i) {
			own += it.cov.At(i, i)
			k++
		}
	}
	total := it.sum(in, in)
	if !(total > 1e-12*own) {
		return 0, false
	}
	return k / (k - 1) * (1 - own/total), true
}

// Split is the reliability of a scale by its halves.
type Split struct {
	First, Second []string // the items of each half
	R             float64  // correlation of the halves
	SpearmanBrown float64  // of the whole scale, for halves alike
	Guttman       float64  // Guttman's lambda 4, for halves that differ in variance
	// Over all ways to halve the scale, or over Splits of them drawn at random: the largest, mean and smallest lambda 4.
	Max, Mean, Min float64
	Splits         int
	All            bool
}

const maxSplits = 2_000

// SplitHalf returns the reliability of a scale by the halves of its items in odd and in even places (Spearman 1910; Brown 1910; Guttman 1945), and how it
// depends on the way the scale is halved. Scales of more than 14 items are halved 2,000 times at random, from a seed. The mean over all halves of an even number of
// items is alpha.
func SplitHalf(it *Items, seed uint64) (*Split, error) {
	const what = "split-half reliability"
	k := len(it.Names)
	s := &Split{}
	odd := func(i int) bool { return i%2 == 0 }
	even := func(i int) bool { return i%2 == 1 }
	for i, n := range it.Names {
		if odd(i) {
			s.First = append(s.First, n)
		} else {
			s.Second = append(s.Second, n)
		}
	}
	total := it.sum(everything, everything)
	own := 0.0
	for i := range k {
		own += it.cov.At(i, i)
	}
	a, b, ab := it.sum(odd, odd), it.sum(even, even), it.sum(odd, even)
	switch {
	case !(total > 1e-12*own):
		return nil, notEstimable(what, "the sum of the items does not vary")
	case !(min(a, b) > 1e-12*own):
		return nil, notEstimable(what, "the sum of one half of the items does not vary")
	}
	s.R = ab / math.Sqrt(a*b)
	s.SpearmanBrown = spearmanBrown(s.R, 2)
	s.Guttman = 4 * ab / total
	s.Min, s.Max = math.Inf(1), math.Inf(-1)
	take := func(in func(int) bool) {
		l := 4 * it.sum(in, func(i int) bool { return !in(i) }) / total
		s.Min, s.Max, s.Mean, s.Splits = min(s.Min, l), max(s.Max, l), s.Mean+l, s.Splits+1
	}
	if k <= 14 { // at most 3,432 ways
		for set := range uint(1) << k {
			if bits.OnesCount(set) == k/2 && (k%2 == 1 || set&1 == 1) { // of even ones each half once
				take(func(i int) bool { return set&(1<<i) != 0 })
			}
		}
		s.All = true
	} else {
		rng := rand.New(rand.NewPCG(seed, 0))
		for range maxSplits {
			half := make([]bool, k)
			for _, i := range rng.Perm(k)[:k/2] {
				half[i] = true
			}
			take(func(i int) bool { return half[i] })
		}
	}
	s.Mean /= float64(s.Splits)
	return s, nil
}
