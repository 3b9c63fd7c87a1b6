package graphql

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
	"asem/events"
	"asem/events/sqlite"
	"asem/projections"
)

// server is a handler over a small study S of three couples and an empty study T. Authorization: "S" or "T" signs in a researcher
// of that study.
type server struct {
	http.Handler
	store *projections.Store
	log   *bytes.Buffer
}

func newServer(t testing.TB) *server {
	t.Helper()
	ctx := context.Background()
	log, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "log.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, log.Close()) })
	store, err := projections.OpenSQLite(ctx, filepath.Join(t.TempDir(), "read.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	_, err = events.NewExecutor(log).ExecuteAll(ctx, uuid.New(), testOrders())
	require.NoError(t, err)
	require.NoError(t, projections.CatchUp(ctx, log, projections.All(store), nil))
	s := &server{store: store, log: &bytes.Buffer{}}
	s.Handler, err = New(Config{Store: store, Logger: slog.New(slog.NewTextHandler(s.log, nil)), Authenticate: func(r *http.Request) (Viewer, error) {
		switch a := r.Header.Get("Authorization"); a {
		case "":
			return Viewer{}, nil
		case "S", "T":
			return Viewer{Role: domain.ActorResearcher, Studies: []string{a}}, nil
		}
		return Viewer{}, fmt.Errorf("no such token")
	}})
	require.NoError(t, err)
	return s
}

// testOrders make three couples of study S with a score of quality at two waves each.
func testOrders() []domain.Order {
	at := time.Date(2025, 1, 1, 12, 0, 0, 0, time.UTC)
	give := func(c domain.Command) domain.Order {
		return domain.Order{By: domain.Actor{Role: domain.ActorSystem, Subject: "test"}, At: at, Command: c}
	}
	var list []domain.Order
	for _, code := range []string{"S", "T"} {
		list = append(list, give(domain.CreateStudy{Study: code, Title: "Study " + code, Zone: "Etc/UTC"}),
			give(domain.PublishProtocol{Study: code, Protocol: domain.Protocol{Version: 1, Roles: []domain.RoleLabel{{Role: "A", Label: "w"}, {Role: "B", Label: "h"}}, TimeUnitMonths: 12,
				Waves: []domain.Wave{{Index: 1}, {Index: 2, Month: 12}}, Constructs: []domain.Construct{{Code: "quality"}}, AfterSeparation: domain.ContinueAfterSeparation}}))
	}
	for i := range 3 {
		c := fmt.Sprint(i + 1)
		list = append(list, give(domain.EnrolCouple{Study: "S", Couple: c, EnrolledOn: domain.NewDate(2025, 1, 1+i), Participants: []domain.NewParticipant{{Role: "A", Code: c + "-A"}, {Role: "B", Code: c + "-B"}}}))
		for r, role := range []domain.Role{"A", "B"} {
			list = append(list, give(domain.GiveConsent{Study: "S", Couple: c, Role: role, Scope: domain.ScopeQuestionnaires, Version: "1"}))
			for w := range 2 {
				list = append(list, give(domain.RecordScore{Study: "S", Couple: c, Role: role, Wave: w + 1, Construct: "quality", Value: float64(100*i + 10*r + w), MeasuredAt: at}))
			}
		}
	}
	return list
}

// ask posts a query as a researcher of a study, or as nobody.
func (s *server) ask(t testing.TB, token, query string, variables map[string]any) map[string]any {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	require.NoError(t, err)
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/graphql", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", token)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	var out map[string]any
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &out), w.Body.String())
	return out
}

// data asks and expects no errors.
func (s *server) data(t testing.TB, query string, variables map[string]any) map[string]any {
	t.Helper()
	out := s.ask(t, "S", query, variables)
	require.Empty(t, out["errors"])
	return out["data"].(map[string]any)
}

