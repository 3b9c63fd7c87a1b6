package web

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/template/parse"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/cmd/asem/internal/web/language"
	"asem/domain"
)

var verb = regexp.MustCompile(`%(?:\[(\d+)\])?[a-z]`)

// arity is how many arguments a text takes.
func arity(text string) (n int) {
	next := 1
	for _, m := range verb.FindAllStringSubmatch(text, -1) {
		if m[1] != "" {
			next, _ = strconv.Atoi(m[1])
		}
		n = max(n, next)
		next++
	}
	return n
}

// englishTexts reads the texts and how many arguments each takes from their source.
func englishTexts(t *testing.T) map[string]int {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "language/english.go", nil, 0)
	require.NoError(t, err)
	literal := func(e ast.Expr) string {
		s, err := strconv.Unquote(e.(*ast.BasicLit).Value)
		require.NoError(t, err)
		return s
	}
	found := map[string]int{}
	ast.Inspect(f, func(n ast.Node) bool {
		list, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		if id, ok := list.Type.(*ast.Ident); !ok || id.Name != "texts" {
			return true
		}
		for _, e := range list.Elts {
			pair := e.(*ast.KeyValueExpr)
			text := ""
			switch v := pair.Value.(type) {
			case *ast.BasicLit:
				text = literal(v)
			case *ast.CompositeLit:
				for _, form := range v.Elts {
					if kv := form.(*ast.KeyValueExpr); kv.Key.(*ast.Ident).Name == "Other" {
						text = literal(kv.Value)
					}
				}
			}
			found[literal(pair.Key)] = arity(text)
		}
		return false
	})
	return found
}

// use is a text that is asked for.
type use struct {
	where, key string
	arguments  int
}

func usesInTemplates(t *testing.T) (list []use) {
	t.Helper()
	s := newServer(Config{})
	var walk func(name string, n parse.Node)
	walk = func(name string, n parse.Node) {
		switch n := n.(type) {
		case *parse.ListNode:
			if n != nil {
				for _, c := range n.Nodes {
					walk(name, c)
				}
			}
		case *parse.ActionNode:
			walk(name, n.Pipe)
		case *parse.IfNode:
			walk(name, n.Pipe)
			walk(name, n.List)
			walk(name, n.ElseList)
		case *parse.RangeNode:
			walk(name, n.Pipe)
			walk(name, n.List)
			walk(name, n.ElseList)
		case *parse.WithNode:
			walk(name, n.Pipe)
			walk(name, n.List)
			walk(name, n.ElseList)
		case *parse.TemplateNode:
			walk(name, n.Pipe)
		case *parse.PipeNode:
			if n != nil {
				for _, c := range n.Cmds {
					walk(name, c)
				}
			}
		case *parse.CommandNode:
			for _, a := range n.Args {
				walk(name, a)
			}
			var idents []string
			switch f := n.Args[0].(type) {
			case *parse.FieldNode:
				idents = f.Ident
			case *parse.VariableNode:
				idents = f.Ident
			}
			if len(idents) > 0 && idents[len(idents)-1] == "T" && len(n.Args) > 1 {
				if key, ok := n.Args[1].(*parse.StringNode); ok {
					list = append(list, use{name, key.Text, len(n.Args) - 2})
				}
			}
		}
	}
	for _, one := range s.journal.pages.Templates() {
		if one.Tree != nil {
			walk(one.Name(), one.Tree.Root)
		}
	}
	return list
}

// usesInGo lists the texts that code asks for, and every string in it that could be a key.
func usesInGo(t *testing.T) (list []use, words map[string]bool) {
	t.Helper()
	words = map[string]bool{}
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), e.Name(), nil, 0)
		require.NoError(t, err)
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BasicLit:
				if n.Kind == token.STRING {
					if s, err := strconv.Unquote(n.Value); err == nil {
						words[s] = true
					}
				}
			case *ast.CallExpr:
				if sel, ok := n.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "T" && len(n.Args) > 0 {
					if lit, ok := n.Args[0].(*ast.BasicLit); ok {
						key, _ := strconv.Unquote(lit.Value)
						list = append(list, use{e.Name(), key, len(n.Args) - 1})
					}
				}
			}
			return true
		})
	}
	return list, words
}

func TestTextsAreThere(t *testing.T) {
	texts := englishTexts(t)
	inGo, words := usesInGo(t)
	inTemplates := usesInTemplates(t)
	require.Greater(t, len(inTemplates), 100)
	require.Greater(t, len(inGo), 50)
	used := map[string]bool{}
	for _, u := range slices.Concat(inGo, inTemplates) {
		used[u.key] = true
		n, ok := texts[u.key]
		assert.True(t, ok, "%s asks for the text %q, which is not there", u.where, u.key)
		if ok {
			assert.Equal(t, n, u.arguments, "%s gives the text %q other arguments than it takes", u.where, u.key)
		}
	}
	for _, s := range domain.Scopes() {
		used["scope."+string(s)] = true
	}
	for _, timing := range []string{"own.ontime", "own.late"} {
		used[timing] = true
	}
	for key := range texts {
		assert.True(t, used[key] || words[key], "nothing shows the text %q", key)
		for _, l := range language.All() {
			assert.True(t, l.Has(key), "%s has no text %q", l.Tag, key)
		}
	}
}
