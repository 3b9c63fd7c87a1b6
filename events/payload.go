package events

import (
	"bytes"
	"encoding"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"sync"
	"sync/atomic"
	"unicode/utf8"
	"unsafe"

	"asem/domain"
)

// To read the log is mostly to read payloads, which are JSON. Each event type has a plan for it, made once, that takes a quarter of the time of encoding/json, and a
// fuzz test holds it to the results of that. It takes whatever encoding/json writes of an event, and refuses more than encoding/json does: fields that
// the type does not have (a newer program wrote them, and dropping them silently would lose data), has in other letters, or that stand there twice, and whatever
// follows the value.

// plan reads the next value to where p points: to a zero value of the type that the plan is for. Fields are set through pointers because to set them through package
// reflect takes an eighth of the whole time of reading a log; the tests under -race also check how pointers are used.
type plan func(r *payloadReader, p unsafe.Pointer) error

var plans = map[reflect.Type]plan{} // of events

func init() {
	made := map[reflect.Type]*plan{}
	for _, t := range domain.EventTypes() {
		of := reflect.TypeOf(t.Example())
		plans[of] = *planFor(of, made)
	}
}

// unmarshal reads a payload into the event that to points at, which is zero.
func unmarshal(payload []byte, to any) error {
	v := reflect.ValueOf(to).Elem()
	r := readers.Get().(*payloadReader)
	defer readers.Put(r)
	r.in, r.at = payload, 0
	err := plans[v.Type()](r, v.Addr().UnsafePointer())
	if r.space(); err == nil && r.at < len(r.in) {
		err = errors.New("something follows its end")
	}
	r.in = nil
	return err
}

// What can be wrong with a payload. The words quote nothing of it: they end up in logs and on pages.
var (
	errNotJSON = errors.New("it is not JSON")
	errFields  = errors.New("it is not what the schema says")
)

// misfit is a value of another kind than its field has.
type misfit struct{ field, kind string }

func (m *misfit) Error() string {
	if m.field == "" {
		return errFields.Error()
	}
	return fmt.Sprintf("its field %s is not a %s", m.field, m.kind)
}

// inside says in which field something is wrong.
func inside(field string, err error) error {
	if m, ok := err.(*misfit); ok { //nolint:errorlint // it is never wrapped
		if m.field != "" {
			field += "." + m.field
		}
		return &misfit{field, m.kind}
	}
	return err
}

// planFor returns the plan for a type: of the field types that events have, and panics for any other.
func planFor(t reflect.Type, made map[reflect.Type]*plan) *plan {
	if p, ok := made[t]; ok {
		return p
	}
	p := new(plan)
	made[t] = p
	switch kind := t.Kind(); {
	case reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		*p = textPlan(t)
	case reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()):
		panic(fmt.Sprintf("events: %s reads JSON by itself, for which there is no plan", t))
	case kind == reflect.Struct:
		*p = structPlan(t, made)
	case kind == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		*p = bytesPlan(t)
	case kind == reflect.Slice:
		*p = slicePlan(t, planFor(t.Elem(), made))
	case kind == reflect.Map && t.Key().Kind() == reflect.String && !t.Key().Implements(reflect.TypeFor[encoding.TextMarshaler]()):
		*p = mapPlan(t, planFor(t.Elem(), made))
	case kind == reflect.Pointer:
		*p = pointerPlan(t, planFor(t.Elem(), made))
	case kind == reflect.String:
		*p = stringPlan(t)
	case kind == reflect.Bool:
		*p = boolPlan(t)
	case kind == reflect.Int:
		*p = numberPlan(t, strconv.Atoi)
	case kind == reflect.Int64:
		*p = numberPlan(t, func(digits string) (int64, error) { return strconv.ParseInt(digits, 10, 64) })
	case kind == reflect.Uint64:
		*p = numberPlan(t, func(digits string) (uint64, error) { return strconv.ParseUint(digits, 10, 64) })
	case kind == reflect.Float64:
		*p = numberPlan(t, func(digits string) (float64, error) { return strconv.ParseFloat(digits, 64) })
	default:
		panic(fmt.Sprintf("events: there is no plan to read a %s", t))
	}
	return p
}

// fieldPlan is how a field of a struct is read.
type fieldPlan struct {
	name string
	lead []byte // the name as encoding/json writes it
	at   uintptr
	read *plan
}

// fieldPlans lists how the fields of a struct are read that begins at an offset; those of a struct within it that has no name stand among them.
func fieldPlans(t reflect.Type, offset uintptr, made map[reflect.Type]*plan) (fields []fieldPlan) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := bytes.Cut([]byte(f.Tag.Get("json")), []byte(","))
		switch {
		case f.Anonymous && f.Tag == "" && f.Type.Kind() == reflect.Struct:
			fields = append(fields, fieldPlans(f.Type, offset+f.Offset, made)...)
		case f.Anonymous || len(name) == 0 || !(len(options) == 0 || string(options) == "omitempty" || string(options) == "omitzero"):
			panic(fmt.Sprintf("events: there is no plan to read field %s of %s", f.Name, t))
		default:
			fields = append(fields, fieldPlan{string(name), fmt.Appendf(nil, "%q:", name), offset + f.Offset, planFor(f.Type, made)})
		}
	}
	return fields
}

