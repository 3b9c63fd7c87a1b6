package graphql

import (
	"crypto/sha256"
	"fmt"
	"strings"

	gql "github.com/graphql-go/graphql"
	"github.com/graphql-go/graphql/gqlerrors"
	"github.com/graphql-go/graphql/language/ast"
	"github.com/graphql-go/graphql/language/parser"
	"github.com/graphql-go/graphql/language/source"
	"github.com/graphql-go/graphql/language/visitor"

	"asem/domain"
)

// document is a GraphQL document that was parsed and found valid.
type document struct {
	*ast.Document
	text string // as it was parsed, for the places of errors
}

const (
	keptDocuments    = 256
	keptDocumentSize = 8 << 10 // bytes of text; a syntax tree takes some fifty times that
)

// document returns a parsed and valid document, from memory if it came before. Only documents of those who are signed in are kept,
// so that nobody else can fill the memory or push them out.
func (h *Handler) document(text string, viewer Viewer) (document, error) {
	text, err := prescan(text, h.Limits)
	if err != nil {
		return document{}, err
	}
	key := sha256.Sum256([]byte(text))
	if viewer.SignedIn() {
		if doc, ok := h.documents.Get(key); ok {
			return doc, nil
		}
	}
	doc, err := parse(text, h.Limits)
	if err != nil {
		return document{}, err
	}
	if !viewer.SignedIn() && introspects(doc.Document) {
		return document{}, &requestError{code: string(domain.Forbidden), message: "the schema is shown to those who are signed in"}
	}
	if v := gql.ValidateDocument(&h.schema, doc.Document, firstErrorRules); !v.IsValid {
		e := v.Errors[0]
		message := e.Message
		if !viewer.SignedIn() {
			message, _, _ = strings.Cut(message, " Did you mean") // names fields that exist
		}
		return document{}, &requestError{code: "invalid", message: short(message), location: doc.places(e)}
	}
	if viewer.SignedIn() && len(text) <= keptDocumentSize {
		h.documents.Add(key, doc)
	}
	return doc, nil
}

// parse parses a document and refuses what the validator or the executor would not survive, or would take long over.
func parse(text string, l Limits) (document, error) {
	// Without its source in every node: graphql-go would search it for the place of every error, and it would stay in memory.
	tree, err := parser.Parse(parser.ParseParams{Source: source.NewSource(&source.Source{Body: []byte(text), Name: "query"}), Options: parser.ParseOptions{NoSource: true}})
	if err != nil {
		e := gqlerrors.FormatError(err)
		message, _, _ := strings.Cut(e.Message, "\n\n") // the rest quotes the document
		refused := &requestError{code: "invalid", message: short(message)}
		for _, at := range e.Locations {
			refused.location = append(refused.location, map[string]int{"line": at.Line, "column": at.Column})
		}
		return document{}, refused
	}
	doc := document{tree, text}
	fragments := map[string]*ast.FragmentDefinition{}
	var operations []*ast.OperationDefinition
	for _, d := range doc.Definitions {
		switch d := d.(type) {
		case *ast.FragmentDefinition:
			if fragments[d.Name.Value] != nil {
				return doc, &requestError{code: "invalid", message: fmt.Sprintf("two fragments are called %q", d.Name.Value)}
			}
			fragments[d.Name.Value] = d
		case *ast.OperationDefinition:
			for _, v := range d.VariableDefinitions {
				if v.Type == nil || typeName(v.Type) == "" { // the parser lets it pass
					return doc, &requestError{code: "invalid", message: "variable $" + v.Variable.Name.Value + " has no type"}
				}
			}
			operations = append(operations, d)
		default:
			return doc, &requestError{code: "invalid", message: "a document holds operations and fragments only"}
		}
	}
	if err := acyclic(fragments); err != nil {
		return doc, err
	}
	if err := allUsed(fragments, operations); err != nil { // what no operation uses would not be measured
		return doc, err
	}
	for _, op := range operations {
		if _, err := measure(doc.Document, op, nil, l); err != nil {
			return doc, err
		}
	}
	return doc, nil
}

