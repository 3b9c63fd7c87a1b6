package mixed

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/lapack/lapack64"

	"asem/analysis/frame"
)

// Model is a spec joined with data, ready to be evaluated and fitted. It is not changed by either.
type Model struct {
	spec   Spec
	design *design
	cov    *covariance
	stats  *stats
	scale  scaling
	bases  []basis  // of the random terms
	roles  []string // levels of the role column, empty if there is none

	timeUnit float64 // of the times between a couple's occasions, in units of the time column
	timed    bool    // there is such a time, or none is needed

	later   *later // of a model that was updated
	updates int    // of couples since it was made
}

// scaling is the change of variables under which sums are kept: X = Q R with orthogonal columns of
// length sqrt(N), and y = X b0 + s y*. It keeps cross-products accurate whatever the units
// and offsets of the columns.
type scaling struct {
	r       []float64 // p x p upper triangle
	b0      []float64 // p
	y       float64   // s: the standard deviation of the least-squares residuals
	logDetR float64   // log|R'R|
}

// New joins a spec with the data of a frame: it reads the formulas, builds the design, leaves out
// rows with missing values and sums up the rest. The result does not depend on the order
// of the rows. Errors are [*SpecError], [*FormulaError] and [*DataError].
func New(f *frame.Frame, s Spec) (*Model, error) {
	s, err := s.withDefaults()
	if err != nil {
		return nil, err
	}
	d, err := buildDesign(f, s)
	if err != nil {
		return nil, err
	}
	m := &Model{spec: s, design: d}
	if len(d.y) == 0 {
		return nil, &DataError{Column: s.Outcome, Message: "no row is complete in all columns of the model" + d.mostMissing()}
	}
	p := len(d.xNames)
	if p == 0 {
		return nil, &SpecError{"fixed", "leaves no column to estimate"}
	}
	if len(d.y) <= p {
		return nil, &DataError{Column: s.Outcome, Message: fmt.Sprintf("%d complete rows cannot tell %d fixed effects apart from chance", len(d.y), p)}
	}
	m.roles = d.roleLevels
	if s.Residual.Variance == VarianceByRole {
		if err := m.everyRole(); err != nil {
			return nil, err
		}
	}
	for i := range d.bounds[1:] {
		if n := d.bounds[i+1] - d.bounds[i]; n > maxUnit {
			return nil, &DataError{cmp.Or(s.Site, s.Couple), fmt.Sprintf("%q has %d rows; the engine takes up to %d in one independent unit", d.unit(i), n, maxUnit)}
		}
	}
	m.cov = newCovariance(d.random, s.Residual, len(d.roleLevels))
	x, y, err := m.rescale()
	if err != nil {
		return nil, err
	}
	m.rebase()
	m.stats = collect(m.layouts(d), d.bounds, x, y, p)
	return m, nil
}

// Level returns the level of confidence intervals, in (0, 1).
func (m *Model) Level() float64 { return m.spec.Level }

// maxUnit bounds the order of V: memory grows with its square and time with its cube.
const maxUnit = 2000

// DataError says what about the data stands in the way of a model.
type DataError struct {
	Column  string // the column concerned; may be empty
	Message string
}

func (e *DataError) Error() string {
	if e.Column == "" {
		return e.Message
	}
	return fmt.Sprintf("column %q: %s", e.Column, e.Message)
}

// everyRole refuses a variance for a role of which nothing was observed.
func (m *Model) everyRole() error {
	seen := make([]bool, len(m.roles))
	for _, r := range m.design.role {
		seen[r] = true
	}
	for r, ok := range seen {
		if !ok {
			return &DataError{m.spec.Role, fmt.Sprintf("no complete row is left of %q, so its residual variance cannot be estimated", m.roles[r])}
		}
	}
	return nil
}

