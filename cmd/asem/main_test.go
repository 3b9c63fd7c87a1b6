package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
	"asem/events/eventstest"
	"asem/graphql"
)

// shared is where the reference data lie that may not be copied into the project.
const shared = "../../../shared/reference"

// asem runs a command line in this process.
func asem(t testing.TB, args ...string) (out, err string, code int) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(context.Background(), args, streams{&o, &e})
	return o.String(), e.String(), code
}

// must runs a command line that has to succeed.
func must(t testing.TB, args ...string) string {
	t.Helper()
	out, err, code := asem(t, args...)
	require.Zero(t, code, "asem %s: %s", strings.Join(args, " "), err)
	return out
}

func write(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// The main job, twice: the second start finds its data and prints the same.
func TestDemo(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	first := must(t, "demo", "--once", "--data", data)
	assert.Contains(t, first, "SYNTHETIC DATA")
	assert.Contains(t, first, "avoidance  partner  -0.0400")
	assert.Contains(t, first, "ACITELLI")
	assert.Equal(t, first, must(t, "demo", "--once", "--data", data))
	must(t, "rebuild", "--data", data)
	assert.Equal(t, first, must(t, "demo", "--once", "--data", data), "after a rebuild")

	export := filepath.Join(t.TempDir(), "waves.csv")
	assert.Contains(t, must(t, "export", "--study", "DEMO", "--data", data, "--out", export), "rows at position")
	spec := write(t, "growth.yaml", "kind: growth\noutcome: avoidance\ncouple: couple\nrole: role\ntime: time\npredictors: [coded_responsiveness]\npooled: true\n")
	fromFile, fromStudy := fitJSONOf(t, "--data", export, "--spec", spec), fitJSONOf(t, "--study", "DEMO", "--data", data, "--spec", spec)
	assert.Equal(t, fromFile.Parameters, fromStudy.Parameters, "from the file and from the events, to the last digit")
	assert.Equal(t, "-0.0373", fmt.Sprintf("%.4f", float64(fromStudy.Effects[len(fromStudy.Effects)-1].Estimate)))
	assert.Contains(t, first, fmt.Sprintf("%.4f", float64(fromStudy.Effects[len(fromStudy.Effects)-1].Estimate)))
	assert.Contains(t, must(t, "export", "--study", "DEMO", "--data", data, "--codebook"), "coded_responsiveness")
	assert.Contains(t, must(t, "export", "--study", "DEMO", "--data", data, "--frame", "diary"), "daily_security")
}

// The simulator's effects are recovered by the model: over a few studies the intervals cover what was put in.
func TestSimulatedEffectsAreRecovered(t *testing.T) {
	covered, all := 0, 0
	for seed := range 6 {
		data := filepath.Join(t.TempDir(), "data")
		must(t, "simulate", "--study", "SIM", "--couples", "80", "--seed", strconv.Itoa(seed+1), "--data", data)
		for _, outcome := range []string{"anxiety", "avoidance"} {
			spec := write(t, "s.yaml", "kind: growth\noutcome: "+outcome+"\ncouple: couple\nrole: role\ntime: time\npredictors: [coded_responsiveness]\npooled: true\n")
			for _, e := range fitJSONOf(t, "--study", "SIM", "--data", data, "--spec", spec).Effects {
				truth, ok := map[string]float64{"anxiety actor": -0.010, "anxiety partner": -0.030, "avoidance actor": -0.015, "avoidance partner": -0.040}[outcome+" "+e.Path]
				if e.On != "slope" || !ok {
					continue
				}
				all++
				if float64(e.Lower) <= truth && truth <= float64(e.Upper) {
					covered++
				}
			}
		}
	}
	require.Equal(t, 24, all)
	assert.GreaterOrEqual(t, covered, 20, "of 24 intervals of 95 %%, fewer cover with a chance below 1 in 100")
}

func fitJSONOf(t testing.TB, args ...string) (r reportJSON) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(must(t, append([]string{"fit", "--json"}, args...)...)), &r))
	return r
}