// typeName is the name at the bottom of a type; empty if there is none.
func typeName(t ast.Type) string {
	switch t := t.(type) {
	case *ast.NonNull:
		return typeName(t.Type)
	case *ast.List:
		return typeName(t.Type)
	case *ast.Named:
		return t.Name.Value
	}
	return ""
}

// firstErrorRules are the rules of validation, each silent once one of them found an error: only the first is told, and a flood of
// them is a flood of work.
var firstErrorRules = func() []gql.ValidationRuleFn {
	rules := make([]gql.ValidationRuleFn, len(gql.SpecifiedRules))
	for i, rule := range gql.SpecifiedRules {
		rules[i] = func(c *gql.ValidationContext) *gql.ValidationRuleInstance {
			quiet := func(visit visitor.VisitFunc) visitor.VisitFunc {
				if visit == nil {
					return nil
				}
				return func(p visitor.VisitFuncParams) (string, any) {
					if len(c.Errors()) > 0 {
						return visitor.ActionNoChange, nil
					}
					return visit(p)
				}
			}
			instance := rule(c)
			for kind, f := range instance.VisitorOpts.KindFuncMap {
				instance.VisitorOpts.KindFuncMap[kind] = visitor.NamedVisitFuncs{Kind: quiet(f.Kind), Enter: quiet(f.Enter), Leave: quiet(f.Leave)}
			}
			return instance
		}
	}
	return rules
}()

// places turns the places of an error, which graphql-go gives in bytes from the start for want of the text, into lines and columns.
func (d document) places(e gqlerrors.FormattedError) []map[string]int {
	var list []map[string]int
	for _, at := range e.Locations {
		line, column := 1, 1
		for i, c := range d.text {
			if i >= at.Column-1 {
				break
			}
			if column++; c == '\n' {
				line, column = line+1, 1
			}
		}
		list = append(list, map[string]int{"line": line, "column": column})
	}
	return list
}

// short cuts a message of graphql-go that quotes much of a request.
func short(message string) string {
	const most = 400
	if len(message) <= most {
		return message
	}
	return strings.ToValidUTF8(message[:most], "") + " …"
}

func operationOf(doc *ast.Document, name string) (*ast.OperationDefinition, error) {
	var found *ast.OperationDefinition
	n := 0
	for _, d := range doc.Definitions {
		if op, ok := d.(*ast.OperationDefinition); ok {
			n++
			if name == "" || op.Name != nil && op.Name.Value == name {
				found = op
			}
		}
	}
	switch {
	case found == nil && name != "":
		return nil, &requestError{code: "invalid", message: fmt.Sprintf("the document has no operation %q", name)}
	case found == nil:
		return nil, &requestError{code: "invalid", message: "the document has no operation"}
	case name == "" && n > 1:
		return nil, &requestError{code: "invalid", message: "the document has several operations; name one in operationName"}
	}
	return found, nil
}

// introspects reports whether a document asks for the schema. To ask whether a type of some name exists, by
// __type(name: "X") { name }, does not count: it says less than any error about an unknown field.
func introspects(doc *ast.Document) bool {
	var in func(*ast.SelectionSet) bool
	in = func(set *ast.SelectionSet) bool {
		if set == nil {
			return false
		}
		for _, s := range set.Selections {
			switch s := s.(type) {
			case *ast.Field:
				switch {
				case s.Name.Value == "__schema", s.Name.Value == "__type" && !onlyNames(s.SelectionSet), in(s.SelectionSet):
					return true
				}
			case *ast.InlineFragment:
				if in(s.SelectionSet) {
					return true
				}
			}
		}
		return false
	}
	for _, d := range doc.Definitions {
		switch d := d.(type) {
		case *ast.OperationDefinition:
			if in(d.SelectionSet) {
				return true
			}
		case *ast.FragmentDefinition:
			if in(d.SelectionSet) {
				return true
			}
		}
	}
	return false
}

// onlyNames reports whether a selection holds nothing but the fields name and __typename.
func onlyNames(set *ast.SelectionSet) bool {
	if set == nil { // not valid, which the validator says
		return true
	}
	for _, s := range set.Selections {
		if f, ok := s.(*ast.Field); !ok || f.Name.Value != "name" && f.Name.Value != "__typename" {
			return false
		}
	}
	return true
}
