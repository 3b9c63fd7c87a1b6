package graphql

import (
	"fmt"
)

// Limits bound what one request may ask for.
type Limits struct {
	Body       int // bytes of the HTTP body
	Tokens     int // of the document
	Nesting    int // of braces, brackets and parentheses in the document
	Directives int
	Depth      int // of fields
	Fields     int // selected in the document, fragments expanded
	Nodes      int // that the answer may hold
	Variables  int // bytes of the variables
}

// DefaultLimits let the introspection queries of the usual clients pass and pages of 100 with two lists below.
func DefaultLimits() Limits {
	return Limits{Body: 1 << 20, Tokens: 4000, Nesting: 40, Directives: 40, Depth: 16, Fields: 1500, Nodes: 50_000, Variables: 256 << 10}
}

// prescan walks the text of a document once, before it is parsed, and refuses what would make the parser or
// the validator slow: too many tokens, too deep nesting, too many directives. It also takes out arguments whose
// value is null: the parser does not know the word, and a null argument means the same as none. The text is
// copied only if there is such an argument.
func prescan(text string, l Limits) (string, error) {
	s := scanner{text: text}
	var (
		tokens, nesting, directives int
		out                         []byte
		recent                      [3]token // the last tokens, the newest last
	)
	for {
		t := s.next()
		if t.kind == end {
			break
		}
		if tokens++; tokens > l.Tokens {
			return "", limited("the document has more than %d tokens", l.Tokens)
		}
		switch t.kind {
		case '{', '(', '[':
			if nesting++; nesting > l.Nesting {
				return "", limited("the document is nested more than %d deep", l.Nesting)
			}
		case '}', ')', ']':
			nesting--
		case '@':
			if directives++; directives > l.Directives {
				return "", limited("the document has more than %d directives", l.Directives)
			}
		}
		if t.kind == word && text[t.from:t.to] == "null" && recent[2].kind == ':' && recent[1].kind == word {
			if out == nil {
				out = []byte(text)
			}
			blank(out, recent[1].from, t.to)
			recent = [3]token{recent[0], recent[0], recent[0]}
			continue
		}
		// "(" directly before ")" was left by a null taken out.
		if t.kind == ')' && recent[2].kind == '(' && out != nil {
			blank(out, recent[2].from, t.to)
		}
		recent = [3]token{recent[1], recent[2], t}
	}
	if out != nil {
		return string(out), nil
	}
	return text, nil
}

func blank(b []byte, from, to int) {
	for i := from; i < to; i++ {
		if b[i] != '\n' {
			b[i] = ' '
		}
	}
}

func limited(format string, args ...any) error {
	return &requestError{code: "limited", message: fmt.Sprintf(format, args...)}
}

// token is a piece of GraphQL text. Its kind is word, text, end, or the punctuation character itself.
type token struct {
	kind     byte
	from, to int
}

const (
	end  byte = 0
	word byte = 'a'
	lit  byte = '"'
)

// scanner splits GraphQL text into tokens, roughly: enough to count them and to skip strings and comments.
type scanner struct {
	text string
	at   int
}

func (s *scanner) next() token {
	for s.at < len(s.text) {
		from := s.at
		switch c := s.text[s.at]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ',' || c == 0xEF || c == 0xBB || c == 0xBF:
			s.at++
		case c == '#':
			for s.at < len(s.text) && s.text[s.at] != '\n' && s.text[s.at] != '\r' {
				s.at++
			}
		case c == '"':
			s.skipString()
			return token{lit, from, s.at}
		case isWord(c):
			for s.at < len(s.text) && isWord(s.text[s.at]) {
				s.at++
			}
			return token{word, from, s.at}
		default:
			s.at++
			return token{c, from, s.at}
		}
	}
	return token{kind: end, from: s.at, to: s.at}
}

func (s *scanner) skipString() {
	quotes := `"`
	if len(s.text)-s.at >= 3 && s.text[s.at:s.at+3] == `"""` {
		quotes = `"""`
	}
	s.at += len(quotes)
	for s.at < len(s.text) {
		switch {
		case s.text[s.at] == '\\':
			s.at = min(s.at+2, len(s.text))
		case len(s.text)-s.at >= len(quotes) && s.text[s.at:s.at+len(quotes)] == quotes:
			s.at += len(quotes)
			return
		case len(quotes) == 1 && s.text[s.at] == '\n':
			return // not closed: the parser says so
		default:
			s.at++
		}
	}
}

func isWord(c byte) bool {
	return c == '_' || c == '-' || c == '.' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