// UnmarshalJSON reads a number as MarshalJSON wrote it.
func (n *number) UnmarshalJSON(b []byte) error {
	var x *float64
	err := json.Unmarshal(b, &x)
	if *n = number(math.NaN()); x != nil {
		*n = number(*x)
	}
	return err
}

const fiveWavesMapping = `
study: MQ5
title: Marital quality over five yearly waves
zone: Etc/UTC
timeUnitMonths: 12
roles: {A: h, B: w}
waves: [{month: 0}, {month: 12}, {month: 24}, {month: 36}, {month: 48}]
enrolled: {date: 2015-01-01}
couple: couple
constructs: {y: {title: Marital quality}}
measures:
  - {columns: "h{wave}", role: A, construct: y}
  - {columns: "w{wave}", role: B, construct: y}
`

const growthSpec = `
kind: mixed
outcome: y
couple: couple
role: role
time: time
fixed: "0 + role + role:time"
random: "(0 + role + role:time | couple)"
residual: {variance: role, cross_partner: %t, serial: none}
method: %s
df: containment
`

// The five-wave file of 538 couples goes in, comes back value for value, and is fitted as R fits it, through the events
// as from the file, on both databases.
func TestFiveWavesOfRealCouples(t *testing.T) {
	wide := filepath.Join(shared, "data", "marital_quality_5waves_wide.csv")
	text, err := os.ReadFile(wide)
	if err != nil {
		t.Skipf("the five-wave data are not beside the project and may not be copied into it: %v", err)
	}
	records, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	require.NoError(t, err)
	want := map[string]float64{} // couple, role, wave -> value
	var long strings.Builder
	long.WriteString("couple,role,time,y\n")
	for _, r := range records[1:] {
		for k := range 10 {
			if r[k+1] != "" {
				v, err := strconv.ParseFloat(r[k+1], 64)
				require.NoError(t, err)
				want[fmt.Sprintf("%s %s %d", r[0], []string{"A", "B"}[k/5], k%5+1)] = v
				fmt.Fprintf(&long, "%s,%s,%d,%s\n", r[0], []string{"h", "w"}[k/5], k%5, r[k+1])
			}
		}
	}
	require.Len(t, want, 3548)
	mapping, file := write(t, "mq5.yaml", fiveWavesMapping), write(t, "long.csv", long.String())
	for name, where := range map[string]func(t *testing.T) []string{
		"SQLite": func(t *testing.T) []string { return []string{"--data", filepath.Join(t.TempDir(), "data")} },
		"PostgreSQL": func(t *testing.T) []string {
			return []string{"--data", filepath.Join(t.TempDir(), "data"), "--postgres", eventstest.NewServer(t).DSN}
		},
	} {
		t.Run(name, func(t *testing.T) {
			at := where(t)
			do := func(args ...string) string { return must(t, append(args, at...)...) }
			assert.Contains(t, do("import", "--mapping", mapping, "--dry-run", wide), "3548")
			assert.Contains(t, do("import", "--mapping", mapping, wide), "Added")
			assert.Contains(t, do("import", "--mapping", mapping, wide), "nothing was added")
			assert.Equal(t, want, trajectoriesOf(t, at, "MQ5", "y"))
			for _, c := range []struct {
				reference, method string
				cross             bool
			}{{"growth_dyadic_lme_reml", "REML", false}, {"growth_dyadic_lme_ml", "ML", false}, {"growth_dyadic_rescorr_lme_reml", "REML", true}, {"growth_dyadic_rescorr_lme_ml", "ML", true}} {
				spec := write(t, "growth.yaml", fmt.Sprintf(growthSpec, c.cross, c.method))
				fromStudy := fitJSONOf(t, append([]string{"--study", "MQ5", "--spec", spec}, at...)...)
				fromFile := fitJSONOf(t, "--data", file, "--spec", spec)
				assert.Equal(t, fromFile.Parameters, fromStudy.Parameters, "from the file and from the events, to the last digit")
				assert.Equal(t, fromFile.LogLikelihood, fromStudy.LogLikelihood)
				agrees(t, c.reference, fromStudy)
			}
			for _, method := range []string{"REML", "ML"} {
				spec := write(t, "change.yaml", "kind: residualised_change\noutcome: y\ncouple: couple\nrole: role\ntime: time\nwaves: [0, 1]\nmissing: pair\nmethod: "+method+"\n")
				fromStudy := fitJSONOf(t, append([]string{"--study", "MQ5", "--spec", spec}, at...)...)
				assert.Equal(t, fitJSONOf(t, "--data", file, "--spec", spec).Parameters, fromStudy.Parameters)
				agrees(t, "residualised_change_gls_"+strings.ToLower(method), fromStudy)
			}
		})
	}
}