func structPlan(t reflect.Type, made map[reflect.Type]*plan) plan {
	fields := fieldPlans(t, 0, made)
	if len(fields) > 64 {
		panic(fmt.Sprintf("events: there is no plan to read the %d fields of %s", len(fields), t))
	}
	return func(r *payloadReader, p unsafe.Pointer) error {
		if !r.take('{') {
			return r.other(t)
		}
		if r.take('}') {
			return nil
		}
		next, seen := 0, uint64(0)
		for {
			i, err := r.field(fields, next)
			if err != nil {
				return err
			}
			if seen&(1<<i) != 0 {
				return errFields
			}
			seen |= 1 << i
			next = i + 1
			if err := (*fields[i].read)(r, unsafe.Add(p, fields[i].at)); err != nil {
				return inside(fields[i].name, err)
			}
			if r.take(',') {
				continue
			}
			if r.take('}') {
				return nil
			}
			return errNotJSON
		}
	}
}

// field reads the name of a field and the colon, and returns which it is. Mostly it is the next, or one soon after it.
func (r *payloadReader) field(fields []fieldPlan, next int) (int, error) {
	r.space()
	for i := next; i < len(fields); i++ {
		if r.word(fields[i].lead) {
			return i, nil
		}
	}
	name, ok := r.text()
	if !ok || !r.take(':') {
		return 0, errNotJSON
	}
	for i := range fields {
		if fields[i].name == string(name) {
			return i, nil
		}
	}
	return 0, errFields
}

// maxForeseen bounds the room that is made for a list before it is read.
const maxForeseen = 64

func slicePlan(t reflect.Type, element *plan) plan {
	size := t.Elem().Size()
	var last atomic.Int32 // how many the last list had: it is often the same, and then the list is made once and of the right size
	return func(r *payloadReader, p unsafe.Pointer) error {
		if !r.take('[') {
			return r.other(t)
		}
		list := reflect.NewAt(t, p).Elem()
		if r.take(']') {
			list.Set(reflect.MakeSlice(t, 0, 0))
			return nil
		}
		list.Grow(int(max(1, last.Load())))
		for n, room := 0, list.Cap(); ; {
			if n == room {
				list.SetLen(n)
				list.Grow(n)
				room = list.Cap()
			}
			if err := (*element)(r, unsafe.Add(list.UnsafePointer(), uintptr(n)*size)); err != nil {
				return err
			}
			if n++; r.take(',') {
				continue
			}
			if r.take(']') {
				list.SetLen(n)
				last.Store(int32(min(n, maxForeseen)))
				return nil
			}
			return errNotJSON
		}
	}
}

func mapPlan(t reflect.Type, element *plan) plan {
	return func(r *payloadReader, p unsafe.Pointer) error {
		if !r.take('{') {
			return r.other(t)
		}
		m := reflect.MakeMap(t)
		reflect.NewAt(t, p).Elem().Set(m)
		if r.take('}') {
			return nil
		}
		for {
			name, ok := r.text()
			if !ok || !r.take(':') {
				return errNotJSON
			}
			key, value := reflect.New(t.Key()).Elem(), reflect.New(t.Elem()).Elem()
			key.SetString(r.keep(name))
			if m.MapIndex(key).IsValid() {
				return errFields
			}
			if err := (*element)(r, value.Addr().UnsafePointer()); err != nil {
				return err
			}
			m.SetMapIndex(key, value)
			if r.take(',') {
				continue
			}
			if r.take('}') {
				return nil
			}
			return errNotJSON
		}
	}
}

func pointerPlan(t reflect.Type, element *plan) plan {
	return func(r *payloadReader, p unsafe.Pointer) error {
		if r.space(); r.word(null) {
			return nil
		}
		to := r.room(t.Elem())
		*(*unsafe.Pointer)(p) = to
		return (*element)(r, to)
	}
}

func stringPlan(t reflect.Type) plan {
	return func(r *payloadReader, p unsafe.Pointer) error {
		text, ok := r.text()
		if !ok {
			return r.other(t)
		}
		*(*string)(p) = r.keep(text)
		return nil
	}
}

// bytesPlan reads bytes, which are a text in base64 (RFC 4648, section 4).
func bytesPlan(t reflect.Type) plan {
	return func(r *payloadReader, p unsafe.Pointer) error {
		text, ok := r.text()
		if !ok {
			return r.other(t)
		}
		b, err := base64.StdEncoding.Strict().AppendDecode([]byte{}, text)
		if err != nil {
			return &misfit{kind: t.String()}
		}
		*(*[]byte)(p) = b
		return nil
	}
}

