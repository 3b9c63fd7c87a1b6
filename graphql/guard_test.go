package graphql

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	gql "github.com/graphql-go/graphql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// newToy is a handler over a schema with the fields of Query only.
func newToy(t *testing.T, timeout time.Duration, fields map[string]func(context.Context) (any, error)) (*server, *Handler) {
	t.Helper()
	q := newObject("Query", "", func(root) string { return "" })
	var r rules
	for name, resolve := range fields {
		q.field(&r, name, gql.String, "", anybody, nil, func(ctx context.Context, _ root, _ arguments) (any, error) { return resolve(ctx) })
	}
	q.typ.IsTypeOf = nil
	schema, err := gql.NewSchema(gql.SchemaConfig{Query: q.typ})
	require.NoError(t, err)
	s := &server{log: &bytes.Buffer{}}
	signedIn := func(r *http.Request) (Viewer, error) {
		if r.Header.Get("Authorization") == "" {
			return Viewer{}, nil
		}
		return Viewer{Role: "researcher"}, nil
	}
	h, err := newHandler(Config{Logger: slog.New(slog.NewTextHandler(s.log, nil)), Timeout: timeout, Authenticate: signedIn}, schema)
	require.NoError(t, err)
	s.Handler = h
	return s, h
}

func TestWhatGoesWrongInsideStaysInside(t *testing.T) {
	boom := func(context.Context) (any, error) { panic("secret: the answer of participant 7") }
	s, _ := newToy(t, 0, map[string]func(context.Context) (any, error){
		"panics": boom,
		"later":  func(ctx context.Context) (any, error) { return thunk(func() (any, error) { return boom(ctx) }), nil },
		"sql":    func(context.Context) (any, error) { return "secret", errors.New("secret: select * from answer") },
	})
	out := s.ask(t, "", "{panics later sql again:sql}", nil)
	shown := fmt.Sprint(out)
	assert.NotContains(t, shown, "secret")
	assert.Equal(t, map[string]any{"panics": nil, "later": nil, "sql": nil, "again": nil}, out["data"])
	ids := map[any]bool{}
	for _, e := range out["errors"].([]any) {
		x := e.(map[string]any)["extensions"].(map[string]any)
		assert.Equal(t, "internal", x["code"])
		assert.Contains(t, s.log.String(), x["id"])
		ids[x["id"]] = true
	}
	assert.Len(t, ids, 3, "one line in the log for a cause, however many fields it struck")
	assert.Equal(t, 3, strings.Count(s.log.String(), "\n"))
}

func TestADeadlineEndsARequest(t *testing.T) {
	var calls int
	s, _ := newToy(t, 50*time.Millisecond, map[string]func(context.Context) (any, error){
		"slow": func(ctx context.Context) (any, error) { calls++; <-ctx.Done(); return nil, ctx.Err() },
	})
	out := s.ask(t, "", "{a:slow b:slow c:slow}", nil)
	assert.Contains(t, fmt.Sprint(out["errors"]), "took too long")
	assert.NotContains(t, out, "data")
}

// Only what somebody signed in asks is kept in memory, and only if it is small.
func TestDocumentsKept(t *testing.T) {
	s, h := newToy(t, 0, map[string]func(context.Context) (any, error){"a": func(context.Context) (any, error) { return "x", nil }})
	for _, c := range []struct {
		token, query string
		kept         int
	}{{"", "{a}", 0}, {"R", "{a b:a}", 1}, {"R", "{a b:a}", 1}, {"R", "{a} #" + strings.Repeat("x", keptDocumentSize), 1}, {"R", "{nope}", 1}} {
		s.ask(t, c.token, c.query, nil)
		assert.Equal(t, c.kept, h.documents.Len(), c.query[:3])
	}
	// A kept document does not carry one viewer's rights to another.
	assert.NotContains(t, fmt.Sprint(s.ask(t, "R", "{__schema{queryType{name}}}", nil)), "signed in")
	assert.Contains(t, fmt.Sprint(s.ask(t, "", "{__schema{queryType{name}}}", nil)), "signed in")
}

func TestManyAtOnce(t *testing.T) {
	s := newServer(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 10 {
				couple := (i+j)%3 + 1
				got := s.ask(t, "S", `query($c:String!){study(code:"S"){participant(code:$c){code couple{code partners{trajectory(construct:"quality"){value}}}}}}`, map[string]any{"c": fmt.Sprintf("%d-A", couple)})
				assert.Contains(t, fmt.Sprint(got), fmt.Sprintf("[%d %d]", 100*(couple-1), 100*(couple-1)+1))
			}
		})
	}
	wg.Wait()
}

// Whatever is sent, the answer is JSON of the protocol, and nobody learns of a study without signing in.
func FuzzHandler(f *testing.F) {
	s := newServer(f)
	for _, q := range []string{everything, empty(20), multiplying(5), `{__type(name:"X")}`, `{__type(name:"X"){...on __Type{name}}}`, `query($n:Int=100){studies(first:$n){totalCount}}`, `{a:node(id:"c3R1ZHkvUw"){id}}`,
		`subscription{x}`, `mutation{x}`, `fragment A on Query{__typename}`, `{study(code:"S",id:null){code}}`, `{changeModel(input:{study:"S",kind:"growth",outcome:"quality"}){status}}`} {
		f.Add(q, `{"n":1}`, "")
	}
	f.Fuzz(func(t *testing.T, query, variables, operation string) {
		var v any
		if json.Unmarshal([]byte(variables), &v) != nil {
			v = nil
		}
		body, err := json.Marshal(map[string]any{"query": query, "variables": v, "operationName": operation})
		if err != nil {
			return
		}
		for _, token := range []string{"", "S"} {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/graphql", bytes.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			if token != "" {
				r.Header.Set("Authorization", token)
			}
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if ctx.Err() != nil {
				t.Fatal("took longer than 10 s")
			}
			cancel()
			var out struct {
				Data   any
				Errors []any
			}
			if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || out.Data == nil && len(out.Errors) == 0 {
				t.Fatalf("%v: %s", err, w.Body)
			}
			if w.Code >= 500 || strings.Contains(w.Body.String(), `"internal"`) {
				t.Fatalf("%d: %s %s", w.Code, w.Body, s.log)
			}
			if token == "" && strings.Contains(w.Body.String(), "Study S") {
				t.Fatal("an anonymous caller reads of a study")
			}
		}
	})
}