// agrees compares with a result of R (reference.R beside the data, R 4.2.2, nlme 3.1-162). Where R stopped before the
// maximum, only the likelihood is compared.
func agrees(t *testing.T, name string, got reportJSON) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(shared, "results", name+".json"))
	require.NoError(t, err)
	var want struct {
		N            int
		LogLik       float64
		Coefficients map[string]struct{ Estimate, SE, DF, P float64 }
	}
	require.NoError(t, json.Unmarshal(text, &want))
	assert.Equal(t, want.N, got.Rows, name)
	assert.GreaterOrEqual(t, float64(got.LogLikelihood), want.LogLik-1e-5, name)
	if float64(got.LogLikelihood) > want.LogLik+1e-4 {
		return
	}
	for _, p := range got.Parameters {
		w, ok := want.Coefficients[strings.NewReplacer("role", "", "y_actor", "own", "y_partner", "partner").Replace(p.Name)]
		require.True(t, ok, p.Name)
		assert.InEpsilon(t, w.Estimate, float64(p.Estimate), 1e-5, "%s %s", name, p.Name)
		assert.InEpsilon(t, w.SE, float64(p.SE), 1e-4, "%s %s", name, p.Name)
		if w.DF > 0 {
			assert.InEpsilon(t, w.DF, float64(p.DF), 1e-3, "%s %s", name, p.Name)
		}
	}
}

// trajectoriesOf reads every score of a construct through GraphQL, page by page.
func trajectoriesOf(t *testing.T, at []string, study, construct string) map[string]float64 {
	t.Helper()
	s := storage{Data: at[1]}
	if len(at) > 2 {
		s.Postgres = at[3]
	}
	got := map[string]float64{}
	require.NoError(t, s.with(context.Background(), func(h *house) error {
		api, err := graphql.New(graphql.Config{Store: h.read, Ledger: ledger{h.archive, h.keys.Signer()}, Logger: slog.New(slog.DiscardHandler), Authenticate: func(*http.Request) (graphql.Viewer, error) {
			return graphql.Viewer{Role: domain.ActorResearcher, Studies: []string{study}}, nil
		}})
		if err != nil {
			return err
		}
		after := ""
		for {
			body, err := json.Marshal(map[string]any{"query": `query($s:String!,$c:String!,$after:String){trajectories(first:100,after:$after,input:{study:$s,constructs:[$c]}){
				pageInfo{hasNextPage endCursor} nodes{couple role wave value points{wave value}}}}`, "variables": map[string]any{"s": study, "c": construct, "after": after}})
			require.NoError(t, err)
			r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/", bytes.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			api.ServeHTTP(w, r)
			var page struct {
				Errors []any
				Data   struct {
					Trajectories struct {
						PageInfo struct {
							HasNextPage bool
							EndCursor   string
						}
						Nodes []struct {
							Couple, Role string
							Wave, Value  []float64
							Points       []struct {
								Wave  int
								Value float64
							}
						}
					}
				}
			}
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &page))
			require.Empty(t, page.Errors)
			for _, n := range page.Data.Trajectories.Nodes {
				for i := range n.Wave {
					got[fmt.Sprintf("%s %s %v", n.Couple, n.Role, n.Wave[i])] = n.Value[i]
					assert.Equal(t, n.Value[i], n.Points[i].Value)
				}
			}
			if !page.Data.Trajectories.PageInfo.HasNextPage {
				return nil
			}
			after = page.Data.Trajectories.PageInfo.EndCursor
		}
	}))
	return got
}