// textPlan reads what is a text in JSON and something else to the program, such as a date.
func textPlan(t reflect.Type) plan {
	return func(r *payloadReader, p unsafe.Pointer) error {
		text, ok := r.text()
		if !ok {
			return r.other(t)
		}
		if reflect.NewAt(t, p).Interface().(encoding.TextUnmarshaler).UnmarshalText(text) != nil {
			return &misfit{kind: t.String()}
		}
		return nil
	}
}

func boolPlan(t reflect.Type) plan {
	return func(r *payloadReader, p unsafe.Pointer) error {
		r.space()
		for _, word := range words {
			if r.word(word) {
				*(*bool)(p) = len(word) == len("true")
				return nil
			}
		}
		return r.other(t)
	}
}

func numberPlan[N int | int64 | uint64 | float64](t reflect.Type, parse func(digits string) (N, error)) plan {
	return func(r *payloadReader, p unsafe.Pointer) error {
		digits := r.number()
		if digits == nil {
			return r.other(t)
		}
		n, err := parse(unsafe.String(&digits[0], len(digits))) // which keeps nothing of it but in its error
		if err != nil {
			return &misfit{kind: t.String()}
		}
		*(*N)(p) = n
		return nil
	}
}

// payloadReader takes JSON apart.
type payloadReader struct {
	in    []byte
	at    int         // of what is next; to cut the beginning off in would have the garbage collector look at every step
	texts [512]string // short texts that were met before: roles, items and the like are the same in most events
	ints  []int       // to be pointed at: answers are, and making them one by one takes as long as reading them
}

var readers = sync.Pool{New: func() any { return new(payloadReader) }}

var (
	null  = []byte("null")
	words = [...][]byte{[]byte("true"), []byte("false")}
)

// room returns a pointer to a new zero value.
func (r *payloadReader) room(t reflect.Type) unsafe.Pointer {
	if t != reflect.TypeFor[int]() {
		return reflect.New(t).UnsafePointer()
	}
	if len(r.ints) == 0 {
		r.ints = make([]int, 16)
	}
	p := &r.ints[0]
	r.ints = r.ints[1:]
	return unsafe.Pointer(p)
}

// other takes a value that is not of type t: null leaves zero, and anything else is wrong.
func (r *payloadReader) other(t reflect.Type) error {
	r.space()
	switch {
	case r.word(null):
		return nil
	case r.at == len(r.in) || bytes.IndexByte([]byte(`{["tf-0123456789`), r.in[r.at]) < 0 || r.in[r.at] == '"' && !r.whole():
		return errNotJSON
	}
	return &misfit{kind: t.String()}
}

// whole says whether the text at hand is whole, and takes it.
func (r *payloadReader) whole() bool {
	_, ok := r.text()
	return ok
}

// space skips what may stand between values.
func (r *payloadReader) space() {
	for r.at < len(r.in) && (r.in[r.at] == ' ' || r.in[r.at] == '\n' || r.in[r.at] == '\t' || r.in[r.at] == '\r') {
		r.at++
	}
}

// word takes a word, if it is the next.
func (r *payloadReader) word(w []byte) bool {
	if !bytes.HasPrefix(r.in[r.at:], w) {
		return false
	}
	r.at += len(w)
	return true
}

// take takes one character, if it is the next after space.
func (r *payloadReader) take(c byte) bool {
	r.space()
	if r.at == len(r.in) || r.in[r.at] != c {
		return false
	}
	r.at++
	return true
}

// text takes a text in quotes. If there is none, or it does not end, it takes nothing. What it returns may be part of the payload.
func (r *payloadReader) text() ([]byte, bool) {
	r.space()
	b := r.in[r.at:]
	if len(b) == 0 || b[0] != '"' {
		return nil, false
	}
	ascii, simple := true, true
	for i := 1; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			text := b[1:i]
			if !simple || !ascii && !utf8.Valid(text) {
				var s string
				if json.Unmarshal(b[:i+1], &s) != nil {
					return nil, false
				}
				text = []byte(s)
			}
			r.at += i + 1
			return text, true
		case c == '\\':
			simple = false
			i++
		case c < ' ':
			return nil, false
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return nil, false
}

// keep returns a text that stays when the payload is gone.
func (r *payloadReader) keep(text []byte) string {
	if len(text) > 32 {
		return string(text)
	}
	hash := uint32(len(text))
	for _, c := range text {
		hash = hash*31 + uint32(c)
	}
	known := &r.texts[hash%uint32(len(r.texts))]
	if *known != string(text) {
		*known = string(text)
	}
	return *known
}

// number takes a number. If there is none it takes nothing.
func (r *payloadReader) number() []byte {
	r.space()
	b, i := r.in[r.at:], 0
	digits := func() bool {
		begin := i
		for i < len(b) && '0' <= b[i] && b[i] <= '9' {
			i++
		}
		return i > begin
	}
	if i < len(b) && b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if !digits() {
		return nil
	}
	if i < len(b) && b[i] == '.' {
		if i++; !digits() {
			return nil
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if !digits() {
			return nil
		}
	}
	r.at += i
	return b[:i]
}
