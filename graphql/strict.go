package graphql

import (
	"fmt"
	"math"

	gql "github.com/graphql-go/graphql"
	"github.com/graphql-go/graphql/language/ast"
)

// strictVariables refuses variables that graphql-go would convert in silence: a number for a String, text for a Boolean, a fraction
// for an ID. Scalars of our own are strict themselves.
func strictVariables(schema gql.Schema, operation *ast.OperationDefinition, given map[string]any) error {
	for _, d := range operation.VariableDefinitions {
		name := d.Variable.Name.Value
		if err := fits(typeOf(schema, d.Type), given[name], "$"+name); err != nil {
			return err
		}
	}
	return nil
}

// typeOf finds the type that a document names; nil if there is none.
func typeOf(schema gql.Schema, t ast.Type) gql.Type {
	switch t := t.(type) {
	case *ast.NonNull:
		return typeOf(schema, t.Type)
	case *ast.List:
		if of := typeOf(schema, t.Type); of != nil {
			return gql.NewList(of)
		}
	case *ast.Named:
		return schema.Type(t.Name.Value)
	}
	return nil
}

func fits(t gql.Type, v any, path string) error {
	if v == nil {
		return nil
	}
	var want string
	switch t := t.(type) {
	case *gql.NonNull:
		return fits(t.OfType, v, path)
	case *gql.List:
		items, ok := v.([]any)
		if !ok { // one item stands for a list of it
			return fits(t.OfType, v, path)
		}
		for i, item := range items {
			if err := fits(t.OfType, item, fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
	case *gql.InputObject:
		fields, ok := v.(map[string]any)
		if !ok {
			return nil // told by graphql-go
		}
		for name, field := range t.Fields() {
			if err := fits(field.Type, fields[name], path+"."+name); err != nil {
				return err
			}
		}
	case *gql.Scalar:
		ok := true
		_, isText := v.(string)
		switch t {
		case gql.String:
			ok, want = isText, "text"
		case gql.ID:
			n, isNumber := v.(float64)
			ok, want = isText || isNumber && n == math.Trunc(n) && math.Abs(n) < 1<<53, "text"
		case gql.Boolean:
			_, ok = v.(bool)
			want = "true or false"
		}
		if !ok {
			return &requestError{code: "invalid", message: fmt.Sprintf("variable %s: expected %s", path, want)}
		}
	}
	return nil
}