func TestHTTP(t *testing.T) {
	s := newServer(t)
	post := func(contentType, body string, header ...string) *http.Request {
		r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/graphql", strings.NewReader(body))
		r.Header.Set("Content-Type", contentType)
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		return r
	}
	get := func(values url.Values) *http.Request {
		return httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/graphql?"+values.Encode(), nil)
	}
	const ok = `{"query":"{__typename}"}`
	response := []string{"Accept", responseType}
	for _, c := range []struct {
		name   string
		r      *http.Request
		status int
		body   string
	}{
		{"a query", post("application/json", ok), 200, `"__typename":"Query"`},
		{"a query with a charset", post("application/json; charset=UTF-8", ok), 200, `"__typename":"Query"`},
		{"a query by GET", get(url.Values{"query": {"{__typename}"}}), 200, `"__typename":"Query"`},
		{"another charset", post("application/json; charset=latin1", ok), 415, "UTF-8"},
		{"a form", post("application/x-www-form-urlencoded", "query={__typename}"), 415, "application/json"},
		{"plain text", post("text/plain", ok), 415, "application/json"},
		{"no content type", post("", ok), 415, "application/json"},
		{"another method", httptest.NewRequestWithContext(context.Background(), http.MethodPut, "/graphql", strings.NewReader(ok)), 405, "GET or POST"},
		{"no JSON", post("application/json", "{"), 400, "not a JSON object"},
		{"a batch", post("application/json", "["+ok+"]"), 400, "batches are not taken"},
		{"no query", post("application/json", "{}"), 400, "no query"},
		{"a query that is a number", post("application/json", `{"query":1}`), 400, "query is not a text"},
		{"variables that are text", post("application/json", `{"query":"{__typename}","variables":"x"}`), 400, "variables is not an object"},
		{"a syntax error", post("application/json", `{"query":"{"}`, response...), 400, "Syntax Error"},
		{"a syntax error in the old media type", post("application/json", `{"query":"{"}`), 200, "Syntax Error"},
		{"an unknown field", post("application/json", `{"query":"{nope}"}`, response...), 400, "Cannot query field"},
		{"variables of GET that are text", get(url.Values{"query": {"{__typename}"}, "variables": {`"x"`}}), 400, "not a JSON object"},
		{"a page of 101", post("application/json", `{"query":"{studies(first:101){totalCount}}"}`, response...), 400, "from 1 to 100"},
		{"an unknown operation", post("application/json", `{"query":"query A {__typename}","operationName":"B"}`, response...), 400, "no operation"},
		{"several operations, none named", post("application/json", `{"query":"query A {__typename} query B {__typename}"}`, response...), 400, "several operations"},
		{"a mutation by GET", get(url.Values{"query": {"mutation {__typename}"}}), 405, "send this mutation by POST"},
		{"a media type that is not spoken", post("application/json", ok, "Accept", "text/html"), 406, "this endpoint answers"},
		{"a wrong token", post("application/json", ok, "Authorization", "x"), 401, "unauthenticated"},
		{"a page of another site", post("application/json", ok, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"), 403, ""},
		{"a body of 2 MiB", post("application/json", `{"query":"{__typename}","x":"`+strings.Repeat("x", 2<<20)+`"}`), 413, "more than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			s.ServeHTTP(w, c.r)
			body, err := io.ReadAll(w.Result().Body)
			require.NoError(t, err)
			assert.Equal(t, c.status, w.Code, string(body))
			assert.Contains(t, string(body), c.body)
			if w.Code != 406 && w.Code != 403 {
				assert.Contains(t, []string{responseType + "; charset=utf-8", jsonType + "; charset=utf-8"}, w.Header().Get("Content-Type"))
			}
		})
	}
}

// Each hostile document is refused by a limit, before anything is executed, and without much work: what the refusal allocates is
// measured, because the time it takes says more about the machine.
func TestHostileDocumentsAreRefused(t *testing.T) {
	s := newServer(t)
	cycle := `fragment A on Query{...B} fragment B on Query{...A} {...A}`
	introspection := "{__schema{types{" + strings.Repeat("fields{type{", 20) + "name" + strings.Repeat("}}", 20) + "}}}"
	for name, c := range map[string]struct{ query, want string }{
		"a fragment cycle":                   {cycle, "leads back to itself"},
		"a fragment of itself":               {`fragment A on Query{...A} {...A}`, "leads back to itself"},
		"20,000 nested braces":               {strings.Repeat("{a", 20000), "nested more than"},
		"20,000 open lists":                  {"{a(x:" + strings.Repeat("[", 20000), "nested more than"},
		"5,000 directives":                   {"{__typename " + strings.Repeat("@skip(if:false) ", 5000) + "}", "more than 4"},
		"40 directives and more":             {"{__typename " + strings.Repeat("@a ", 41) + "}", "directives"},
		"4,000 times one field":              {"{" + strings.Repeat("__typename ", 3990) + "}", "more than 1500 fields"},
		"an alias flood":                     {"{" + alias(1600) + "}", "more than"},
		"circular introspection":             {introspection, "deep"},
		"pages of pages":                     {`{studies(first:100){nodes{couples(first:100){nodes{partners{couple{partners{couple{ratings{mean}}}}}}}}}}`, "more than 50000 objects"},
		"pages by default":                   {`query($n:Int=100){study(code:"S"){` + strings.ReplaceAll(alias(200), "__typename", "couples(first:$n){nodes{partners{code}}}") + `}}`, "more than 50000"},
		"partners of partners":               {`{study(code:"S"){couples(first:100){nodes{partners{couple{partners{couple{partners{couple{partners{` + alias(300) + `}}}}}}}}}}}`, "more than 200000 values"},
		"fragments that multiply":            {multiplying(14), "more than 1500 fields"},
		"a flood of models":                  {"{" + strings.ReplaceAll(alias(30), "__typename", `changeModel(input:{study:"S",kind:"growth",outcome:"quality"}){status}`) + "}", "more than 50000 objects"},
		"a type definition":                  {"type A {a: Int}", "operations and fragments only"},
		"an unclosed block string":           {`{a(b:"""`, "Syntax Error"},
		"fragments of nothing that multiply": {empty(300), "more than 1500 fields"},
		"fragments that nobody uses":         {"{__typename}" + strings.TrimPrefix(empty(300), "{...F0}"), "no operation uses fragment"},
		"two fragments of a name":            {`{...A} fragment A on Query{...B} fragment B on Query{...A} fragment A on Query{__typename}`, "two fragments"},
		"spreads without spaces":             {"{" + strings.Repeat("...A", 20000) + "}", "tokens"},
		"inline fragments in each other":     {"{" + strings.Repeat("...on Query{", 30) + strings.Repeat("__typename ", 1400) + strings.Repeat("}", 31), "more than 1500 fields"},
		"braces hidden by a block string":    {`{a(b:"""\\""" """)` + strings.Repeat("{a", 20000), "nested more than"},
		"braces hidden by a comment":         {"{#" + strings.Repeat("é", 100) + strings.Repeat("{a ", 20000) + "\na}", "Cannot query"},
		"many unknown fields":                {"{" + strings.Repeat("stud ", 1400) + "}", "Cannot query"},
		"many operations":                    {strings.Repeat("query A{__typename}", 700), "only be one operation"},
		"many declared variables":            {"query(" + strings.ReplaceAll(strings.ReplaceAll(alias(600), "__typename", "Int"), "a", "$a") + "){__typename}", "more than 100 variables"},
		"a long list":                        {`{trajectories(first:1,input:{study:"S",waves:[` + strings.Repeat("x ", 3500) + `]}){totalCount}}`, "more than 500 items"},
		"a long document":                    {"{__typename}#" + strings.Repeat("x", 200_000), "more than 131072 bytes"},
		"a variable without a type":          {"query($v:=1){__typename}", "has no type"},
		"a list of no type":                  {"query($v:[]){__typename}", "Syntax Error"},
		"a type without a selection":         {`{__type(name:"X")}`, "sub selection"},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			out := s.ask(t, "S", c.query, nil)
			runtime.ReadMemStats(&after)
			assert.Less(t, (after.TotalAlloc-before.TotalAlloc)>>20, uint64(8), "MiB")
			assert.NotContains(t, out, "data")
			assert.Contains(t, fmt.Sprint(out["errors"]), c.want)
		})
	}
	assert.Equal(t, "Query", s.data(t, "{__typename}", nil)["__typename"], "the process lives")
}

