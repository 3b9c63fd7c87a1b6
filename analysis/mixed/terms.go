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
}

// term is a product of variables: indices into variables, ascending. The empty term is the intercept.
type term []int

// expandTerms reads a parsed right-hand side as R reads formulas (Wilkinson & Rogers 1973).
func expandTerms(src string, n *node) (*terms, error) {
	t := &terms{src: src}
	list, err := t.expand(&node{op: "+", args: []*node{{op: "num", num: 1}, n}})
	if err != nil {
		return nil, err
	}
	for _, x := range list {
		if len(x) == 0 {
			t.intercept = true
		} else {
			t.list = append(t.list, x)
		}
	}
	sort.SliceStable(t.list, func(i, j int) bool { return len(t.list[i]) < len(t.list[j]) })
	return t, nil
}

// expand returns the terms of a node. The empty term stands for 1.
func (t *terms) expand(n *node) ([]term, error) {
	switch n.op {
	case "()":
		return t.expand(n.args[0])
	case "num":
		switch n.num {
		case 1:
			return []term{{}}, nil
		case 0:
			return nil, nil // without "- 1" beside it 0 adds nothing; see "+"
		}
		return nil, formulaError(t.src, n.at, "the number %s stands alone; only 0 and 1 may, other numbers belong into I()", n.text)
	case "name", "call":
		return []term{{t.variable(n)}}, nil
	case "+":
		left, err := t.expand(n.args[0])
		if err != nil {
			return nil, err
		}
		if isZero(n.args[1]) {
			return without(left, []term{{}}), nil
		}
		if l := n.args[1]; l.op == "+" || l.op == "-" { // a + (b + c) parsed as a chain on the right of the implied 1
			return t.expand(&node{op: l.op, at: l.at, args: []*node{{op: "+", args: []*node{n.args[0], l.args[0]}}, l.args[1]}})
		}
		right, err := t.expand(n.args[1])
		return t.bounded(n, union(left, right), err)
	case "-":
		left, err := t.expand(n.args[0])
		if err != nil {
			return nil, err
		}
		if isZero(n.args[1]) {
			return union(left, []term{{}}), nil
		}
		right, err := t.expand(n.args[1])
		return without(left, right), err
	case "neg":
		if x := n.args[0]; x.op == "num" && x.num == 1 {
			return nil, nil // a leading "-1" is handled by implied
		}
		return nil, formulaError(t.src, n.at, "nothing stands before this minus; expected -1 or a term before it")
	case ":", "*", "/", "^":
		return t.product(n)
	case "|", "||":
		return nil, formulaError(t.src, n.at, "a random term does not belong here; write it in random, as (1 | couple)")
	}
	return nil, formulaError(t.src, n.at, "%s is not part of a formula", n.op)
}

func (t *terms) product(n *node) ([]term, error) {
	left, err := t.expand(n.args[0])
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
			if out, err = t.bounded(n, union(out, cross(out, left)), nil); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	right, err := t.expand(n.args[1])
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

func isZero(n *node) bool {
	return n.op == "num" && n.num == 0 || n.op == "neg" && n.args[0].op == "num" && n.args[0].num == 1
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

func cross(a, b []term) []term {
	var out []term
	for _, x := range a {
		for _, y := range b {
			if m := merge(x, y); !has(out, m) {
				out = append(out, m)
			}
		}
	}
	return out
}

func merge(a, b term) term {
	out := append(slices.Clone(a), b...)
	slices.Sort(out)
	return slices.Compact(out)
}
