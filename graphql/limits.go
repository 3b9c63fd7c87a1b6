package graphql

import (
	"slices"
	"strconv"

	"github.com/graphql-go/graphql/language/ast"
)

// measure walks an operation, fragments expanded, and refuses fragment cycles and what goes beyond the limits. It returns the
// cost of the operation: how many objects its answer may hold. The walk is bounded by the limits themselves.
//
// graphql-go follows fragments without looking, so a cycle would end the process; this comes first.
func measure(doc *ast.Document, operation *ast.OperationDefinition, variables map[string]any, l Limits) (cost int, err error) {
	fragments := map[string]*ast.FragmentDefinition{}
	for _, d := range doc.Definitions {
		if f, ok := d.(*ast.FragmentDefinition); ok && f.Name != nil {
			fragments[f.Name.Value] = f
		}
	}
	if err := acyclic(fragments); err != nil {
		return 0, err
	}
	if len(operation.VariableDefinitions) > l.Declared {
		return 0, limited("the operation declares more than %d variables", l.Declared)
	}
	m := meter{fragments: fragments, variables: withDefaults(operation, variables), limits: l}
	if err := m.selection(operation.SelectionSet, 1, 0, 1); err != nil {
		return 0, err
	}
	return m.nodes, nil
}

// acyclic refuses fragments that lead back to themselves, without recursion.
func acyclic(fragments map[string]*ast.FragmentDefinition) error {
	spreads := make(map[string][]string, len(fragments))
	for name, f := range fragments {
		spreads[name] = spreadsOf(f.SelectionSet)
	}
	const (
		open = 1
		done = 2
	)
	state := map[string]int{}
	type step struct {
		name string
		next int
	}
	for start := range spreads {
		if state[start] != 0 {
			continue
		}
		stack := []step{{name: start}}
		state[start] = open
		for len(stack) > 0 {
			top := &stack[len(stack)-1]
			if top.next == len(spreads[top.name]) {
				state[top.name] = done
				stack = stack[:len(stack)-1]
				continue
			}
			to := spreads[top.name][top.next]
			top.next++
			switch state[to] {
			case open:
				return &requestError{code: "invalid", message: "fragment " + strconv.Quote(to) + " leads back to itself"}
			case 0:
				state[to] = open
				stack = append(stack, step{name: to})
			}
		}
	}
	return nil
}

// allUsed refuses a fragment that no operation leads to. The fragments must be acyclic.
func allUsed(fragments map[string]*ast.FragmentDefinition, operations []*ast.OperationDefinition) error {
	var next []string
	for _, op := range operations {
		next = append(next, spreadsOf(op.SelectionSet)...)
	}
	used := map[string]bool{}
	for len(next) > 0 {
		name := next[len(next)-1]
		next = next[:len(next)-1]
		if f := fragments[name]; f != nil && !used[name] {
			used[name] = true
			next = append(next, spreadsOf(f.SelectionSet)...)
		}
	}
	var idle []string
	for name := range fragments {
		if !used[name] {
			idle = append(idle, strconv.Quote(name))
		}
	}
	if len(idle) > 0 {
		return &requestError{code: "invalid", message: short("no operation uses fragment " + slices.Min(idle))}
	}
	return nil
}

// spreadsOf lists the fragments spread anywhere in a selection. Nesting is bounded by the prescan.
func spreadsOf(set *ast.SelectionSet) []string {
	var names []string
	if set == nil {
		return nil
	}
	for _, s := range set.Selections {
		switch s := s.(type) {
		case *ast.Field:
			names = append(names, spreadsOf(s.SelectionSet)...)
		case *ast.InlineFragment:
			names = append(names, spreadsOf(s.SelectionSet)...)
		case *ast.FragmentSpread:
			names = append(names, s.Name.Value)
		}
	}
	return names
}

// fitCost is what fitting a model costs, in objects.
const fitCost = 2000

// lists tells how many items the lists hold that are not asked for by number, roughly.
var lists = map[string]int{"partners": 2, "ratings": 20, "points": 10, "estimates": 20, "effects": 20, "diaries": 60, "waves": 10, "constructs": 10}

// withDefaults adds the default values of an operation's variables to those that were given.
func withDefaults(operation *ast.OperationDefinition, given map[string]any) map[string]any {
	all := make(map[string]any, len(given))
	for k, v := range given {
		all[k] = v
	}
	for _, d := range operation.VariableDefinitions {
		name := d.Variable.Name.Value
		if _, ok := all[name]; ok {
			continue
		}
		switch v := d.DefaultValue.(type) {
		case *ast.IntValue:
			if n, err := strconv.ParseFloat(v.Value, 64); err == nil {
				all[name] = n
			}
		case *ast.ListValue:
			all[name] = make([]any, len(v.Values))
		}
	}
	return all
}

type meter struct {
	fragments map[string]*ast.FragmentDefinition
	variables map[string]any
	limits    Limits
	selected  int // fields, spreads and inline fragments
	nodes     int
	leaves    int
}

// leavesPerNode is how many values an answer may hold for each object that it may hold.
const leavesPerNode = 4

// selection counts a selection that is made times times, at a depth of fields. inline tells in how many inline fragments of
// the same field it stands: the validator compares its fields with each other anew in every one of them, so that they count so often.
func (m *meter) selection(set *ast.SelectionSet, depth, inline, times int) error {
	if set == nil {
		return nil
	}
	for _, s := range set.Selections {
		if m.selected += 1 + inline; m.selected > m.limits.Fields {
			return limited("the operation selects more than %d fields and fragments", m.limits.Fields)
		}
		var err error
		switch s := s.(type) {
		case *ast.Field:
			err = m.field(s, depth, times)
		case *ast.InlineFragment:
			err = m.selection(s.SelectionSet, depth, inline+1, times)
		case *ast.FragmentSpread:
			if f, ok := m.fragments[s.Name.Value]; ok {
				err = m.selection(f.SelectionSet, depth, inline, times)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (m *meter) field(f *ast.Field, depth, times int) error {
	if depth > m.limits.Depth {
		return limited("the operation is more than %d fields deep", m.limits.Depth)
	}
	if f.SelectionSet == nil {
		if m.leaves += times; m.leaves > leavesPerNode*m.limits.Nodes {
			return limited("the answer may hold more than %d values; ask for smaller pages", leavesPerNode*m.limits.Nodes)
		}
		return nil
	}
	times *= max(lists[f.Name.Value], 1)
	if f.Name.Value == "changeModel" {
		m.nodes += fitCost
	}
	for _, a := range f.Arguments {
		if n := a.Name.Value; n == "first" || n == "last" || n == "ids" {
			times *= max(m.count(a.Value), 1)
		}
	}
	if times > m.limits.Nodes {
		return limited("the answer may hold more than %d objects; ask for smaller pages", m.limits.Nodes)
	}
	if m.nodes += times; m.nodes > m.limits.Nodes {
		return limited("the answer may hold more than %d objects; ask for smaller pages", m.limits.Nodes)
	}
	return m.selection(f.SelectionSet, depth+1, 0, times)
}

// count reads how many items an argument asks for.
func (m *meter) count(v ast.Value) int {
	switch v := v.(type) {
	case *ast.IntValue:
		n, err := strconv.Atoi(v.Value)
		if err != nil {
			return m.limits.Nodes + 1
		}
		return n
	case *ast.ListValue:
		return len(v.Values)
	case *ast.Variable:
		switch x := m.variables[v.Name.Value].(type) {
		case float64:
			return int(min(x, float64(m.limits.Nodes+1)))
		case []any:
			return len(x)
		}
	}
	return 1
}
