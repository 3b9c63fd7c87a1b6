package agreement

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/mat"
)

// design is a model of ratings y with one mean and crossed random effects:
//
//	y = 1 mu + sum_k Z_k u_k + e,  u_k ~ N(0, sigma_k^2 I),  e ~ N(0, sigma^2 I)
//
// Each effect belongs to a set of facets (clip, judge, ...) and has a level for each combination of theirs that occurs. One facet is chosen as
// the outer one. Effects that have the outer facet among theirs fall into blocks, one for each of its levels, which only meet in the other
// effects, the border. So with A = Lambda Z'Z Lambda + I, Lambda = diag(theta), theta_k = sigma_k / sigma,
//
//	A = | D_1         B_1 |   blocks of a few rows, alike for outer levels that were observed in the same way,
//	    |     ...     ... |   and a border as large as there are judges (and segments)
//	    | B_1'  ...   C   |
//
// its factor costs as much as the blocks and one dense border, whatever the number of clips.
type design struct {
	n       int
	factors []factor
	shapes  []*shape
	blocks  []int   // shape of each block
	border  []int   // factor of each border column
	cross   []int32 // border x border counts: C of Z'Z
	ones    []float64

	rowBlock  []int32   // of each observation
	rowInner  [][]int32 // of each factor, the column in the block or the border of each observation
	rowBorder []bool    // of each factor: whether it is in the border
}

// factor is one random effect.
type factor struct {
	name   string
	facets uint
	level  []int32 // of each observation
	levels int
}

// shape is what blocks have in common that were observed in the same way.
type shape struct {
	count  int
	factor []int     // of each column
	touch  []int     // border columns that the block meets
	d      []float64 // m x m: its part of Z'Z
	b      []float64 // m x touch
	ones   []float64 // m: Z'1
}

// facet is one way in which observations are grouped.
type facet struct {
	name   string
	level  []int32 // of each observation
	levels int
}

// newDesign lays out effects, each given as a set of facets. The outer facet is the one that leaves the smallest border.
func newDesign(facets []facet, effects []uint) *design {
	d := &design{n: len(facets[0].level)}
	for _, e := range effects {
		d.factors = append(d.factors, combine(facets, e))
	}
	outer, smallest := 0, math.MaxInt
	for f := range facets {
		size := 0
		for _, k := range d.factors {
			if k.facets&(1<<f) == 0 {
				size += k.levels
			}
		}
		if size < smallest {
			outer, smallest = f, size
		}
	}
	d.layOut(facets[outer], 1<<outer)
	return d
}

// combine makes the levels of an effect, in the order of the facets' levels.
func combine(facets []facet, set uint) factor {
	var of []int
	var names []string
	for f := range facets {
		if set&(1<<f) != 0 {
			of, names = append(of, f), append(names, facets[f].name)
		}
	}
	k := factor{name: strings.Join(names, " x "), facets: set, level: facets[of[0]].level, levels: facets[of[0]].levels}
	for _, f := range of[1:] {
		width := int64(facets[f].levels)
		code := make([]int64, len(k.level))
		for i, a := range k.level {
			code[i] = int64(a)*width + int64(facets[f].level[i])
		}
		sorted := slices.Clone(code)
		slices.Sort(sorted)
		sorted = slices.Compact(sorted)
		level := make([]int32, len(code))
		for i, c := range code {
			at, _ := slices.BinarySearch(sorted, c)
			level[i] = int32(at)
		}
		k.level, k.levels = level, len(sorted)
	}
	return k
}

func (d *design) layOut(outer facet, bit uint) {
	k := len(d.factors)
	d.rowBlock, d.rowInner, d.rowBorder = outer.level, make([][]int32, k), make([]bool, k)
	start := make([]int, k)
	for f, fac := range d.factors {
		if fac.facets&bit == 0 {
			start[f], d.rowBorder[f] = len(d.border), true
			for range fac.levels {
				d.border = append(d.border, f)
			}
		}
		d.rowInner[f] = make([]int32, d.n)
	}
	nb := len(d.border)
	d.cross, d.ones = make([]int32, nb*nb), make([]float64, nb)
	rows := make([][]int, outer.levels)
	for i, g := range outer.level {
		rows[g] = append(rows[g], i)
	}
	known := map[string]int{}
	d.blocks = make([]int, outer.levels)
	for g, in := range rows {
		s := d.shapeOf(in, start)
		key := s.key()
		at, ok := known[key]
		if !ok {
			at = len(d.shapes)
			known[key] = at
			d.shapes = append(d.shapes, s)
		}
		d.shapes[at].count++
		d.blocks[g] = at
	}
}

