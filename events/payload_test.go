package events

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"asem/domain"
)

// draw fills a value at random: with texts in many scripts, empty and missing lists, and numbers at the ends of their ranges.
func draw(t *rapid.T, v reflect.Value) {
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.UnixMicro(rapid.Int64Range(-62135596800000000, 253402300799999999).Draw(t, "time")).UTC()))
	case v.Type() == reflect.TypeFor[domain.Date]():
		v.Set(reflect.ValueOf(domain.NewDate(2000, time.January, rapid.IntRange(1, 20000).Draw(t, "day"))))
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			draw(t, v.Field(i))
		}
	case v.Kind() == reflect.Pointer:
		if rapid.Bool().Draw(t, "there") {
			v.Set(reflect.New(v.Type().Elem()))
			draw(t, v.Elem())
		}
	case v.Kind() == reflect.Slice:
		if n := rapid.IntRange(-1, 3).Draw(t, "length"); n >= 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				draw(t, v.Index(i))
			}
		}
	case v.Kind() == reflect.Map:
		if n := rapid.IntRange(-1, 2).Draw(t, "size"); n >= 0 {
			v.Set(reflect.MakeMap(v.Type()))
			for range n {
				key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
				draw(t, key)
				draw(t, value)
				v.SetMapIndex(key, value)
			}
		}
	case v.Kind() == reflect.String:
		v.SetString(rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "A", "pr01", "<b>&\"\\\n\u2028", "배우자 반응성", "😀", "\xff\xfe"})).Draw(t, "text"))
	case v.Kind() == reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case v.CanInt():
		v.SetInt(rapid.Int64().Draw(t, "int"))
	case v.CanUint():
		v.SetUint(rapid.Uint64().Draw(t, "uint"))
	case v.CanFloat():
		v.SetFloat(rapid.Float64().Filter(func(f float64) bool { return f-f == 0 }).Draw(t, "float"))
	default:
		t.Fatalf("no way to draw a %s", v.Type())
	}
}

// Whatever this program writes is read as encoding/json reads it.
func TestPayloadsAreReadAsByEncodingJSON(t *testing.T) {
	for _, et := range domain.EventTypes() {
		t.Run(et.Name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				of := reflect.TypeOf(et.Example())
				e := reflect.New(of)
				draw(t, e.Elem())
				payload, err := json.Marshal(e.Interface())
				require.NoError(t, err)
				want, got := reflect.New(of), reflect.New(of)
				require.NoError(t, json.Unmarshal(payload, want.Interface()))
				require.NoError(t, unmarshal(payload, got.Interface()), "%s", payload)
				require.Equal(t, want.Interface(), got.Interface())
			})
		})
	}
}

func TestWrongPayloads(t *testing.T) {
	for payload, want := range map[string]string{
		``: "it is not JSON", `{`: "it is not JSON", `{"clip":`: "it is not JSON", `{"clip":"k`: "it is not JSON", `{"clip":"k"`: "it is not JSON", `{"clip":"k",}`: "it is not JSON",
		`{"clip":"k"} {}`: "something follows its end", `{"value":01}`: "it is not JSON", `{"value":NaN}`: "it is not JSON",
		`{"clip":"a` + "\n" + `b"}`: "it is not JSON", `{"clip":"\x"}`: "it is not JSON", `{'clip':"k"}`: "it is not JSON", `nil`: "it is not JSON",
		`{"clip":"k","clip":"k"}`: "it is not what the schema says", `{"Clip":"k"}`: "it is not what the schema says", `{"clop":"k"}`: "it is not what the schema says",
		`{"value":"secret"}`: "its field value is not a float64", `{"value":1.}`: "its field value is not a float64", `{"value":1e}`: "its field value is not a float64", `{"value":1e999}`: "its field value is not a float64", `{"value":[1]}`: "its field value is not a float64",
		`{"clip":7}`: "its field clip is not a string", `{"clip":{"a":1}}`: "its field clip is not a string", `{"ratedAt":"secret"}`: "its field ratedAt is not a time.Time",
	} {
		e := new(domain.RatingRecorded)
		err := unmarshal([]byte(payload), e)
		require.Error(t, err, payload)
		assert.Equal(t, want, err.Error(), payload)
	}
	for payload, want := range map[string]string{
		`{"entries":[{"answers":[{"item":"a","value":1},{"item":"b","value":1.5}]}]}`: "its field entries.answers.value is not a int", `{"entries":{}}`: "its field entries is not a []domain.DiaryEntry",
		`{"entries":[{}`: "it is not JSON", `{"entries":[{},]}`: "it is not JSON", `{"day":"2025-13-01"}`: "its field day is not a domain.Date", `[]`: "it is not what the schema says",
	} {
		err := unmarshal([]byte(payload), new(domain.DiarySubmitted))
		require.Error(t, err, payload)
		assert.Equal(t, want, err.Error(), payload)
	}
}
