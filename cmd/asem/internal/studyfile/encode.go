package studyfile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// encode writes a value as YAML for people: keys in the order of the fields, short lists on one line, and long texts as they are. The YAML library
// writes some texts (with spaces or empty lines at their ends) so that nothing reads them back.
func encode(v any) []byte {
	var w bytes.Buffer
	block(&w, reflect.ValueOf(v), 0)
	return w.Bytes()
}

// block writes the keys of a struct or map, a line or more each.
func block(w *bytes.Buffer, v reflect.Value, indent int) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			tag := f.Tag.Get("yaml")
			if tag == "" {
				tag = f.Tag.Get("json")
			}
			name, options, _ := strings.Cut(tag, ",")
			if empty(v.Field(i)) && options != "" {
				continue
			}
			pair(w, name, v.Field(i), indent)
		}
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, k := range keys {
			pair(w, word(k.String()), v.MapIndex(k), indent)
		}
	}
}

func empty(v reflect.Value) bool {
	if v.Kind() == reflect.Slice || v.Kind() == reflect.Map {
		return v.Len() == 0
	}
	return v.IsZero()
}

func pair(w *bytes.Buffer, key string, v reflect.Value, indent int) {
	pad := strings.Repeat(" ", indent)
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			fmt.Fprintf(w, "%s%s: null\n", pad, key)
			return
		}
		v = v.Elem()
	}
	switch {
	case (v.Kind() == reflect.Struct || v.Kind() == reflect.Map) && hasKeys(v):
		fmt.Fprintf(w, "%s%s:\n", pad, key)
		block(w, v, indent+2)
	case v.Kind() == reflect.Struct || v.Kind() == reflect.Map:
		fmt.Fprintf(w, "%s%s: {}\n", pad, key)
	case v.Kind() == reflect.Slice && v.Len() > 0 && v.Type().Elem().Kind() == reflect.Struct:
		fmt.Fprintf(w, "%s%s:\n", pad, key)
		for i := range v.Len() {
			var item bytes.Buffer
			block(&item, v.Index(i), indent+4)
			if item.Len() == 0 {
				fmt.Fprintf(w, "%s  - {}\n", pad)
				continue
			}
			text := item.Bytes()
			text[indent+2] = '-' // in the place of the first key's indentation
			w.Write(text)
		}
	case v.Kind() == reflect.Slice:
		words := make([]string, v.Len())
		for i := range words {
			words[i] = scalar(v.Index(i))
		}
		fmt.Fprintf(w, "%s%s: [%s]\n", pad, key, strings.Join(words, ", "))
	case v.Kind() == reflect.String && ordinary.MatchString(v.String()) && strings.Contains(v.String(), "\n"):
		fmt.Fprintf(w, "%s%s: |-\n", pad, key)
		for line := range strings.SplitSeq(v.String(), "\n") {
			if line != "" {
				line = pad + "  " + line
			}
			fmt.Fprintln(w, line)
		}
	case v.Kind() == reflect.String:
		fmt.Fprintf(w, "%s%s: %s\n", pad, key, phrase(v.String()))
	default:
		fmt.Fprintf(w, "%s%s: %s\n", pad, key, scalar(v))
	}
}

func hasKeys(v reflect.Value) bool {
	var w bytes.Buffer
	block(&w, v, 0)
	return w.Len() > 0
}

func scalar(v reflect.Value) string {
	switch v.Kind() {
	case reflect.String:
		return word(v.String())
	case reflect.Float64:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	}
	return fmt.Sprint(v.Interface())
}

var (
	// ordinary are texts of several lines that stand as they are: nothing but words with single spaces between them, and empty lines in between.
	ordinary = regexp.MustCompile(`^[^\s\p{C}]+( [^\s\p{C}]+)*(\n+[^\s\p{C}]+( [^\s\p{C}]+)*)*$`)
	wordForm = regexp.MustCompile(`^[\p{L}\p{N}][\p{L}\p{M}\p{N}._@-]*$`)
	// phraseForm is what may stand after a key without quotes.
	phraseForm = regexp.MustCompile(`^[\p{L}\p{N}][\p{L}\p{M}\p{N} .,;/+()?!@_'-]*$`)
	reserved   = []string{"true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"}
)

// word writes a text where only a simple one may stand without quotes.
func word(s string) string {
	if wordForm.MatchString(s) && !looksOtherwise(s) {
		return s
	}
	return quoted(s)
}

// phrase writes a text after its key.
func phrase(s string) string {
	if hoursPattern.MatchString(s) || phraseForm.MatchString(s) && !strings.HasSuffix(s, " ") && !looksOtherwise(s) {
		return s
	}
	return quoted(s)
}

// looksOtherwise reports whether a text could be taken for a number, a date or a truth value.
func looksOtherwise(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return err == nil || !strings.ContainsFunc(s, unicode.IsLetter) || slices.Contains(reserved, strings.ToLower(s)) || numeral.MatchString(s)
}

var numeral = regexp.MustCompile(`^0[xob][0-9a-fA-F_]+$`)

// quoted writes a text in double quotes, with the escapes of JSON, which are those of YAML.
func quoted(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err) // a text always encodes
	}
	return strings.TrimSuffix(b.String(), "\n")
}
