package mixed

import "strings"

// randomSide is one random term with its variables evaluated.
type randomSide struct {
	side     *side
	at       int
	label    string
	byPerson bool
	diag     bool
}

func sides(list []randomSide) []*side {
	out := make([]*side, len(list))
	for i := range list {
		out[i] = list[i].side
	}
	return out
}

// groupsOf returns the couple or the person of each kept row, numbered in the order of their appearance.
func groupsOf(byPerson bool, d *design) []int {
	of := d.couple
	if byPerson {
		of = d.person
	}
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

// groupings reads what stands behind the bar: the couple, the person (also written couple:role or couple:person), or
// couple/person for both.
func (b *builder) groupings(n *node) ([]randomSide, error) {
	s := b.spec
	name := func(n *node) string {
		if n.op == "name" {
			return n.text
		}
		return ""
	}
	couple, person := randomSide{label: s.Couple}, randomSide{label: s.Person, byPerson: true}
	if person.label == "" {
		person.label = s.Couple + ":" + s.Role
	}
	isPerson := func(x string) bool { return x != "" && (x == s.Person || x == s.Role) }
	switch {
	case name(n) == s.Couple:
		return []randomSide{couple}, nil
	case s.Person != "" && name(n) == s.Person:
		return []randomSide{person}, nil
	case n.op == ":" && name(n.args[0]) == s.Couple && isPerson(name(n.args[1])):
		return []randomSide{person}, nil
	case n.op == "/" && name(n.args[0]) == s.Couple && isPerson(name(n.args[1])):
		return []randomSide{couple, person}, nil
	}
	return nil, formulaError(s.Random, n.at, "cannot group by %s; random effects vary over couples (%s), persons, or both (%s/person): couples are the independent units", n, s.Couple, s.Couple)
}
