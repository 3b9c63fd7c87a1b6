package events

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Every event type has a golden payload for each schema it ever had. A changed payload without a raised
// schema fails here; raise the schema in domain/registry.go and add an upcaster.
func TestPayloadsAreGolden(t *testing.T) {
	for _, et := range domain.EventTypes() {
		t.Run(et.Name, func(t *testing.T) {
			e := sample(reflect.TypeOf(et.Example())).Interface().(domain.Event)
			env, err := Encode(e)
			require.NoError(t, err)
			assert.Equal(t, et.Name, env.Type)
			var pretty map[string]any
			require.NoError(t, json.Unmarshal(env.Payload, &pretty))
			text, err := json.MarshalIndent(pretty, "", " ")
			require.NoError(t, err)
			path := filepath.Join("testdata", fmt.Sprintf("%s.v%d.json", et.Name, et.Schema))
			if *update {
				require.NoError(t, os.MkdirAll("testdata", 0o755))
				require.NoError(t, os.WriteFile(path, append(text, '\n'), 0o644))
			}
			golden, err := os.ReadFile(path)
			require.NoError(t, err, "run go test ./events -update and review the new file")
			assert.JSONEq(t, string(golden), string(text))
			back, err := Decode(env)
			require.NoError(t, err)
			assert.Equal(t, e, back)
			for schema := 1; schema <= et.Schema; schema++ {
				old, err := os.ReadFile(filepath.Join("testdata", fmt.Sprintf("%s.v%d.json", et.Name, schema)))
				require.NoError(t, err, "the golden of schema %d must stay", schema)
				read, err := Decode(Envelope{Type: et.Name, Schema: schema, Payload: old})
				require.NoError(t, err, "schema %d no longer reads", schema)
				again, err := Encode(read)
				require.NoError(t, err)
				assert.JSONEq(t, string(old), string(again.Payload), "schema %d reads as something else; where a step changes what an old payload says, give it a test of its own", schema)
			}
		})
	}
}

// sample fills a value so that every field is present in its payload.
func sample(t reflect.Type) reflect.Value {
	v := reflect.New(t).Elem()
	switch {
	case t == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Date(2025, 3, 1, 18, 30, 0, 123456000, time.UTC)))
	case t == reflect.TypeFor[domain.Date]():
		v.Set(reflect.ValueOf(domain.NewDate(2025, time.March, 1)))
	case t.Kind() == reflect.Struct:
		for i := range t.NumField() {
			v.Field(i).Set(sample(t.Field(i).Type))
		}
	case t.Kind() == reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
		v.Elem().Set(sample(t.Elem()))
	case t.Kind() == reflect.Slice:
		v.Set(reflect.Append(v, sample(t.Elem())))
	case t.Kind() == reflect.Map:
		v.Set(reflect.MakeMap(t))
		v.SetMapIndex(sample(t.Key()), sample(t.Elem()))
	case t.Kind() == reflect.String:
		v.SetString("x")
	case t.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.CanInt():
		v.SetInt(3)
	case v.CanUint():
		v.SetUint(3)
	case v.CanFloat():
		v.SetFloat(1.5)
	}
	return v
}

func TestDecodeRefusesWhatItDoesNotKnow(t *testing.T) {
	for name, env := range map[string]Envelope{
		"an unknown type":      {Type: "couple.teleported", Schema: 1, Payload: []byte(`{}`)},
		"a schema of tomorrow": {Type: "couple.separated", Schema: 2, Payload: []byte(`{}`)},
		"no schema":            {Type: "couple.separated", Payload: []byte(`{}`)},
	} {
		_, err := Decode(env)
		assert.ErrorIs(t, err, ErrUnknownType, name)
	}
	for name, payload := range map[string]string{
		"an unknown field": `{"on":"2025-03-01","by":"me"}`, "half a payload": `{"on":"2025-0`, "two values": `{"on":"2025-03-01"}{}`, "a wrong date": `{"on":"2025-13-01"}`,
	} {
		_, err := Decode(Envelope{Type: "couple.separated", Schema: 1, Payload: []byte(payload)})
		assert.Error(t, err, name)
	}
}

func FuzzDecode(f *testing.F) {
	for _, et := range domain.EventTypes() {
		env, err := Encode(et.Example())
		require.NoError(f, err)
		f.Add(et.Name, 1, env.Payload)
	}
	f.Fuzz(func(t *testing.T, name string, schema int, payload []byte) {
		e, err := Decode(Envelope{Type: name, Schema: schema, Payload: payload})
		if et, ok := domain.EventTypeNamed(name); ok && schema == et.Schema {
			slow, slowErr := et.Decode(func(to any) error {
				d := json.NewDecoder(bytes.NewReader(payload))
				d.DisallowUnknownFields()
				return d.Decode(to)
			})
			if err == nil && slowErr == nil {
				assert.Equal(t, slow, e, "the fast decoder reads what encoding/json does not")
			}
			if err != nil && slowErr == nil && !strings.Contains(err.Error(), "follows its end") {
				again, err := Encode(slow)
				require.NoError(t, err)
				assert.NotEqual(t, string(payload), string(again.Payload), "the fast decoder refuses what this program writes")
			}
		}
		if err != nil {
			return
		}
		env, err := Encode(e)
		require.NoError(t, err)
		back, err := Decode(env)
		require.NoError(t, err, "what was decoded, encoded, does not decode")
		assert.Equal(t, e, back)
	})
}
