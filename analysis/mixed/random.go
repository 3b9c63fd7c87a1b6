package mixed

import "strings"

// randomSide is one random term with its variables evaluated.
type randomSide struct {
	side       *side
	at         int
	label      string
	level      level
	difference bool // it is the half difference of the partners
	diag       bool
}

func sides(list []randomSide) []*side {
	out := make([]*side, len(list))
	for i := range list {
		out[i] = list[i].side
	}
	return out
}

// level is what the groups of a random term are.
type level int

const (
	sites level = iota
	couples
	persons
)

// groupsOf returns the group of each kept row, numbered in the order of their appearance.
func groupsOf(l level, d *design) []int {
	of := [][]int{d.site, d.couple, d.person}[l]
	most := 0
	for _, g := range of {
		most = max(most, g)
	}
	number, next := make([]int, most+1), 1 // 1 + the number of each; 0 before it appears
	group := make([]int, len(of))
	for i, g := range of {
		if number[g] == 0 {
			number[g] = next
			next++
		}
		group[i] = number[g] - 1
	}
	return group
}

// randoms reads the random formula: terms (a | g) or (a || g) joined by +.
func (b *builder) randoms() ([]randomSide, error) {
	src := b.spec.Random
	if strings.TrimSpace(src) == "" {
		return nil, nil
	}
	n, err := parseFormula(src)
	if err != nil {
		return nil, err
	}
	var list []randomSide
	var walk func(*node) error
	walk = func(n *node) error {
		switch {
		case n.op == "+":
			if err := walk(n.args[0]); err != nil {
				return err
			}
			return walk(n.args[1])
		case n.op == "()":
			return walk(n.args[0])
		case n.op != "|" && n.op != "||":
			return formulaError(src, n.at, "expected random terms such as (1 | %s), joined by +", b.spec.Couple)
		}
		sd, err := b.side(src, n.args[0])
		if err != nil {
			return err
		}
		groups, err := b.groupings(n.args[1])
		if err != nil {
			return err
		}
		for _, r := range groups {
			r.side, r.at, r.diag = sd, n.at, n.op == "||"
			list = append(list, r)
		}
		return nil
	}
	return list, walk(n)
}

// groupings reads what stands behind the bar: the site, the couple, the person (also written couple:role or couple:person), site/couple or
// couple/person for both, or exchangeable(couple) for the mean and the half difference of two partners whom nothing tells apart.
func (b *builder) groupings(n *node) ([]randomSide, error) {
	s := b.spec
	name := func(n *node) string {
		if n.op == "name" {
			return n.text
		}
		return ""
	}
	site, couple, person := randomSide{label: s.Site, level: sites}, randomSide{label: s.Couple, level: couples}, randomSide{label: s.Person, level: persons}
	if person.label == "" {
		person.label = s.Couple + ":" + s.Role
	}
	isPerson := func(x string) bool { return x != "" && (x == s.Person || x == s.Role) }
	switch {
	case name(n) == s.Couple:
		return []randomSide{couple}, nil
	case s.Site != "" && name(n) == s.Site:
		return []randomSide{site}, nil
	case s.Person != "" && name(n) == s.Person:
		return []randomSide{person}, nil
	case n.op == ":" && name(n.args[0]) == s.Couple && isPerson(name(n.args[1])):
		return []randomSide{person}, nil
	case n.op == "/" && name(n.args[0]) == s.Couple && isPerson(name(n.args[1])):
		return []randomSide{couple, person}, nil
	case n.op == "/" && s.Site != "" && name(n.args[0]) == s.Site && name(n.args[1]) == s.Couple:
		return []randomSide{site, couple}, nil
	case n.op == "call" && n.text == "exchangeable" && len(n.args) == 1 && name(n.args[0]) == s.Couple:
		if s.Role == "" && s.Person == "" {
			return nil, formulaError(s.Random, n.at, "exchangeable() needs a person column, or a role column, to know whose the rows are")
		}
		if crowd := b.crowded(); crowd != "" {
			return nil, formulaError(s.Random, n.at, "couple %q has more than two persons; exchangeable() is for two", crowd)
		}
		half := couple
		half.label, half.difference = s.Couple+" difference", true
		return []randomSide{couple, half}, nil
	}
	known := s.Couple
	if s.Site != "" {
		known = s.Site + ", " + known
	}
	return nil, formulaError(s.Random, n.at, "cannot group by %s; random effects vary over %s, persons (%s/person), or exchangeable(%s); what couples are nested in is named by site", n, known, s.Couple, s.Couple)
}

// crowded names a couple with more than two persons.
func (b *builder) crowded() string {
	first, second := map[int]int{}, map[int]int{}
	for _, r := range b.all {
		c, p := b.d.couple[r], b.d.person[r]
		f, ok := first[c]
		switch s, two := second[c]; {
		case !ok:
			first[c] = p
		case p == f:
		case !two:
			second[c] = p
		case p != s:
			return b.coupleLevels[c]
		}
	}
	return ""
}

// rows lays the columns of a random term out by rows. Those of a difference of partners have the sign of the person: the first of a couple
// has plus, the other minus. Which is first does not matter.
func (r randomSide) rows(columns []column, d *design) []float64 {
	return signed(rowMajor(columns, len(d.rows)), r.difference, d)
}

func signed(z []float64, difference bool, d *design) []float64 {
	if !difference || len(d.rows) == 0 {
		return z
	}
	q, first := len(z)/len(d.rows), 0
	for i, c := range d.couple {
		if i == 0 || c != d.couple[i-1] {
			first = d.person[i]
		}
		if d.person[i] != first {
			for k := range q {
				z[i*q+k] *= -1
			}
		}
	}
	return z
}
