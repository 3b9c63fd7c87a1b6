package mixed

import (
	"math"
	"slices"
	"sort"
)

// terms is what a formula asks for: an intercept or not, and products of variables.
type terms struct {
	src       string
	intercept bool
	variables []*node // in the order of appearance
	list      []term  // by degree, then in the order of appearance; without the intercept
	removing  bool    // while what stands behind a minus is read
}

// term is a product of variables: indices into variables, ascending.
type term []int

// expandTerms reads a parsed right-hand side as R reads formulas (Wilkinson & Rogers 1973). As in R
// there is an intercept unless the last 0 or 1 of the formula, wherever it stands, takes it away.
func expandTerms(src string, n *node) (*terms, error) {
	t := &terms{src: src, intercept: true}
	list, err := t.expand(n)
	if err != nil {
		return nil, err
	}
	t.list = list
	sort.SliceStable(t.list, func(i, j int) bool { return len(t.list[i]) < len(t.list[j]) })
	return t, nil
}

// expand returns the terms of a node and notes what it says of the intercept.
func (t *terms) expand(n *node) ([]term, error) {
	switch n.op {
	case "()":
		return t.expand(n.args[0])
	case "num":
		if n.num != 0 && n.num != 1 {
			return nil, formulaError(t.src, n.at, "the number %s stands alone; only 0 and 1 may, other numbers belong into I()", n.text)
		}
		t.intercept = (n.num == 1) != t.removing
		return nil, nil
	case "name", "call":
		return []term{{t.variable(n)}}, nil
	case "+", "-":
		left, err := t.expand(n.args[0])
		if err != nil {
			return nil, err
		}
		if n.op == "-" {
			right, err := t.removed(n.args[1])
			return without(left, right), err
		}
		right, err := t.expand(n.args[1])
		return t.bounded(n, union(left, right), err)
	case "neg":
		if x := n.args[0]; x.op == "num" {
			return t.removed(x)
		}
		return nil, formulaError(t.src, n.at, "nothing stands before this minus; expected -1 or a term before it")
	case ":", "*", "/", "^":
		return t.product(n)
	case "|", "||":
		return nil, formulaError(t.src, n.at, "a random term does not belong here; write it in random, as (1 | couple)")
	}
	return nil, formulaError(t.src, n.at, "%s is not part of a formula", n.op)
}

// removed expands what stands behind a minus.
func (t *terms) removed(n *node) ([]term, error) {
	t.removing = !t.removing
	defer func() { t.removing = !t.removing }()
	return t.expand(n)
}

func (t *terms) product(n *node) ([]term, error) {
	left, err := t.factor(n.args[0])
	if err != nil {
		return nil, err
	}
	if n.op == "^" {
		p := n.args[1]
		if p.op != "num" || p.num != math.Trunc(p.num) || p.num < 1 || p.num > 10 {
			return nil, formulaError(t.src, p.at, "the power must be a whole number from 1 to 10; arithmetic belongs into I()")
		}
		out := left
		for range int(p.num) - 1 {
			if out, err = t.bounded(n, cross(left, out), nil); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	right, err := t.factor(n.args[1])
	if err != nil {
		return nil, err
	}
	switch n.op {
	case ":":
		return t.bounded(n, cross(left, right), nil)
	case "*":
		return t.bounded(n, union(union(left, right), cross(left, right)), nil)
	}
	all := term{} // a/b is a and b within all of a
	for _, x := range left {
		all = merge(all, x)
	}
	return t.bounded(n, union(left, cross([]term{all}, right)), nil)
}

// factor expands one side of a product. That it stands for no variable is an error: R would silently leave
// out the whole product.
func (t *terms) factor(n *node) ([]term, error) {
	list, err := t.expand(n)
	if err == nil && len(list) == 0 {
		err = formulaError(t.src, n.at, "%s stands for no variable and cannot be part of a product; arithmetic belongs into I()", n)
	}
	return list, err
}

func (t *terms) bounded(n *node, list []term, err error) ([]term, error) {
	if err == nil && len(list) > maxTerms {
		return nil, formulaError(t.src, n.at, "the formula stands for more than %d terms", maxTerms)
	}
	return list, err
}

// variable returns the index of a variable, known by how it is written.
func (t *terms) variable(n *node) int {
	name := n.String()
	for i, v := range t.variables {
		if v.String() == name {
			return i
		}
	}
	t.variables = append(t.variables, n)
	return len(t.variables) - 1
}

func union(a, b []term) []term {
	out := slices.Clone(a)
	for _, x := range b {
		if !has(out, x) {
			out = append(out, x)
		}
	}
	return out
}

func without(a, b []term) []term {
	var out []term
	for _, x := range a {
		if !has(b, x) {
			out = append(out, x)
		}
	}
	return out
}

func has(list []term, x term) bool {
	return slices.ContainsFunc(list, func(y term) bool { return slices.Equal(x, y) })
}

// cross returns all products, or the first of them where there are more than any formula may have.
func cross(a, b []term) []term {
	var out []term
	for _, x := range a {
		for _, y := range b {
			if m := merge(x, y); len(out) <= maxTerms && !has(out, m) {
				out = append(out, m)
			}
		}
	}
	return out
}

// within reports whether every variable of x is in y.
func (x term) within(y term) bool {
	for _, v := range x {
		if !slices.Contains(y, v) {
			return false
		}
	}
	return true
}

func merge(a, b term) term {
	out := append(slices.Clone(a), b...)
	slices.Sort(out)
	return slices.Compact(out)
}