// Bad input is refused with a sentence that says what, where and what was expected, and nothing is written.
func TestBadImportsWriteNothing(t *testing.T) {
	const good = "couple,h1,h2,h3,h4,h5,w1,w2,w3,w4,w5\n1,1,2,3,4,5,6,7,8,9,10\n2,1,2,3,4,5,6,7,8,9,10\n"
	items := strings.Replace(fiveWavesMapping, "constructs: {y: {title: Marital quality}}", "constructs: {y: {min: 0, max: 10}}", 1)
	for _, c := range []struct{ name, mapping, file, want string }{
		{"an unknown column", strings.Replace(fiveWavesMapping, `"h{wave}"`, `"x{wave}"`, 1), good, "x1"},
		{"a couple that stands twice", fiveWavesMapping, good + "1,1,2,3,4,5,6,7,8,9,10\n", "4"},
		{"text for a number", fiveWavesMapping, strings.Replace(good, "2,1,2", "2,one,2", 1), `h1`},
		{"a value out of range", items, strings.Replace(good, "10\n2", "11\n2", 1), "w5"},
		{"a file cut in half", fiveWavesMapping, good[:len(good)-12], "row"},
		{"UTF-16", fiveWavesMapping, "\xFF\xFE" + good, "UTF-16"},
		{"an empty file", fiveWavesMapping, "", "empty"},
		{"an unknown key of the mapping", fiveWavesMapping + "cuople: x\n", good, "cuople"},
	} {
		t.Run(c.name, func(t *testing.T) {
			data := filepath.Join(t.TempDir(), "data")
			_, err, code := asem(t, "import", "--data", data, "--mapping", write(t, "m.yaml", c.mapping), write(t, "f.csv", c.file))
			assert.Equal(t, 2, code)
			assert.Contains(t, err, c.want)
			if _, e := os.Stat(data); e == nil {
				require.NoError(t, storage{Data: data}.with(context.Background(), func(h *house) error {
					head, e := h.log.Head(context.Background())
					assert.Zero(t, head, "something was written")
					return e
				}))
			}
		})
	}
}

func TestASecondProcessOnAFolderIsRefused(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	h, err := storage{Data: data}.open(context.Background())
	require.NoError(t, err)
	_, message, code := asem(t, "simulate", "--data", data)
	assert.Equal(t, 2, code)
	assert.Contains(t, message, "another asem is using this data folder")
	require.NoError(t, h.close())
}

func TestAnUnreachablePostgresIsNamedWithoutItsPassword(t *testing.T) {
	_, message, code := asem(t, "rebuild", "--postgres", "postgres://asem:secret@127.0.0.1:1/asem")
	assert.Equal(t, 1, code)
	assert.Contains(t, message, "127.0.0.1:1")
	assert.NotContains(t, message, "secret")
}

// A reader is told at which level intervals are, and where another rule for the degrees of freedom serves better.
func TestTheTableSaysWhatToKnow(t *testing.T) {
	var rows strings.Builder
	rows.WriteString("couple,role,time,y\n")
	for c := range 20 {
		for w := range 3 {
			for i, r := range []string{"h", "w"} {
				fmt.Fprintf(&rows, "%d,%s,%d,%.3f\n", c, r, w, float64(c*7%11)+math.Sin(float64(c*31+w*17+i*5)))
			}
		}
	}
	data, spec := write(t, "d.csv", rows.String()), "kind: mixed\noutcome: y\ncouple: couple\nrole: role\ntime: time\nfixed: role * time\nrandom: (1 | couple)\nlevel: 0.9\n"
	out := must(t, "fit", "--data", data, "--spec", write(t, "s.yaml", spec))
	assert.Contains(t, out, "90% CI")
	assert.Contains(t, out, "note: with 20 couples, intervals with satterthwaite degrees of freedom can be too narrow")
	assert.Contains(t, must(t, "fit", "--json", "--data", data, "--spec", write(t, "s.yaml", spec)), `"advice": "with 20 couples`)
	out = must(t, "fit", "--data", data, "--spec", write(t, "s.yaml", spec+"df: kenward-roger\n"))
	assert.NotContains(t, out, "note:")
}

