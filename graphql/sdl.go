package graphql

import (
	"fmt"
	"sort"
	"strings"

	gql "github.com/graphql-go/graphql"
)

// SDL returns the schema as text in the schema definition language, types and fields sorted by name.
func SDL() (string, error) {
	b, err := build()
	if err != nil {
		return "", err
	}
	return printSchema(b.gql), nil
}

func printSchema(schema gql.Schema) string {
	var names []string
	for name := range schema.TypeMap() {
		if !strings.HasPrefix(name, "__") && name != "Int" && name != "Float" && name != "String" && name != "Boolean" && name != "ID" {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	parts := []string{"schema {\n  query: Query\n}\n"}
	for _, n := range names {
		parts = append(parts, printType(schema.TypeMap()[n]))
	}
	return strings.Join(parts, "\n")
}

func printType(t gql.Type) string {
	var b strings.Builder
	describe(&b, "", t.Description())
	switch t := t.(type) {
	case *gql.Scalar:
		fmt.Fprintf(&b, "scalar %s\n", t.Name())
	case *gql.Enum:
		fmt.Fprintf(&b, "enum %s {\n", t.Name())
		values := t.Values()
		sort.Slice(values, func(i, j int) bool { return values[i].Name < values[j].Name })
		for _, v := range values {
			describe(&b, "  ", v.Description)
			fmt.Fprintf(&b, "  %s\n", v.Name)
		}
		b.WriteString("}\n")
	case *gql.InputObject:
		fmt.Fprintf(&b, "input %s {\n", t.Name())
		fields := t.Fields()
		for _, name := range keys(fields) {
			describe(&b, "  ", fields[name].Description())
			fmt.Fprintf(&b, "  %s: %s\n", name, fields[name].Type)
		}
		b.WriteString("}\n")
	case *gql.Interface:
		fmt.Fprintf(&b, "interface %s {\n", t.Name())
		printFields(&b, t.Fields())
	case *gql.Object:
		fmt.Fprintf(&b, "type %s", t.Name())
		for i, in := range t.Interfaces() {
			b.WriteString([]string{" implements ", " & "}[min(i, 1)] + in.Name())
		}
		b.WriteString(" {\n")
		printFields(&b, t.Fields())
	}
	return b.String()
}

func printFields(b *strings.Builder, fields gql.FieldDefinitionMap) {
	for _, name := range keys(fields) {
		f := fields[name]
		describe(b, "  ", f.Description)
		fmt.Fprintf(b, "  %s", name)
		if len(f.Args) > 0 {
			sort.Slice(f.Args, func(i, j int) bool { return f.Args[i].Name() < f.Args[j].Name() })
			args := make([]string, len(f.Args))
			for i, a := range f.Args {
				args[i] = a.Name() + ": " + a.Type.String()
			}
			fmt.Fprintf(b, "(%s)", strings.Join(args, ", "))
		}
		fmt.Fprintf(b, ": %s\n", f.Type)
	}
	b.WriteString("}\n")
}

func describe(b *strings.Builder, indent, text string) {
	if text != "" {
		fmt.Fprintf(b, "%s\"%s\"\n", indent, strings.ReplaceAll(text, `"`, `\"`))
	}
}

func keys[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for k := range m {
		names = append(names, k)
	}
	sort.Strings(names)
	return names
}
