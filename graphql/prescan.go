package graphql

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Limits bound what one request may ask for.
type Limits struct {
	Body       int // bytes of the HTTP body
	Document   int // bytes of the document; long texts belong into variables
	Tokens     int // of the document
	Listed     int // tokens inside lists of the document; long lists belong into variables
	Nesting    int // of braces, brackets and parentheses in the document
	Directives int
	Depth      int // of fields
	Fields     int // and fragments that an operation selects, fragments expanded
	Declared   int // variables of an operation
	Nodes      int // that the answer may hold
	Variables  int // bytes of the variables
}

// DefaultLimits let the introspection queries of the usual clients pass and pages of 100 with two lists below.
func DefaultLimits() Limits {
	return Limits{Body: 1 << 20, Document: 128 << 10, Tokens: 4000, Listed: 500, Nesting: 40, Directives: 40, Depth: 16, Fields: 1500, Declared: 100, Nodes: 50_000, Variables: 256 << 10}
}

// prescan walks the text of a document once, before it is parsed, and refuses what would make the parser or the validator slow:
// too many tokens, too deep nesting, too many directives. It returns the text with two things blanked out that the parser does not
// get right: values that are null, a word it does not know (a null argument or default means the same as none), and comments, behind
// which it loses its place if they are not in ASCII. The text is copied only if there is something to blank out.
func prescan(text string, l Limits) (string, error) {
	if len(text) > l.Document {
		return "", limited("the document has more than %d bytes; send long values as variables", l.Document)
	}
	if !utf8.ValidString(text) {
		return "", &requestError{code: "invalid", message: "the document is not UTF-8"}
	}
	var (
		s                                          = scanner{text: text}
		tokens, nesting, lists, listed, directives int
		out                                        []byte
		recent                                     [3]token // the last tokens, the newest last
	)
	blank := func(from, to int) {
		if out == nil {
			out = []byte(text)
		}
		for i := from; i < to; i++ {
			if out[i] != '\n' && out[i] != '\r' {
				out[i] = ' '
			}
		}
	}
	for {
		t := s.next()
		if t.kind == end {
			break
		}
		if t.kind == comment {
			blank(t.from, t.to)
			continue
		}
		if tokens++; tokens > l.Tokens {
			return "", limited("the document has more than %d tokens", l.Tokens)
		}
		if lists > 0 {
			if listed++; listed > l.Listed {
				return "", limited("the lists of the document have more than %d items; send them as variables", l.Listed)
			}
		}
		switch t.kind {
		case '{', '(', '[':
			if nesting++; nesting > l.Nesting {
				return "", limited("the document is nested more than %d deep", l.Nesting)
			}
			if t.kind == '[' {
				lists++
			}
		case '}', ')', ']':
			nesting--
			if t.kind == ']' {
				lists--
			}
		case '@':
			if directives++; directives > l.Directives {
				return "", limited("the document has more than %d directives", l.Directives)
			}
		}
		if t.kind == word && text[t.from:t.to] == "null" {
			switch {
			case recent[2].kind == ':' && recent[1].kind == word: // name: null
				blank(recent[1].from, t.to)
				recent = [3]token{recent[0], recent[0], recent[0]}
				continue
			case recent[2].kind == '=': // $name: Type = null
				blank(recent[2].from, t.to)
				recent = [3]token{recent[0], recent[0], recent[1]}
				continue
			}
		}
		// "(" directly before ")" was left by a null taken out.
		if t.kind == ')' && recent[2].kind == '(' && out != nil {
			blank(recent[2].from, t.to)
		}
		recent = [3]token{recent[1], recent[2], t}
	}
	if out != nil {
		return string(out), nil
	}
	return text, nil
}

func limited(format string, args ...any) error {
	return &requestError{code: "limited", message: fmt.Sprintf(format, args...)}
}

// token is a piece of GraphQL text. Its kind is one of the constants below or the punctuation character itself.
type token struct {
	kind     byte
	from, to int
}

const (
	end     byte = 0
	word    byte = 'a' // a name
	numeral byte = '0'
	quoted  byte = '"'
	spread  byte = '.'
	comment byte = '#' // or a byte order mark
)

// scanner splits GraphQL text into the tokens that graphql-go's lexer finds in it, so that nothing is hidden from prescan.
type scanner struct {
	text string
	at   int
}

func (s *scanner) next() token {
	for s.at < len(s.text) {
		from := s.at
		switch c := s.text[s.at]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ',':
			s.at++
			continue
		case strings.HasPrefix(s.text[s.at:], "\ufeff"):
			s.at += 3
			return token{comment, from, s.at}
		case c == '#':
			s.skip(func(c byte) bool { return c != '\n' && c != '\r' })
			return token{comment, from, s.at}
		case c == '"':
			s.skipString()
			return token{quoted, from, s.at}
		case isDigit(c) || c == '-':
			s.skipNumeral()
			return token{numeral, from, s.at}
		case isNamePart(c):
			s.skip(isNamePart)
			return token{word, from, s.at}
		case strings.HasPrefix(s.text[s.at:], "..."):
			s.at += 3
			return token{spread, from, s.at}
		default:
			s.at++
			return token{c, from, s.at}
		}
	}
	return token{kind: end, from: s.at, to: s.at}
}

func (s *scanner) skip(while func(byte) bool) {
	for s.at < len(s.text) && while(s.text[s.at]) {
		s.at++
	}
}

// skipIf goes over one byte if it is one of these.
func (s *scanner) skipIf(these string) bool {
	ok := s.at < len(s.text) && strings.IndexByte(these, s.text[s.at]) >= 0
	if ok {
		s.at++
	}
	return ok
}

func (s *scanner) skipNumeral() {
	s.skipIf("-")
	s.skip(isDigit)
	if s.skipIf(".") {
		s.skip(isDigit)
	}
	if s.skipIf("eE") {
		s.skipIf("+-")
		s.skip(isDigit)
	}
}

func (s *scanner) skipString() {
	const block = `"""`
	if strings.HasPrefix(s.text[s.at:], block) {
		for s.at += 3; s.at < len(s.text); s.at++ {
			rest := s.text[s.at:]
			switch {
			case strings.HasPrefix(rest, block):
				s.at += 3
				return
			case strings.HasPrefix(rest, `\`+block): // the only escape there is in a block
				s.at += 3
			}
		}
		return
	}
	for s.at++; s.at < len(s.text); s.at++ {
		switch s.text[s.at] {
		case '\\':
			s.at++
		case '"':
			s.at++
			return
		case '\n', '\r': // not closed: the parser says so
			return
		}
	}
	s.at = min(s.at, len(s.text))
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isNamePart(c byte) bool {
	return c == '_' || isDigit(c) || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