// shapeOf lays out the block of some observations, and counts their part of the border.
func (d *design) shapeOf(rows, start []int) *shape {
	s := &shape{}
	for f, fac := range d.factors {
		if d.rowBorder[f] {
			for _, i := range rows {
				d.rowInner[f][i] = int32(start[f]) + fac.level[i]
				s.touch = append(s.touch, int(d.rowInner[f][i]))
			}
			continue
		}
		levels := make([]int32, 0, len(rows))
		for _, i := range rows {
			levels = append(levels, fac.level[i])
		}
		slices.Sort(levels)
		levels = slices.Compact(levels)
		first := len(s.factor)
		for range levels {
			s.factor = append(s.factor, f)
		}
		for _, i := range rows {
			at, _ := slices.BinarySearch(levels, fac.level[i])
			d.rowInner[f][i] = int32(first + at)
		}
	}
	slices.Sort(s.touch)
	s.touch = slices.Compact(s.touch)
	m, w, nb := len(s.factor), len(s.touch), len(d.border)
	s.d, s.b, s.ones = make([]float64, m*m), make([]float64, m*w), make([]float64, m)
	for _, i := range rows {
		for f := range d.factors {
			p := int(d.rowInner[f][i])
			if d.rowBorder[f] {
				d.ones[p]++
				for g := range d.factors {
					if d.rowBorder[g] {
						d.cross[p*nb+int(d.rowInner[g][i])]++
					}
				}
				continue
			}
			s.ones[p]++
			for g := range d.factors {
				q := int(d.rowInner[g][i])
				if !d.rowBorder[g] {
					s.d[p*m+q]++
				} else {
					at, _ := slices.BinarySearch(s.touch, q)
					s.b[p*w+at]++
				}
			}
		}
	}
	return s
}

// key is equal for equal shapes.
func (s *shape) key() string {
	b := make([]byte, 0, 4*(2+len(s.factor)+len(s.touch)+len(s.d)+len(s.b)))
	put := func(x int) { b = binary.LittleEndian.AppendUint32(b, uint32(x)) }
	put(len(s.factor))
	for _, x := range s.factor {
		put(x)
	}
	for _, x := range s.touch {
		put(x)
	}
	for _, counts := range [][]float64{s.d, s.b} {
		for _, x := range counts {
			put(int(x))
		}
	}
	return string(b)
}

// identified says which variances the design cannot tell apart, or returns nil. It is the rank of the quadratic forms M Z_k Z_k' M and M, M = I - 11'/n,
// of which the expectations of all quadratic estimators are made (Rao 1972): their inner products are tr(M V_k M V_l).
func (d *design) identified(what string) error {
	k := len(d.factors)
	n := float64(d.n)
	gram := mat.NewSymDense(k+1, nil)
	sizes := make([][]float64, k+1)
	for f, fac := range d.factors {
		sizes[f] = make([]float64, fac.levels)
		for _, l := range fac.level {
			sizes[f][l]++
		}
	}
	total := func(f int) float64 { // 1'V1
		if f == k {
			return n
		}
		sum := 0.0
		for _, c := range sizes[f] {
			sum += c * c
		}
		return sum
	}
	for f := range k + 1 {
		for g := f; g <= k; g++ {
			var trace, through float64 // tr(V_f V_g), 1'V_f V_g 1
			switch {
			case f == k:
				trace, through = n, n
			case g == k:
				trace, through = n, total(f)
			default:
				joint := make([]int64, d.n)
				for i := range joint {
					joint[i] = int64(d.factors[f].level[i])<<32 | int64(d.factors[g].level[i])
				}
				slices.Sort(joint)
				for i := 0; i < len(joint); {
					j := i
					for j < len(joint) && joint[j] == joint[i] {
						j++
					}
					c := float64(j - i)
					trace += c * c
					through += c * sizes[f][joint[i]>>32] * sizes[g][joint[i]&math.MaxUint32]
					i = j
				}
			}
			gram.SetSym(f, g, trace-2*through/n+total(f)*total(g)/(n*n))
		}
	}
	name := func(f int) string {
		if f == k {
			return "residual"
		}
		return d.factors[f].name
	}
	scale := make([]float64, k+1)
	for f := range scale {
		scale[f] = math.Sqrt(gram.At(f, f))
		if !(scale[f] > 1e-7*n) && f < k || scale[f] == 0 {
			if f < k && d.factors[f].levels > 1 {
				continue
			}
			return notEstimable(what, "there is only one %s; a variance between them needs at least two", name(f))
		}
	}
	for f := range k + 1 {
		for g := f; g <= k; g++ {
			gram.SetSym(f, g, gram.At(f, g)/(scale[f]*scale[g]))
		}
	}
	var eig mat.EigenSym
	if !eig.Factorize(gram, true) {
		return notEstimable(what, "the design is too large to be checked")
	}
	if values := eig.Values(nil); values[0] > 1e-9 {
		return nil
	}
	var vectors mat.Dense
	eig.VectorsTo(&vectors)
	var mixed []string
	for f := range k + 1 {
		if math.Abs(vectors.At(f, 0)) > 1e-3 {
			mixed = append(mixed, name(f))
		}
	}
	return notEstimable(what, "the design cannot tell the variances of %s apart; some of their combinations must be rated more than once", strings.Join(mixed, " and "))
}

// effectSet returns the bits of facets.
func effectSet(facets ...int) uint {
	var s uint
	for _, f := range facets {
		s |= 1 << f
	}
	return s
}
