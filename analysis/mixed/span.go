package mixed

// span is what the couples of one pattern show of the random effects. With Z the design of all terms and groups side by side (n x z) and L
// the factors of their G along a diagonal, the derivative of V by entry (i, j) of a factor is
//
//	sum over groups g of z_gi (Z L)_gj' + (Z L)_gj z_gi'
//
// of rank two, so that traces of products of derivatives need only z x z matrices instead of n x n ones.
type span struct {
	z              int       // columns of Z
	design, factor []float64 // n x z: Z and ZL
	wz, wzl        []float64 // n x z: WZ and WZL
	pz, pzl        []float64 // n x z: PZ and PZL, where P = WMW
	a, al, lal     []float64 // z x z: Z'WZ, Z'WZL and L'Z'WZL
	b, bl, lbl     []float64 // z x z: the same with P for W
	dz, dzl        []float64 // n x z: for a derivative D of R, D times one of the above
	t, tl          []float64 // (p+1) x z: B'WZ and B'WZL of one couple
}

func newSpan(n, z, c int) span {
	var s span
	for _, m := range []*[]float64{&s.design, &s.factor, &s.wz, &s.wzl, &s.pz, &s.pzl, &s.dz, &s.dzl} {
		*m = make([]float64, n*z)
	}
	for _, m := range []*[]float64{&s.a, &s.al, &s.lal, &s.b, &s.bl, &s.lbl} {
		*m = make([]float64, z*z)
	}
	s.t, s.tl = make([]float64, c*z), make([]float64, c*z)
	return s
}

// columns is the number of columns of Z of a layout.
func (l *layout) columns() int {
	z := 0
	for _, t := range l.terms {
		z += t.groups * t.q
	}
	return z
}

// lay fills Z and ZL of a layout at the theta of the workspace.
func (s *span) lay(l *layout, w *Workspace) {
	n := l.n
	s.z = l.columns()
	clear(s.design[:n*s.z])
	at := 0
	for _, t := range l.terms {
		for j := range n {
			copy(s.design[j*s.z+at+t.group[j]*t.q:], t.z[j*t.q:j*t.q+t.q])
		}
		at += t.groups * t.q
	}
	s.timesL(n, s.design, s.factor, l, w)
}

// timesL writes A L into out, both n x z.
func (s *span) timesL(n int, a, out []float64, l *layout, w *Workspace) {
	z := s.z
	for r := range n {
		row, to := a[r*z:r*z+z], out[r*z:r*z+z]
		at := 0
		for t := range l.terms {
			q := l.terms[t].q
			f := w.l[t]
			for range l.terms[t].groups {
				for j := range q {
					x := 0.0
					for i := j; i < q; i++ {
						x += row[at+i] * f[i*q+j]
					}
					to[at+j] = x
				}
				at += q
			}
		}
	}
}

// see fills, for a symmetric matrix v (n x n), vz = VZ, vzl = VZL, a = Z'VZ, al = Z'VZL and lal = L'Z'VZL.
func (s *span) see(v []float64, l *layout, w *Workspace, vz, vzl, a, al, lal []float64) {
	n, z := l.n, s.z
	multiplied(n, n, z, v, s.design, vz)
	s.timesL(n, vz, vzl, l, w)
	transposed(n, z, s.design, vz, a)
	transposed(n, z, s.design, vzl, al)
	transposed(n, z, s.factor, vzl, lal)
}

// place is where a parameter of a factor L stands in the columns of a span: in as many groups as the couple has of its term.
type place struct {
	first, step, groups int
	i, j                int
}

// places lists them for the parameters of all terms, in their order.
func (c *covariance) places(l *layout, out []place) []place {
	out = out[:0]
	at := 0
	for t, ct := range c.terms {
		lt := &l.terms[t]
		for _, e := range ct.entries {
			out = append(out, place{at, lt.q, lt.groups, e[0], e[1]})
		}
		at += lt.groups * lt.q
	}
	return out
}

// traceWW returns tr(W V_k W V_l) of two parameters of factors.
func (s *span) traceWW(k, l place) float64 {
	tr := 0.0
	for g, z := 0, k.first; g < k.groups; g, z = g+1, z+k.step {
		for h, y := 0, l.first; h < l.groups; h, y = h+1, y+l.step {
			ki, kj, li, lj := z+k.i, z+k.j, y+l.i, y+l.j
			tr += s.al[li*s.z+kj]*s.al[ki*s.z+lj] + s.lal[kj*s.z+lj]*s.a[ki*s.z+li]
		}
	}
	return 2 * tr
}

// traceWP returns tr(V_k W V_l P) of two parameters of factors.
func (s *span) traceWP(k, l place) float64 {
	tr := 0.0
	for g, z := 0, k.first; g < k.groups; g, z = g+1, z+k.step {
		for h, y := 0, l.first; h < l.groups; h, y = h+1, y+l.step {
			ki, kj, li, lj := z+k.i, z+k.j, y+l.i, y+l.j
			tr += s.al[li*s.z+kj]*s.bl[ki*s.z+lj] + s.lal[kj*s.z+lj]*s.b[ki*s.z+li] +
				s.a[ki*s.z+li]*s.lbl[kj*s.z+lj] + s.al[ki*s.z+lj]*s.bl[li*s.z+kj]
		}
	}
	return tr
}

// paired returns the sum over the groups of a parameter and the n rows of x_gi y_gj, where x and y are n x z.
func (s *span) paired(n int, k place, x, y []float64) float64 {
	sum := 0.0
	for g, z := 0, k.first; g < k.groups; g, z = g+1, z+k.step {
		for r := range n {
			sum += x[r*s.z+z+k.i] * y[r*s.z+z+k.j]
		}
	}
	return sum
}
