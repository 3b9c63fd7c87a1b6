package yamltext

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// MaxBytes bounds a text: the longest questionnaire in three languages is far below.
const MaxBytes = 1 << 20

// Document is a YAML text of which every value's place is known.
type Document struct {
	Problems
	Name string // stands in errors

	places map[string]string // path of a value, such as waves[1].month -> line:column
	has    map[string]bool   // paths that were written out
}

// Read fills into, a pointer to a struct, from a text. Fields have the names of their yaml tags, else of their json tags. It is stricter than the
// library's own decoder, which turns 1.5 into 1, the text 007 into 7, and stops at the first problem: here text stays as it is written, a number
// is whole where a whole one is due, anchors and aliases are refused, and every problem has its line and column. Without a problem everything was filled.
func Read(name string, text []byte, into any) *Document {
	d := &Document{Name: name, places: map[string]string{}, has: map[string]bool{}}
	text, ok := d.decode(text)
	if !ok {
		return d
	}
	if line := tooDeep(text); line > 0 {
		d.At(fmt.Sprintf("%s:%d", name, line), "the text is nested too deeply")
		return d
	}
	root, err := parseYAML(text)
	if err != nil {
		var at yaml.Error
		if tab := tabbed(text, true); tab != "" {
			d.At(d.Name+":"+tab, tabMessage)
		} else if errors.As(err, &at) && at.GetToken() != nil {
			d.At(d.Name+":"+place(at.GetToken()), "%s", at.GetMessage())
		} else {
			d.At(name, "%v", err)
		}
		return d
	}
	d.fill(reflect.ValueOf(into).Elem(), root, "")
	return d
}

const tabMessage = "a tab indents the line; expected spaces"

// decode returns the text without its byte order mark, or notes why it is no text.
func (d *Document) decode(text []byte) ([]byte, bool) {
	switch {
	case len(text) > MaxBytes:
		d.At(d.Name, "the file has %d bytes; expected at most %d", len(text), MaxBytes)
		return nil, false
	case bytes.HasPrefix(text, []byte("\xFF\xFE")), bytes.HasPrefix(text, []byte("\xFE\xFF")), bytes.HasPrefix(text, []byte("\x00\x00\xFE\xFF")):
		d.At(d.Name, "the file starts with the byte order mark of UTF-16 or UTF-32; save it as UTF-8")
		return nil, false
	}
	text = bytes.TrimPrefix(text, []byte("\xEF\xBB\xBF"))
	if i := bytes.IndexByte(text, 0); i >= 0 {
		d.At(d.Name+":"+lineColumn(text, i), "there is a NUL byte; the file is damaged, or UTF-16: save it as UTF-8")
		return nil, false
	}
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && n == 1 {
			d.At(d.Name+":"+lineColumn(text, i), "the text is not UTF-8; save the file as UTF-8")
			return nil, false
		}
		i += n
	}
	if at := tabbed(text, false); at != "" {
		d.At(d.Name+":"+at, tabMessage)
		return nil, false
	}
	return text, true
}

// tabbed returns the place of the first line that a tab indents, which YAML does not allow and editors do not show; empty if there is none. Unless
// any is set, only lines that begin with one count: further in, tabs may belong to a text of several lines.
func tabbed(text []byte, any bool) string {
	line := 0
	for l := range bytes.Lines(text) {
		line++
		tab := bytes.IndexByte(l[:len(l)-len(bytes.TrimLeft(l, " \t"))], '\t')
		if (tab == 0 || tab > 0 && any) && len(bytes.TrimSpace(l)) > 0 {
			return fmt.Sprintf("%d:%d", line, tab+1)
		}
	}
	return ""
}

func lineColumn(text []byte, i int) string {
	before := text[:i]
	return fmt.Sprintf("%d:%d", 1+bytes.Count(before, []byte("\n")), 1+utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]))
}

// tooDeep returns the first line that no mapping or instrument nests as deeply as, or 0. Memory of the library grows with
// the square of the depth. Brackets in texts count as well, so the bounds are far above what is needed.
func tooDeep(text []byte) int {
	const brackets, indent = 64, 160
	depth, lead, line := 0, 0, 1
	for _, b := range text {
		switch b {
		case '\n', '\r':
			lead = 0
			if b == '\n' {
				line++
			}
			continue
		case '[', '{':
			depth++
		case ']', '}':
			depth = max(0, depth-1)
		}
		if lead >= 0 { // still before the first word of the line
			if lead++; b != ' ' && b != '-' && b != '?' && b != '\t' {
				lead = -1
			}
		}
		if depth > brackets || lead > indent {
			return line
		}
	}
	return 0
}

// parseYAML returns the one document of a text. The library promises no more than its tests do on broken
// input, and what a stranger sent must not end the program.
func parseYAML(text []byte) (root ast.Node, err error) {
	defer func() {
		if recover() != nil {
			root, err = nil, errors.New("the text is not YAML")
		}
	}()
	f, err := parser.ParseBytes(text, 0)
	switch {
	case err != nil:
		return nil, err
	case len(f.Docs) == 0 || f.Docs[0].Body == nil:
		return nil, errors.New("the file is empty")
	case len(f.Docs) > 1:
		return nil, fmt.Errorf("the file holds %d YAML documents; expected one", len(f.Docs))
	}
	return f.Docs[0].Body, nil
}

func place(t *token.Token) string {
	if t == nil || t.Position == nil {
		return "1:1"
	}
	return fmt.Sprintf("%d:%d", t.Position.Line, t.Position.Column)
}