func alias(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "a%d:__typename ", i)
	}
	return b.String()
}

// multiplying spreads each fragment twice in the one before.
func multiplying(n int) string {
	var b strings.Builder
	b.WriteString("{...F0}")
	for i := range n {
		fmt.Fprintf(&b, " fragment F%d on Query {a%d:viewer{role} ...F%d ...F%d}", i, i, i+1, i+1)
	}
	fmt.Fprintf(&b, " fragment F%d on Query {__typename}", n)
	return b.String()
}

// empty is multiplying without a single field, which would be counted.
func empty(n int) string {
	var b strings.Builder
	b.WriteString("{...F0}")
	for i := range n {
		fmt.Fprintf(&b, " fragment F%d on Query {...F%d ...F%d}", i, i+1, i+1)
	}
	return b.String()
}

// A field that fails is null: nothing of what its resolver held gets out beside the error.
func TestAFailedFieldIsNull(t *testing.T) {
	s := newServer(t)
	out := s.ask(t, "S", `{changeModel(input:{study:"S",kind:"growth",outcome:"nope"}){status kind}}`, nil)
	assert.Equal(t, map[string]any{"changeModel": nil}, out["data"])
	assert.Contains(t, fmt.Sprint(out["errors"]), "not a column")
	out = s.ask(t, "S", `{changeModel(input:{study:"S",kind:"growth",outcome:"quality",fixed:"1"}){status}}`, nil)
	assert.Contains(t, fmt.Sprint(out["errors"]), "fixed")
}