func TestBadSpecs(t *testing.T) {
	data := write(t, "d.csv", "couple,role,time,y\n1,h,0,1\n1,w,0,2\n2,h,0,3\n2,w,0,5\n3,h,0,2\n3,w,0,2.5\n")
	for _, c := range []struct {
		name, spec, want string
		code             int
	}{
		{"an unknown field", "kind: mixed\noutcom: y\n", "outcom", 2},
		{"no kind", "outcome: y\n", "kind is missing", 2},
		{"an unknown kind", "kind: magic\noutcome: y\n", "mixed, growth, residualised_change", 2},
		{"an unknown column", "kind: mixed\noutcome: y\ncouple: couple\nfixed: tiem\n", `did you mean "time"`, 2},
		{"not YAML", "kind: [", "spec.yaml", 2},
		{"a model too rich for the data", "kind: mixed\noutcome: y\ncouple: couple\nrole: role\nfixed: 0 + role\nrandom: (0 + role | couple)\nresidual: {variance: role}\n", "cannot tell", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err, code := asem(t, "fit", "--data", data, "--spec", write(t, "spec.yaml", c.spec))
			assert.Equal(t, c.code, code, err)
			assert.Contains(t, err, c.want)
		})
	}
	_, err, code := asem(t, "fit", "--data", write(t, "cut.csv", "a,b\n1,2\n3"), "--spec", write(t, "spec.yaml", "kind: mixed\n"))
	assert.Equal(t, 2, code)
	assert.Contains(t, err, "line 3")
}

func TestInstruments(t *testing.T) {
	assert.Contains(t, must(t, "instrument", "list"), "ecr-rs@2011")
	data := filepath.Join(t.TempDir(), "data")
	must(t, "simulate", "--couples", "2", "--separations", "0", "--data", data)
	text := "extends: ecr-rs@2011\nversion: 2011-lab\nitems:\n"
	for i := range 9 {
		text += fmt.Sprintf("  rs%02d: {en: wording %d of the lab}\n", i+1, i+1)
	}
	own := write(t, "own.yaml", text)
	assert.Contains(t, must(t, "instrument", "import", "--study", "DEMO", "--data", data, own), "registered ecr-rs@2011-lab")
	assert.Contains(t, must(t, "instrument", "import", "--study", "DEMO", "--data", data, own), "nothing was added")
}

func TestHelpHasExamples(t *testing.T) {
	for _, verb := range []string{"demo", "serve", "import", "fit", "export", "simulate", "rebuild", "token"} {
		out, _, code := asem(t, verb, "--help")
		assert.Zero(t, code, verb)
		assert.Contains(t, out, "Example", verb)
		assert.Contains(t, out, "asem "+verb, verb)
	}
}

func TestEveryVariableBearsOurName(t *testing.T) {
	for _, verb := range []string{"demo", "serve", "import", "fit", "export", "simulate", "rebuild", "token"} {
		out := must(t, verb, "--help")
		for _, v := range regexp.MustCompile(`\(\$(\w+)\)`).FindAllStringSubmatch(out, -1) {
			assert.True(t, strings.HasPrefix(v[1], "ASEM_"), "%s reads $%s", verb, v[1])
		}
	}
	out, _, code := asem(t)
	assert.Equal(t, 2, code)
	assert.Contains(t, out, "Commands:")
	_, err, code := asem(t, "fit", "--data", t.TempDir(), "--spec", write(t, "s.yaml", "kind: mixed\n"))
	assert.Equal(t, 2, code)
	assert.Contains(t, err, "this is a folder")
	assert.Contains(t, must(t, "--version"), "asem-mixed")
}

