package graphql

import (
	"context"
	"fmt"
	"sort"

	gql "github.com/graphql-go/graphql"
)

// object is a type of the schema whose values are Go values of type S. studyOf tells to which study a value belongs, by which
// policies decide.
type object[S any] struct {
	typ     *gql.Object
	studyOf func(S) string
}

// rule is a line of the authorisation table.
type rule struct {
	typ, field string
	policy     policy
}

// rules gathers the policy of every field as the schema is built.
type rules struct{ list []rule }

func (r *rules) sorted() []rule {
	sort.Slice(r.list, func(i, j int) bool {
		if r.list[i].typ != r.list[j].typ {
			return r.list[i].typ < r.list[j].typ
		}
		return r.list[i].field < r.list[j].field
	})
	return r.list
}

func newObject[S any](name, description string, studyOf func(S) string, interfaces ...*gql.Interface) *object[S] {
	return &object[S]{studyOf: studyOf, typ: gql.NewObject(gql.ObjectConfig{Name: name, Description: description, Fields: gql.Fields{}, Interfaces: interfaces,
		IsTypeOf: func(p gql.IsTypeOfParams) bool { _, ok := p.Value.(S); return ok }})}
}

// thunk is a value that is not there yet: a loader's.
type thunk func() (any, error)

// arguments are what a field was called with.
type arguments map[string]any

// field declares a field: there is no other way, and none without a policy. resolve may return a thunk.
func (o *object[S]) field(r *rules, name string, typ gql.Output, description string, see policy, args gql.FieldConfigArgument, resolve func(context.Context, S, arguments) (any, error)) {
	r.list = append(r.list, rule{o.typ.Name(), name, see})
	where := o.typ.Name() + "." + name
	o.typ.AddFieldConfig(name, &gql.Field{Type: typ, Description: description, Args: args, Resolve: func(p gql.ResolveParams) (any, error) {
		v, err := caught(where, func() (any, error) {
			if err := p.Context.Err(); err != nil { // graphql-go goes on when nobody waits any more
				return nil, err
			}
			s, ok := p.Source.(S)
			if !ok {
				return nil, fmt.Errorf("resolve %s: source is a %T", where, p.Source)
			}
			if !see.allow(stateOf(p.Context).viewer, o.studyOf(s)) {
				return nil, absent(name)
			}
			return resolve(p.Context, s, p.Args)
		})
		if t, ok := v.(thunk); ok {
			return func() (any, error) { return caught(where, t) }, nil
		}
		return v, err
	}})
}

// caught calls a resolver. A panic becomes an error, because graphql-go survives only panics with an error; and a value that comes
// with an error is dropped, because graphql-go would send it, whole and past its fields' policies.
func caught(where string, resolve func() (any, error)) (v any, err error) {
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("resolve %s: panic: %v", where, x)
		}
		if err != nil {
			v = nil
		}
	}()
	return resolve()
}

// value declares a field that is read off the value.
func (o *object[S]) value(r *rules, name string, typ gql.Output, description string, see policy, of func(S) any) {
	o.field(r, name, typ, description, see, nil, func(_ context.Context, s S, _ arguments) (any, error) { return of(s), nil })
}

func nonNull(t gql.Type) gql.Output { return gql.NewNonNull(t) }

// listOf is a list that is there and has no holes.
func listOf(t gql.Type) gql.Output { return gql.NewNonNull(gql.NewList(gql.NewNonNull(t))) }

// anyList makes a list for graphql-go from a typed one.
func anyList[T any](list []T) []any {
	out := make([]any, len(list))
	for i, x := range list {
		out[i] = x
	}
	return out
}

// orNull is the text, or null if it is empty.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// get reads an argument; it returns the zero value if it was not given.
func get[T any](a arguments, name string) T {
	v, _ := a[name].(T)
	return v
}

// list reads an argument that is a list.
func list[T any](a arguments, name string) []T {
	values, _ := a[name].([]any)
	out := make([]T, 0, len(values))
	for _, v := range values {
		if x, ok := v.(T); ok {
			out = append(out, x)
		}
	}
	return out
}

// enum makes an enum whose values are texts of a Go type.
func enum[T ~string](name, description string, values map[string]T, describe map[string]string) *gql.Enum {
	config := gql.EnumValueConfigMap{}
	for k, v := range values {
		config[k] = &gql.EnumValueConfig{Value: v, Description: describe[k]}
	}
	return gql.NewEnum(gql.EnumConfig{Name: name, Description: description, Values: config})
}
