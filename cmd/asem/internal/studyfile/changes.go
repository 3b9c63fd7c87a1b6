package studyfile

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"asem/domain"
)

// Changes tells in words, a line each, what differs between the protocol that a study has and another one. None means that nothing does.
func Changes(now *domain.Study, next *Plan) []string {
	after := &domain.Study{Code: now.Code, Title: now.Title, Zone: now.Zone, Protocol: next.Protocol, Instruments: now.Instruments}
	a, b := flatten(fileOf(now)), flatten(fileOf(after))
	var list []string
	for _, line := range b.order {
		old, known := a.value[line]
		switch {
		case !known && b.value[line] == "": // a part, of which the lines below tell
			if !strings.Contains(line, ": ") {
				list = append(list, "new: "+line)
			}
		case !known:
			if part, _, _ := strings.Cut(line, ": "); a.has(part) || !b.isPart(part) {
				list = append(list, fmt.Sprintf("%s: %s (not set before)", line, short(b.value[line])))
			}
		case old != b.value[line]:
			list = append(list, fmt.Sprintf("%s: %s instead of %s", line, short(b.value[line]), short(old)))
		}
	}
	for _, line := range a.order {
		if b.has(line) {
			continue
		}
		part, _, below := strings.Cut(line, ": ")
		switch {
		case !below && a.isPart(line):
			list = append(list, "no longer: "+line)
		case !below || b.has(part) || !a.isPart(part):
			list = append(list, fmt.Sprintf("%s: no longer %s", line, short(a.value[line])))
		}
	}
	if x, y := now.Protocol.AnalysisHash(), next.Protocol.AnalysisHash(); x != y && now.Protocol.Version > 0 {
		list = append(list, fmt.Sprintf("the plan of analysis has sha256 %.12s instead of %.12s: say in publications that it changed", cond(y), cond(x)))
	}
	return list
}

func cond(sum string) string {
	if sum == "" {
		return "none"
	}
	return sum
}

func short(s string) string {
	if s = strings.Join(strings.Fields(s), " "); len([]rune(s)) > 60 {
		return fmt.Sprintf("%q", string([]rune(s)[:60])+"…")
	}
	return s
}

// lines are the values of a file, each under words that tell it apart wherever it stands. A part of a list has an empty value.
type lines struct {
	order []string
	value map[string]string
}

func (l *lines) has(line string) bool { _, ok := l.value[line]; return ok }

func (l *lines) isPart(line string) bool { v, ok := l.value[line]; return ok && v == "" }

func (l *lines) add(line, value string) {
	if !l.has(line) {
		l.order = append(l.order, line)
	}
	l.value[line] = value
}

func flatten(f file) *lines {
	l := &lines{value: map[string]string{}}
	f.OwnInstruments = nil // no version of an instrument ever changes
	f.Instruments = nil    // follows from waves and diaries
	v := reflect.ValueOf(f)
	for i := range v.NumField() {
		key := keyOf(v.Type().Field(i))
		l.walk(key, key, v.Field(i), true)
	}
	return l
}

// singular are the lists whose elements are told by name.
var singular = map[string]string{
	"waves": "wave", "diaries": "diary", "roles": "role", "sites": "site", "consents": "consent to", "constructs": "construct", "showings": "showing of", "notes": "note",
	"reminders": "reminder", "tasks": "task", "schemes": "coding scheme", "arms": "arm", "changeEvents": "change event", "analyses": "analysis", "help": "help line", "dimensions": "dimension",
}

func keyOf(f reflect.StructField) string {
	tag := f.Tag.Get("yaml")
	if tag == "" {
		tag = f.Tag.Get("json")
	}
	name, _, _ := strings.Cut(tag, ",")
	return name
}

func (l *lines) walk(line, key string, v reflect.Value, top bool) {
	separator := ", "
	if top {
		separator = ": "
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			l.walk(line, key, v.Elem(), top)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			key := keyOf(v.Type().Field(i))
			l.walk(line+separator+key, key, v.Field(i), false)
		}
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, k := range keys {
			l.walk(line+" "+k.String(), key, v.MapIndex(k), false)
		}
	case reflect.Slice:
		l.list(line, key, v, top)
	default:
		if !v.IsZero() {
			l.add(line, fmt.Sprint(v.Interface()))
		}
	}
}

func (l *lines) list(line, key string, v reflect.Value, top bool) {
	if v.Type().Elem().Kind() != reflect.Struct {
		words := make([]string, v.Len())
		for i := range words {
			words[i] = fmt.Sprint(v.Index(i).Interface())
		}
		if len(words) > 0 {
			l.add(line, strings.Join(words, ", "))
		}
		return
	}
	for i := range v.Len() {
		name := key
		if one, ok := singular[key]; ok {
			name = one
		}
		name += " " + identity(v.Index(i), i)
		if !top {
			name = line + ", " + name
		} else {
			l.add(name, "")
		}
		l.walk(name, "", v.Index(i), top)
	}
}

// identity is what an element of a list is known by: a code or name where it has one, else its place.
func identity(v reflect.Value, i int) string {
	switch x := v.Interface().(type) {
	case wave:
		return fmt.Sprint(i + 1)
	case domain.RoleLabel:
		return string(x.Role)
	case domain.ConsentForm:
		return string(x.Scope)
	case domain.Showing:
		return x.Instrument
	case domain.AtRisk:
		return x.Item
	}
	for _, field := range []string{"Code", "Name"} {
		if f := v.FieldByName(field); f.IsValid() && f.Kind() == reflect.String {
			return f.String()
		}
	}
	return fmt.Sprint(i + 1)
}