func TestConfigurationComesFromAFileLast(t *testing.T) {
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("asem.yaml", []byte("data: from-file\nsimulate:\n  couples: 3\n  separations: 0\n"), 0o600))
	assert.Contains(t, must(t, "simulate", "--study", "X"), "3 couples")
	assert.DirExists(t, "from-file")
	t.Setenv("ASEM_DATA", "from-env")
	must(t, "simulate", "--study", "X", "--couples", "2")
	assert.DirExists(t, "from-env")
}

// serveDemo starts a server on a small study and returns its address and a token.
func serveDemo(t testing.TB) (base, token, keeper, data string) {
	t.Helper()
	return serveDemoWith(t, func(string) {})
}

// serveDemoWith serves a small example study after something more was done to its folder.
func serveDemoWith(t testing.TB, more func(data string)) (base, token, keeper, data string) {
	t.Helper()
	data = filepath.Join(t.TempDir(), "data")
	must(t, "simulate", "--couples", "6", "--separations", "0", "--data", data)
	token = strings.TrimSpace(must(t, "token", "--study", "DEMO", "--data", data))
	keeper = strings.TrimSpace(must(t, "token", "--operator", "--data", data))
	more(data)
	return serveOn(t, "--data", data), token, keeper, data
}

// serveOn serves on a free port until the test ends, and returns the address. What the server logs must hold nothing personal.
func serveOn(t testing.TB, args ...string) (base string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out := &address{found: make(chan string, 1)}
	done := make(chan int, 1)
	var logged bytes.Buffer
	go func() {
		done <- run(ctx, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...), streams{out, &logged})
	}()
	t.Cleanup(func() {
		cancel()
		assert.Zero(t, <-done)
		for _, secret := range append(canaries, "Bearer", "Basic") {
			assert.NotContains(t, logged.String(), secret)
		}
	})
	select {
	case base = <-out.found:
	case code := <-done:
		done <- code
		t.Fatalf("the server ends at once: %s", logged.String())
	case <-time.After(20 * time.Second):
		t.Fatal("the server does not start")
	}
	return base
}

// address finds the address in what a server prints.
type address struct {
	bytes.Buffer
	found chan string
}

func (a *address) Write(p []byte) (int, error) {
	if i := bytes.Index(p, []byte("http://")); i >= 0 {
		select {
		case a.found <- string(bytes.Fields(p[i:])[0]):
		default:
		}
	}
	return a.Buffer.Write(p)
}

func TestCommandsThatReadMakeNothing(t *testing.T) {
	data := filepath.Join(t.TempDir(), "nowhere")
	spec := write(t, "s.yaml", "kind: mixed\n")
	for _, args := range [][]string{{"fit", "--study", "X", "--spec", spec}, {"export", "--study", "X"}, {"token", "--study", "X"}, {"rebuild"}, {"serve"}} {
		_, err, code := asem(t, append(args, "--data", data)...)
		assert.Equal(t, 2, code, args[0])
		assert.Contains(t, err, "no studies in this folder", args[0])
		assert.NoDirExists(t, data, args[0])
	}
}

func TestExportFollowsLinksAndWritesToPipes(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target.csv"), filepath.Join(dir, "link.csv")
	require.NoError(t, os.WriteFile(target, []byte("old"), 0o600))
	require.NoError(t, os.Symlink(target, link))
	say := func(text string) func(io.Writer) error {
		return func(w io.Writer) error {
			_, err := io.WriteString(w, text)
			return err
		}
	}
	require.NoError(t, writeFile(link, say("new")))
	got, err := os.ReadFile(target)
	require.NoError(t, err)
	assert.Equal(t, "new", string(got))
	require.NoError(t, writeFile(os.DevNull, say("x")))
	info, err := os.Stat(os.DevNull)
	require.NoError(t, err)
	assert.False(t, info.Mode().IsRegular(), "a device stays a device")
	assert.Error(t, writeFile(target, func(io.Writer) error { return errors.New("half way") }))
	got, err = os.ReadFile(target)
	require.NoError(t, err)
	assert.Equal(t, "new", string(got), "a failed export leaves what was there")
}