// A series of some waves has an id of its own.
func TestAFilteredSeriesHasItsOwnID(t *testing.T) {
	s := newServer(t)
	one := func(filter string) (string, any) {
		n := s.data(t, `{trajectories(first:1,input:{study:"S",constructs:["quality"]`+filter+`}){nodes{id value}}}`, nil)["trajectories"].(map[string]any)["nodes"].([]any)[0].(map[string]any)
		again := s.data(t, `query($id:ID!){node(id:$id){... on Trajectory{id value}}}`, map[string]any{"id": n["id"]})["node"]
		assert.Equal(t, n, again)
		return n["id"].(string), n["value"]
	}
	all, values := one("")
	some, value := one(",waves:[2]")
	assert.NotEqual(t, all, some)
	assert.Equal(t, []any{0.0, 1.0}, values)
	assert.Equal(t, []any{1.0}, value)
}

func TestNullArgumentsAreLikeNone(t *testing.T) {
	s := newServer(t)
	for _, q := range []string{`{study(code:"S",id:null){code}}`, `{study(id: null, code: "S"){code}}`, `query($i:ID){study(code:"S",id:$i){code}}`} {
		assert.Equal(t, map[string]any{"code": "S"}, s.data(t, q, map[string]any{"i": nil})["study"], q)
	}
	assert.Equal(t, map[string]any{"role": "researcher"}, s.data(t, `{viewer{role}}`, nil)["viewer"])
}

// Comments, null and byte order marks are no trouble, in whatever language.
func TestDocumentsAsPeopleWriteThem(t *testing.T) {
	s := newServer(t)
	for _, q := range []string{
		"\ufeff{study(code:\"S\"){code}}",
		"# כמה זוגות\n{ # größer\n  study # é\n  (code: \"S\") { code # ü\n } }",
		`query($i: ID = null) { study(code: "S", id: $i) { code } }`,
		`query($i: ID = null, $c: String = "S") { study(code: $c, id: $i) { code } }`,
	} {
		assert.Equal(t, map[string]any{"code": "S"}, s.data(t, q, nil)["study"], q)
	}
	out := s.ask(t, "S", "{ # größer\n  studies(first: 1) {\n    \u0020nope\n  }\n}", nil)
	assert.Equal(t, []any{map[string]any{"line": 3.0, "column": 6.0}}, out["errors"].([]any)[0].(map[string]any)["locations"])
}

