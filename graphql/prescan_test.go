package graphql

import (
	"testing"

	"github.com/graphql-go/graphql/language/lexer"
	"github.com/graphql-go/graphql/language/source"
)

// What prescan counts is what graphql-go reads: in every text that its lexer takes, the scanner sees the same tokens at the
// same places, so that nothing passes the limits unseen.
func FuzzScannerAgreesWithTheLexer(f *testing.F) {
	for _, q := range []string{everything, `{a(b:null)}`, `{a(b:"\"null",c:null)}`, `"""x"""{a}`, "{a #null\n}", "{#é\na ב}", "\ufeff{a}", `{a(b:"""\\""" """)}`, `{a(b:"""\"""""")}`, "{...A...B}",
		`{a(b:-1.5e+3,c:1a,d:0)}`, `query($a:[Int!]=null){a @x(y:$a)}`, "{a\r\n,b}"} {
		f.Add(q)
	}
	unlimited := Limits{Document: 1 << 20, Tokens: 1 << 20, Listed: 1 << 20, Nesting: 1 << 20, Directives: 1 << 20}
	f.Fuzz(func(t *testing.T, text string) {
		clean, err := prescan(text, unlimited)
		if err != nil {
			return
		}
		if len(clean) != len(text) {
			t.Fatal("a document changed its length")
		}
		read, ours := lexer.Lex(source.NewSource(&source.Source{Body: []byte(clean)})), scanner{text: clean}
		for range len(clean) + 2 { // each token has a character at least
			want, err := read(0)
			if err != nil {
				return
			}
			got := ours.next()
			if want.Kind == lexer.EOF {
				if got.kind != end {
					t.Fatalf("%q at %d where the text ends", got.kind, got.from)
				}
				return
			}
			if got.kind == comment || got.from != want.Start || got.to != want.End {
				t.Fatalf("%q: %d to %d, expected %d to %d", clean, got.from, got.to, want.Start, want.End)
			}
		}
		t.Fatal("the lexer does not come to an end")
	})
}
