package mixed

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// FormulaError says where a formula is wrong and what was expected.
type FormulaError struct {
	Formula   string
	Line, Col int // from 1; Col counts characters
	Message   string
}

func (e *FormulaError) Error() string {
	return fmt.Sprintf("formula %q, line %d, column %d: %s", e.Formula, e.Line, e.Col, e.Message)
}

// Bounds on formulas. Real ones stay far below.
const (
	maxFormula = 10_000 // bytes
	maxDepth   = 100    // of nesting
	maxTerms   = 500
)

// node is a part of a parsed formula: a number, a name, a call, or an operator with one or two operands.
type node struct {
	op   string // "num", "name", "call", or the operator
	text string // of a name, a call or a number
	num  float64
	args []*node
	at   int // byte offset
}

// parser reads a formula. Operators bind as in R: ^, then unary -, then :, then * and /, then + and -, then | and ||.
type parser struct {
	src   string
	pos   int
	depth int
}

// parseFormula reads an expression such as "0 + role + role:time".
func parseFormula(src string) (*node, error) {
	p := &parser{src: src}
	if len(src) > maxFormula {
		return nil, p.fail(0, "the formula has %d bytes; at most %d are read", len(src), maxFormula)
	}
	if !utf8.ValidString(src) {
		return nil, p.fail(0, "the formula is not UTF-8 text")
	}
	n, err := p.expr(0)
	if err != nil {
		return nil, err
	}
	if p.space(); p.pos < len(p.src) {
		if p.src[p.pos] == '~' {
			return nil, p.fail(p.pos, "found ~; expected the right-hand side alone, for the outcome is named elsewhere")
		}
		return nil, p.fail(p.pos, "found %q; expected an operator or the end", p.rest())
	}
	return n, nil
}

func (p *parser) fail(at int, format string, args ...any) *FormulaError {
	return formulaError(p.src, at, format, args...)
}

func formulaError(src string, at int, format string, args ...any) *FormulaError {
	before := src[:min(at, len(src))]
	line := 1 + strings.Count(before, "\n")
	col := 1 + utf8.RuneCountInString(before[strings.LastIndex(before, "\n")+1:])
	return &FormulaError{Formula: src, Line: line, Col: col, Message: fmt.Sprintf(format, args...)}
}

// rest returns the next few characters, for messages.
func (p *parser) rest() string {
	r := []rune(p.src[p.pos:])
	if len(r) > 12 {
		r = r[:12]
	}
	return string(r)
}

func (p *parser) space() {
	for p.pos < len(p.src) {
		r, w := utf8.DecodeRuneInString(p.src[p.pos:])
		if !unicode.IsSpace(r) {
			return
		}
		p.pos += w
	}
}

// operators by how tightly they bind.
var binding = map[string]int{"|": 1, "||": 1, "+": 2, "-": 2, "*": 3, "/": 3, ":": 4, "^": 6}

const unaryBinding = 5

func (p *parser) operator() string {
	p.space()
	if strings.HasPrefix(p.src[p.pos:], "||") {
		return "||"
	}
	if p.pos < len(p.src) && strings.ContainsRune("|+-*/:^", rune(p.src[p.pos])) {
		return p.src[p.pos : p.pos+1]
	}
	return ""
}

// expr reads operands joined by operators that bind more tightly than least.
func (p *parser) expr(least int) (*node, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, p.fail(p.pos, "the formula is nested more than %d deep", maxDepth)
	}
	defer func() { p.depth-- }()
	left, err := p.operand()
	if err != nil {
		return nil, err
	}
	for {
		op := p.operator()
		bind, ok := binding[op]
		if !ok || bind <= least {
			return left, nil
		}
		at := p.pos
		p.pos += len(op)
		below := bind
		if op == "^" {
			below-- // right-associative
		}
		right, err := p.expr(below)
		if err != nil {
			return nil, err
		}
		left = &node{op: op, args: []*node{left, right}, at: at}
	}
}