// layouts describes each couple by no more than its V depends on, so that as many couples as possible
// share one.
func (m *Model) layouts(u *design) []*layout {
	r := m.spec.Residual
	z := make([][]float64, len(u.random))
	for t, term := range u.random {
		z[t] = m.bases[t].rows(term.z)
	}
	list := make([]*layout, len(u.bounds)-1)
	for i := range list {
		lo, hi := u.bounds[i], u.bounds[i+1]
		l := &layout{n: hi - lo, role: make([]int, hi-lo), couple: make([]int, hi-lo), person: make([]int, hi-lo), time: make([]float64, hi-lo)}
		if r.Variance == VarianceByRole {
			copy(l.role, u.role[lo:hi])
		}
		if r.CrossPartner || r.Serial != SerialNone {
			number(u.couple[lo:hi], l.couple)
			number(u.person[lo:hi], l.person)
			first := slices.Min(u.time[lo:hi])
			for j := range l.time {
				l.time[j] = (u.time[lo+j] - first) / m.timeUnit
			}
			if r.Serial == SerialNone {
				rank(l.time)
			}
		}
		for k, t := range u.random {
			q := len(t.names)
			lt := layoutTerm{q: q, group: make([]int, hi-lo), z: z[k][lo*q : hi*q]}
			number(t.group[lo:hi], lt.group)
			lt.groups = slices.Max(lt.group) + 1
			l.terms = append(l.terms, lt)
		}
		list[i] = l
	}
	return list
}

// number writes, for each entry, which of the distinct values it is, counted from 0 in the order of appearance.
func number(values, out []int) {
	for j, v := range values {
		out[j] = 0
		for k, w := range values[:j] {
			if w == v {
				out[j] = out[k]
				break
			}
			out[j] = max(out[j], out[k]+1)
		}
	}
}

// rank replaces times by their rank among the distinct times: without serial correlation only
// which rows fall on the same occasion matters.
func rank(times []float64) {
	distinct := slices.Clone(times)
	slices.Sort(distinct)
	distinct = slices.Compact(distinct)
	for j, t := range times {
		i, _ := slices.BinarySearch(distinct, t)
		times[j] = float64(i)
	}
}

// rescale makes m.scale and returns Q (n x p) and y*.
func (m *Model) rescale() (q, y []float64, err error) {
	d := m.design
	n, p := len(d.y), len(d.xNames)
	q, y = slices.Clone(d.x), slices.Clone(d.y)
	r := make([]float64, p*p)
	for i := range p {
		r[i*p+i] = 1
	}
	x := blas64.General{Rows: n, Cols: p, Stride: p, Data: q}
	// Orthogonalise twice by the Cholesky factor of the cross-product: the second pass mends
	// what the first loses on ill-conditioned columns (Yamamoto et al. 2015, CholeskyQR2).
	for range 2 {
		xtx := blas64.Symmetric{N: p, Stride: p, Data: make([]float64, p*p), Uplo: blas.Upper}
		blas64.Syrk(blas.Trans, 1/float64(n), x, 0, xtx)
		scale := make([]float64, p) // columns to unit length first
		for i := range p {
			scale[i] = math.Sqrt(xtx.Data[i*p+i])
			if !(scale[i] > 0) || math.IsInf(scale[i], 0) {
				return nil, nil, &DataError{d.xNames[i], "is too small or too large to compute with"}
			}
		}
		for i := range p {
			for j := i; j < p; j++ {
				xtx.Data[i*p+j] /= scale[i] * scale[j]
			}
		}
		t, ok := lapack64.Potrf(xtx)
		if !ok {
			return nil, nil, &DataError{"", "the columns of the fixed effects are too nearly collinear to be told apart"}
		}
		for i := range p {
			for j := i; j < p; j++ {
				t.Data[i*p+j] *= scale[j]
			}
		}
		blas64.Trsm(blas.Right, blas.NoTrans, 1, t, x)
		blas64.Trmm(blas.Left, blas.NoTrans, 1, t, square(p, r))
	}
	m.scale.r = r
	b := make([]float64, p) // Q'y/n
	blas64.Gemv(blas.Trans, 1/float64(n), x, vector(y), 0, vector(b))
	blas64.Gemv(blas.NoTrans, -1, x, vector(b), 1, vector(y))
	total, left := norm(d.y), norm(y)
	m.scale.y = left / math.Sqrt(float64(n))
	if !(left > 1e-10*total) || math.IsInf(total, 0) {
		return nil, nil, &DataError{m.spec.Outcome, "has no variation left beyond the fixed effects, so no variance can be estimated"}
	}
	for i := range y {
		y[i] /= m.scale.y
	}
	blas64.Trsv(blas.NoTrans, blas64.Triangular{N: p, Stride: p, Data: r, Uplo: blas.Upper, Diag: blas.NonUnit}, vector(b))
	m.scale.b0 = b
	for i := range p {
		m.scale.logDetR += 2 * math.Log(math.Abs(r[i*p+i]))
	}
	return q, y, nil
}

func norm(x []float64) float64 { return blas64.Nrm2(vector(x)) }