func TestStrictInput(t *testing.T) {
	s := newServer(t)
	for name, c := range map[string]struct {
		query     string
		variables map[string]any
	}{
		"text for a number":     {`query($n:Int){studies(first:$n){totalCount}}`, map[string]any{"n": "5"}},
		"a fraction":            {`query($n:Int){studies(first:$n){totalCount}}`, map[string]any{"n": 5.7}},
		"true for a number":     {`query($n:Int){studies(first:$n){totalCount}}`, map[string]any{"n": true}},
		"more than 32 bits":     {`query($n:Int){studies(first:$n){totalCount}}`, map[string]any{"n": 1e12}},
		"a number for text":     {`query($c:String){study(code:$c){code}}`, map[string]any{"c": 5}},
		"a fraction for an id":  {`query($c:ID){study(id:$c){code}}`, map[string]any{"c": 5.5}},
		"text for a truth":      {`query($b:Boolean!){study(code:"S"){code @include(if:$b)}}`, map[string]any{"b": "false"}},
		"a number in a list":    {`query($i:[ID!]!){nodes(ids:$i){id}}`, map[string]any{"i": []any{"x", []any{}}}},
		"a number in an input":  {`query($i:TrajectoriesInput!){trajectories(first:1,input:$i){totalCount}}`, map[string]any{"i": map[string]any{"study": 5}}},
		"lists of 50,000":       {`query($i:TrajectoriesInput!){trajectories(first:1,input:$i){totalCount}}`, map[string]any{"i": map[string]any{"study": "S", "waves": make([]bool, 20_000)}}},
		"a literal fraction":    {`{studies(first:5.7){totalCount}}`, nil},
		"no page":               {`{studies{totalCount}}`, nil},
		"two pages":             {`{studies(first:1,last:1){totalCount}}`, nil},
		"a page of nothing":     {`{studies(first:0){totalCount}}`, nil},
		"a page of 101":         {`{studies(first:101){totalCount}}`, nil},
		"a wrong cursor":        {`{studies(first:1,after:"x"){totalCount}}`, nil},
		"a position beyond":     {`{study(code:"S"){couples(first:1,asOf:{position:"9999"}){totalCount}}}`, nil},
		"position 0":            {`{study(code:"S"){couples(first:1,asOf:{position:"0"}){totalCount}}}`, nil},
		"a position and a time": {`{study(code:"S"){couples(first:1,asOf:{position:"1",recordedAt:"2030-01-01T00:00:00Z"}){totalCount}}}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			out := s.ask(t, "S", c.query, c.variables)
			require.NotEmpty(t, out["errors"])
			assert.NotContains(t, fmt.Sprint(out["errors"]), "internal")
			assert.Less(t, len(fmt.Sprint(out["errors"])), 1000, "a refusal does not repeat the request")
		})
	}
}

const everything = `{
	studies(first: 10) { totalCount nodes { code synthetic waves { index months } constructs { code } compliance { waves { wave role counts { expected received } } }
		couples(first: 2) { totalCount pageInfo { hasNextPage endCursor } nodes { id code enrolledOn separatedOn ratings { mean }
			partners { id code role label couple { code } trajectory(construct: "quality") { id count wave value points { wave value status position } } } } } } }
}`

func TestTheWholeTree(t *testing.T) {
	s := newServer(t)
	study := s.data(t, everything, nil)["studies"].(map[string]any)["nodes"].([]any)[0].(map[string]any)
	assert.Equal(t, "S", study["code"])
	couples := study["couples"].(map[string]any)
	assert.Equal(t, 3.0, couples["totalCount"])
	second := couples["nodes"].([]any)[1].(map[string]any)
	assert.Equal(t, "2025-01-02", second["enrolledOn"])
	assert.Nil(t, second["separatedOn"])
	wife := second["partners"].([]any)[0].(map[string]any)
	assert.Equal(t, "w", wife["label"])
	assert.Equal(t, map[string]any{"code": "2"}, wife["couple"])
	course := wife["trajectory"].(map[string]any)
	assert.Equal(t, []any{1.0, 2.0}, course["wave"])
	assert.Equal(t, []any{100.0, 101.0}, course["value"])
	assert.Equal(t, "SCORED", course["points"].([]any)[0].(map[string]any)["status"])

	for code, want := range map[string]any{"2-A": map[string]any{"id": wife["id"]}, "2-C": nil} {
		assert.Equal(t, want, s.data(t, `query($c:String!){study(code:"S"){participant(code:$c){id}}}`, map[string]any{"c": code})["study"].(map[string]any)["participant"], code)
	}
	for _, id := range []any{second["id"], wife["id"], course["id"]} {
		node := s.data(t, `query($id:ID!){node(id:$id){id __typename}}`, map[string]any{"id": id})["node"].(map[string]any)
		assert.Equal(t, id, node["id"])
	}
	end := couples["pageInfo"].(map[string]any)["endCursor"]
	rest := s.data(t, `query($c:String){study(code:"S"){couples(first:5,after:$c){nodes{code}}}}`, map[string]any{"c": end})
	assert.Equal(t, []any{map[string]any{"code": "3"}}, rest["study"].(map[string]any)["couples"].(map[string]any)["nodes"])
}

// A viewer of another study, and nobody, get the same answer for what is there and for what is not.
func TestWhatIsForbiddenLooksAbsent(t *testing.T) {
	s := newServer(t)
	id := s.data(t, `{study(code:"S"){id couples(first:1){nodes{id}}}}`, nil)["study"].(map[string]any)
	couple := id["couples"].(map[string]any)["nodes"].([]any)[0].(map[string]any)["id"]
	for _, token := range []string{"T", ""} {
		for _, q := range []string{`{study(code:%q){code}}`, `{trajectories(first:1,input:{study:%q}){totalCount}}`, `{changeModel(input:{study:%q,kind:"growth",outcome:"quality"}){status}}`} {
			assert.Equal(t, s.ask(t, token, fmt.Sprintf(q, "X"), nil)["errors"], s.ask(t, token, fmt.Sprintf(q, "S"), nil)["errors"], q)
			assert.Equal(t, s.ask(t, token, fmt.Sprintf(q, "X"), nil)["data"], s.ask(t, token, fmt.Sprintf(q, "S"), nil)["data"], q)
		}
		for _, node := range []any{id["id"], couple} {
			assert.Nil(t, s.ask(t, token, `query($id:ID!){node(id:$id){id}}`, map[string]any{"id": node})["data"].(map[string]any)["node"])
		}
		assert.NotContains(t, fmt.Sprint(s.ask(t, token, `{studies(first:5){totalCount nodes{code}}}`, nil)), "Study S")
	}
	assert.Contains(t, fmt.Sprint(s.ask(t, "", `{__schema{queryType{name}}}`, nil)), "signed in")
	assert.Contains(t, fmt.Sprint(s.ask(t, "", `{__type(name:"Study"){fields{name}}}`, nil)), "signed in")
	assert.Contains(t, fmt.Sprint(s.ask(t, "", `fragment F on __Type {fields{name}} {__type(name:"Study"){...F}}`, nil)), "signed in")
	assert.NotContains(t, fmt.Sprint(s.ask(t, "", `{studie(first:5){totalCount}}`, nil)), "Did you mean")
}

// The number of reads does not grow with the number of couples.
func TestOneReadALevel(t *testing.T) {
	s := newServer(t)
	reads := func(first int) int64 {
		before := s.store.Reads()
		s.data(t, strings.ReplaceAll(everything, "couples(first: 2)", fmt.Sprintf("couples(first: %d)", first)), nil)
		return s.store.Reads() - before
	}
	one := reads(1)
	assert.Equal(t, one, reads(3))
	assert.Positive(t, one)
}

func TestAsOf(t *testing.T) {
	s := newServer(t)
	count := func(position string) any {
		return s.data(t, `query($p:Position){study(code:"S"){couples(first:1,asOf:{position:$p}){totalCount asOf}}}`, map[string]any{"p": position})["study"].(map[string]any)["couples"]
	}
	assert.Equal(t, map[string]any{"totalCount": 0.0, "asOf": "4"}, count("4"))
	long := s.data(t, `{study(code:"S"){couples(first:1,asOf:{recordedAt:"0001-01-01T00:00:00Z"}){totalCount}}}`, nil)["study"].(map[string]any)["couples"]
	assert.Equal(t, map[string]any{"totalCount": 0.0}, long, "a time long before the study is not now")
	assert.Equal(t, map[string]any{"totalCount": 1.0, "asOf": "5"}, count("5"))
}

// What is read below a past moment is of that moment too.
func TestAsOfHoldsForEverythingBelow(t *testing.T) {
	s := newServer(t)
	count := func(position, inner string) any {
		study := s.data(t, fmt.Sprintf(`{study(code:"S"){couples(first:1,asOf:{position:%q}){nodes{partner(role:A){couple{partner(role:A){trajectory(construct:"quality"%s){count asOf}}}}}}}}`, position, inner), nil)["study"].(map[string]any)
		node := study["couples"].(map[string]any)["nodes"].([]any)[0].(map[string]any)
		return node["partner"].(map[string]any)["couple"].(map[string]any)["partner"].(map[string]any)["trajectory"]
	}
	assert.Nil(t, count("8", ""), "nothing was measured at position 8")
	assert.Equal(t, map[string]any{"count": 1.0, "asOf": "9"}, count("9", ""))
	assert.Equal(t, map[string]any{"count": 2.0, "asOf": "11"}, count("9", `,asOf:{position:"11"}`), "unless another moment is asked for")
}