func (p *parser) operand() (*node, error) {
	p.space()
	at := p.pos
	if at == len(p.src) {
		return nil, p.fail(at, "the formula ends here; expected a column, a number or a function")
	}
	r, _ := utf8.DecodeRuneInString(p.src[at:])
	switch {
	case r == '-' || r == '+':
		p.pos++
		x, err := p.expr(unaryBinding)
		if err != nil || r == '+' {
			return x, err
		}
		return &node{op: "neg", args: []*node{x}, at: at}, nil
	case r == '(':
		p.pos++
		x, err := p.expr(0)
		if err != nil {
			return nil, err
		}
		if err := p.closing(at); err != nil {
			return nil, err
		}
		return &node{op: "()", args: []*node{x}, at: at}, nil
	case r >= '0' && r <= '9' || r == '.' && at+1 < len(p.src) && p.src[at+1] >= '0' && p.src[at+1] <= '9':
		return p.number()
	case r == '`':
		end := strings.IndexByte(p.src[at+1:], '`')
		if end < 0 {
			return nil, p.fail(at, "the backquote is not closed")
		}
		if end == 0 {
			return nil, p.fail(at, "there is no name between the backquotes")
		}
		p.pos = at + end + 2
		return &node{op: "name", text: p.src[at+1 : at+1+end], at: at}, nil
	case isNameStart(r):
		return p.name()
	}
	return nil, p.fail(at, "found %q; expected a column, a number or a function", p.rest())
}

func isNameStart(r rune) bool { return unicode.IsLetter(r) || r == '.' || r == '_' }

func (p *parser) number() (*node, error) {
	at := p.pos
	for p.pos < len(p.src) {
		c := p.src[p.pos]
		exponent := (c == '-' || c == '+') && p.pos > at && (p.src[p.pos-1] == 'e' || p.src[p.pos-1] == 'E')
		if !(c >= '0' && c <= '9' || c == '.' || c == 'e' || c == 'E' || exponent) {
			break
		}
		p.pos++
	}
	x, err := strconv.ParseFloat(p.src[at:p.pos], 64)
	if err != nil {
		return nil, p.fail(at, "%q is not a number", p.src[at:p.pos])
	}
	return &node{op: "num", text: p.src[at:p.pos], num: x, at: at}, nil
}

func (p *parser) name() (*node, error) {
	at := p.pos
	for p.pos < len(p.src) {
		r, w := utf8.DecodeRuneInString(p.src[p.pos:])
		if !isNameStart(r) && !unicode.IsDigit(r) {
			break
		}
		p.pos += w
	}
	n := &node{op: "name", text: p.src[at:p.pos], at: at}
	if p.space(); p.pos == len(p.src) || p.src[p.pos] != '(' {
		return n, nil
	}
	open := p.pos
	p.pos++
	n.op = "call"
	for {
		x, err := p.expr(0)
		if err != nil {
			return nil, err
		}
		n.args = append(n.args, x)
		if p.space(); p.pos < len(p.src) && p.src[p.pos] == ',' {
			p.pos++
			continue
		}
		return n, p.closing(open)
	}
}

func (p *parser) closing(open int) error {
	if p.space(); p.pos == len(p.src) {
		return p.fail(open, "the parenthesis is not closed")
	}
	if p.src[p.pos] != ')' {
		return p.fail(p.pos, "found %q; expected an operator, a comma or a closing parenthesis", p.rest())
	}
	p.pos++
	return nil
}

// String writes a node as R would print it, which is how its columns are named.
func (n *node) String() string {
	switch n.op {
	case "num":
		return numberText(n.num)
	case "name":
		return quoted(n.text)
	case "neg":
		return "-" + n.args[0].String()
	case "()":
		return "(" + n.args[0].String() + ")"
	case "call":
		args := make([]string, len(n.args))
		for i, a := range n.args {
			args[i] = a.String()
		}
		return n.text + "(" + strings.Join(args, ", ") + ")"
	case "^", ":", "/":
		return n.args[0].String() + n.op + n.args[1].String()
	}
	return n.args[0].String() + " " + n.op + " " + n.args[1].String()
}

// quoted writes the name of a column as R does: in backquotes if it could not be read otherwise.
func quoted(name string) string {
	for i, r := range name {
		if !isNameStart(r) && (i == 0 || !unicode.IsDigit(r)) {
			return "`" + name + "`"
		}
	}
	return name
}

// numberText writes a number as R does: to 15 digits, and in whichever of the fixed and the scientific form is shorter,
// the fixed if they are equal.
func numberText(x float64) string {
	short, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 15, 64), 64)
	fixed, scientific := strconv.FormatFloat(short, 'f', -1, 64), strconv.FormatFloat(short, 'e', -1, 64)
	if len(fixed) <= len(scientific) {
		return fixed
	}
	return scientific
}