func TestServe(t *testing.T) {
	base, token, keeper, data := serveDemo(t)
	file := filepath.Join(data, "tokens.json")
	get := func(path string, header ...string) (int, string, http.Header) {
		r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, base+path, nil)
		require.NoError(t, err)
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		res, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		defer res.Body.Close()
		var b bytes.Buffer
		_, err = b.ReadFrom(res.Body)
		require.NoError(t, err)
		return res.StatusCode, b.String(), res.Header
	}
	for _, c := range []struct {
		path, want string
		status     int
	}{
		{"/healthz", "ok", 200}, {"/readyz", "trajectory: ready", 200}, {"/metrics", "go_goroutines", 200}, {"/admin", "All follow the log", 200}, {"/", "asem", 200}, {"/query", "Variables", 200},
		{"/query/examples.json", "Trajectories", 200}, {"/nope", "There is no such page", 404}, {"/assets/query.js", "introspection", 200},
	} {
		status, body, header := get(c.path, "Authorization", "Bearer "+keeper)
		assert.Equal(t, c.status, status, c.path)
		assert.Contains(t, body, c.want, c.path)
		if strings.HasPrefix(c.path, "/query") || c.path == "/" {
			assert.Contains(t, header.Get("Content-Security-Policy"), "default-src 'none'", c.path)
		}
	}
	ask := func(query string) (out map[string]any) {
		b, err := json.Marshal(map[string]any{"query": query, "variables": map[string]any{"study": "DEMO"}})
		require.NoError(t, err)
		r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, base+"/graphql", bytes.NewReader(b))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		defer res.Body.Close()
		require.NoError(t, json.NewDecoder(res.Body).Decode(&out))
		return out
	}
	// Every example that the query page offers for the demo runs.
	for _, e := range exampleQueries {
		if !strings.Contains(e.Query, "ACITELLI") {
			assert.Empty(t, ask(e.Query)["errors"], e.Title)
		}
	}
	// Effects of what judges rated, with their error and without.
	calibrated := func(given string) map[string]any {
		return ask(`{changeModel(input:{study:"DEMO",kind:"growth",outcome:"avoidance",predictors:["coded_responsiveness"],pooled:true,reliability:[` + given + `]}){effects{path on estimate}}}`)
	}
	plain := calibrated("")
	assert.Equal(t, plain, calibrated(`{predictor:"coded_responsiveness",value:1}`))
	corrected := calibrated(`{predictor:"coded_responsiveness",value:0.95}`)
	require.Empty(t, corrected["errors"])
	assert.NotEqual(t, plain, corrected)
	assert.Contains(t, fmt.Sprint(calibrated(`{predictor:"coded_responsiveness",value:0.95},{predictor:"coded_responsiveness",value:0.9}`)["errors"]), "has a reliability already")
	assert.Contains(t, fmt.Sprint(calibrated(`{predictor:"avoidance",value:0.95}`)["errors"]), "not one of the predictors")
	assert.Contains(t, fmt.Sprint(calibrated(`{predictor:"coded_responsiveness",value:1.5}`)["errors"]), "at most 1")
	query := "/graphql?query=" + "%7Bstudy(code%3A%22DEMO%22)%7Btitle%20synthetic%7D%7D"
	_, body, _ := get(query, "Authorization", "Bearer "+token)
	assert.Contains(t, body, `"synthetic":true`)
	_, body, _ = get(query)
	assert.Contains(t, body, `"study":null`)
	status, _, _ := get(query, "Authorization", "Bearer wrong")
	assert.Equal(t, 401, status)
	require.NoError(t, os.WriteFile(file, []byte("{}"), 0o600))
	status, _, _ = get(query, "Authorization", "Bearer "+token)
	assert.Equal(t, 401, status, "a token that was taken out of the file no longer counts")
	require.NoError(t, os.Remove(file))
	_, body, _ = get(query)
	assert.Contains(t, body, `"study":null`)
}