// Where returns the place of a path, or of the nearest value around it.
func (d *Document) Where(path string) string {
	for {
		if p, ok := d.places[path]; ok {
			return d.Name + ":" + p
		}
		i := strings.LastIndexAny(path, ".[")
		if i < 0 && path == "" {
			return d.Name
		}
		path = path[:max(i, 0)]
	}
}

// Wrong notes a problem with the value at a path.
func (d *Document) Wrong(path, format string, args ...any) { d.At(d.Where(path), format, args...) }

// Has reports whether the value at a path was written out.
func (d *Document) Has(path string) bool { return d.has[path] }

// Result joins the problems; nil if there are none.
func (d *Document) Result() error { return d.Err(d.Name) }

func (d *Document) fill(v reflect.Value, n ast.Node, path string) {
	d.places[path] = place(start(n))
	if _, null := n.(*ast.NullNode); null && v.Kind() != reflect.String {
		return
	}
	d.has[path] = true
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.fill(v.Elem(), n, path)
	case reflect.Struct:
		d.fillStruct(v, n, path)
	case reflect.Map:
		d.fillMap(v, n, path)
	case reflect.Slice:
		d.fillSlice(v, n, path)
	default:
		d.fillScalar(v, n, path)
	}
}

// start returns the first token of a node; the library names the colon of a mapping.
func start(n ast.Node) *token.Token {
	switch n := n.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return n.Values[0].Key.GetToken()
		}
	case *ast.MappingValueNode:
		return n.Key.GetToken()
	}
	return n.GetToken()
}

// fields lists the pairs of a mapping, or notes that n is none.
func (d *Document) fields(n ast.Node, path, expected string) []*ast.MappingValueNode {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}
	}
	d.Wrong(path, "there is %s; expected %s", kindOf(n), expected)
	return nil
}

func (d *Document) fillStruct(v reflect.Value, n ast.Node, path string) {
	byKey := map[string]int{}
	for i := range v.NumField() {
		if key := keyOf(v.Type().Field(i)); key != "" {
			byKey[key] = i
		}
	}
	known := slices.Sorted(maps.Keys(byKey))
	for _, pair := range d.fields(n, path, "keys such as "+strings.Join(known[:min(3, len(known))], ", ")) {
		key, ok := scalarText(pair.Key)
		i, field := byKey[key]
		if !ok || !field {
			d.At(d.Name+":"+place(pair.Key.GetToken()), "there is no key %q here; expected one of %s%s", key, strings.Join(known, ", "), DidYouMean(key, known))
			continue
		}
		d.fill(v.Field(i), pair.Value, join(path, key))
	}
}

// keyOf returns the YAML key of a field: its yaml or json name.
func keyOf(f reflect.StructField) string {
	if !f.IsExported() {
		return ""
	}
	tag := f.Tag.Get("yaml")
	if tag == "" {
		tag = f.Tag.Get("json")
	}
	name, _, _ := strings.Cut(tag, ",")
	if name == "-" {
		return ""
	}
	return name
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func (d *Document) fillMap(v reflect.Value, n ast.Node, path string) {
	v.Set(reflect.MakeMap(v.Type()))
	for _, pair := range d.fields(n, path, "keys with values") {
		key, ok := scalarText(pair.Key)
		if !ok {
			d.At(d.Name+":"+place(pair.Key.GetToken()), "the key is %s; expected text", kindOf(pair.Key))
			continue
		}
		value := reflect.New(v.Type().Elem()).Elem()
		d.fill(value, pair.Value, join(path, key))
		v.SetMapIndex(reflect.ValueOf(key), value)
	}
}

func (d *Document) fillSlice(v reflect.Value, n ast.Node, path string) {
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		d.Wrong(path, "there is %s; expected a list", kindOf(n))
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(list.Values), len(list.Values)))
	for i, item := range list.Values {
		d.fill(v.Index(i), item, fmt.Sprintf("%s[%d]", path, i))
	}
}

func (d *Document) fillScalar(v reflect.Value, n ast.Node, path string) {
	text, ok := scalarText(n)
	if !ok {
		d.Wrong(path, "there is %s; expected %s", kindOf(n), expectation(v.Kind()))
		return
	}
	var err error
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Int:
		var whole int64
		whole, err = strconv.ParseInt(text, 10, 32) // far beyond any day, item or wave
		v.SetInt(whole)
	case reflect.Float64:
		var x float64
		if x, err = strconv.ParseFloat(text, 64); err == nil && (math.IsNaN(x) || math.IsInf(x, 0)) {
			err = strconv.ErrRange
		}
		v.SetFloat(x)
	case reflect.Bool:
		var b bool
		if b = text == "true"; !b && text != "false" {
			err = strconv.ErrSyntax
		}
		v.SetBool(b)
	default:
		panic("yamltext: no YAML for " + v.Type().String()) // a field of ours, not an input
	}
	if err != nil {
		d.Wrong(path, "%q was written; expected %s", Clip(text), expectation(v.Kind()))
	}
}

func expectation(k reflect.Kind) string {
	switch k {
	case reflect.Int:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	case reflect.Bool:
		return "true or false"
	}
	return "text"
}

// scalarText returns a scalar as it is written.
func scalarText(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.NullNode:
		if t := n.GetToken(); t.Type == token.NullType {
			return t.Value, true
		}
		return "", true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}

func kindOf(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a group of keys"
	case *ast.SequenceNode:
		return "a list"
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		return "an anchor or alias, which is not used here"
	case *ast.TagNode:
		return "a tag, which is not used here"
	case *ast.NullNode:
		return "nothing"
	}
	return "a single value"
}

// Clip shortens what is shown of an input.
func Clip(s string) string {
	const most = 40
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most]) + "…"
}
