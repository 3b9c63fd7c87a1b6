package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
	"asem/events"
	"asem/events/eventstest"
	"asem/events/seal"
)

// visit asks a server for a page.
func visit(t testing.TB, method, url, password string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, url, nil)
	require.NoError(t, err)
	if password != "" {
		r.SetBasicAuth("me", password)
	}
	res, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(body)
}

// eventually waits for a page to say something.
func eventually(t *testing.T, url, password string, status int, want string) string {
	t.Helper()
	var got string
	for deadline := time.Now().Add(45 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		code, body := visit(t, http.MethodGet, url, password)
		if got = body; code == status && strings.Contains(body, want) {
			return got
		}
		require.True(t, time.Now().Before(deadline), "%s never says %q, but %d: %s", url, want, code, got)
	}
}

// post presses a button of the operations page.
func post(t testing.TB, url, password string, form url.Values) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url, strings.NewReader(form.Encode()))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("me", password)
	res, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(body)
}

const healthyRating = `{"clip":"k1","judge":"%d","scheme":"resp","dimension":"caring","value":3,"ratedAt":"2025-03-01T12:00:00Z"}`

// poisons are events that cannot be read, and how many read models they stop.
var poisons = []struct {
	name, eventType string
	schema          int
	payload         string
	garbage         bool // not even the record can be read
	stops           string
	reason          string
}{
	{name: "a damaged payload", eventType: "rating.recorded", schema: 1, payload: `{"clip":"canary-clip","val`, stops: "1 of 9", reason: "it is not JSON"},
	{name: "a value of another kind", eventType: "rating.recorded", schema: 1, payload: `{"clip":"k1","value":"canary-value"}`, stops: "1 of 9", reason: "its field value is not a float64"},
	{name: "a schema from the future", eventType: "rating.recorded", schema: 9, payload: healthyRating, stops: "1 of 9", reason: "rating.recorded has schema 9 and this program knows 1 to 2"},
	{name: "an unknown type", eventType: "rating.dreamt", schema: 1, payload: `{"dream":"canary-dream"}`, stops: "9 of 9", reason: "unknown event type"},
	{name: "a damaged record", eventType: "rating.dreamt", schema: 1, payload: `{}`, garbage: true, stops: "9 of 9", reason: "the stored record is damaged"},
}

// An event that cannot be read stops the read models that need it, and no others, for everybody to see; when it is repaired they go on, without a
// restart. A server that is started meanwhile serves all the same.
func TestPoisonStopsReadModelsUntilItIsRepaired(t *testing.T) {
	test := func(t *testing.T, args []string, s storage, repair string, open func() *sql.DB) {
		observe(t, s)
		keeper := strings.TrimSpace(must(t, append([]string{"token", "--operator"}, args...)...))
		log, err := s.openArchive(t.Context())
		require.NoError(t, err)
		defer func() { require.NoError(t, log.log.Close()) }()
		exec := events.NewExecutor(seal.New(log.log, log.keys))
		correct := func(couple string) error {
			_, err := exec.Execute(t.Context(), domain.Order{ID: uuid.NewString(), At: time.Now(), Command: domain.CorrectScore{Study: "S", Couple: couple, Role: "B", Wave: 1, Construct: "quality", Value: rand.Float64(), Reason: "r"}})
			return err
		}
		db := open()
		defer func() { require.NoError(t, db.Close()) }()
		store := func(at events.Position, record []byte) {
			_, err := db.ExecContext(t.Context(), repair, record, int64(at))
			require.NoError(t, err)
		}
		poison := func(t *testing.T, eventType string, schema int, payload string) (at events.Position, mend func()) {
			past, err := log.log.ReadStream(t.Context(), "couple/S/1", 0, 0)
			require.NoError(t, err)
			e := events.Envelope{ID: uuid.Must(uuid.NewV7()), Type: eventType, Schema: schema, Study: "S", OccurredAt: time.Now(), By: domain.Actor{Role: domain.ActorSystem}, Payload: []byte(payload)}
			r, err := log.log.Append(t.Context(), events.Append{Command: uuid.New(), Writes: []events.Write{{Stream: "couple/S/1", Expected: events.Version(len(past)), Events: []events.Envelope{e}}}})
			require.NoError(t, err)
			list, err := log.log.Read(t.Context(), r.First-1, 1)
			require.NoError(t, err)
			return r.First, func() {
				list[0].Type, list[0].Schema, list[0].Payload = "rating.recorded", 1, fmt.Appendf(nil, healthyRating, r.First)
				records, _ := (&events.Planter{}).Plant(list)
				store(r.First, records[0].Data)
			}
		}
		t.Run("while it serves", func(t *testing.T) {
			base := serveOn(t, args...)
			eventually(t, base+"/readyz", "", 200, "rating: ready")
			for i, p := range poisons {
				at, mend := poison(t, p.eventType, p.schema, p.payload)
				if p.garbage {
					store(at, []byte("canary-record"))
				}
				said := eventually(t, base+"/readyz", "", http.StatusServiceUnavailable, "rating: stands still before an event that cannot be read")
				assert.Equal(t, strings.HasPrefix(p.stops, "1 of"), strings.Contains(said, "couple: ready"), "the others go on: %s", p.name)
				assert.NotRegexp(t, `\d`, said, "no position for everybody")
				eventually(t, base+"/admin", keeper, 200, p.reason) // damage is seen at the next try, where the event was met whole before
				page := eventually(t, base+"/admin", keeper, 200, p.stops+" stand still")
				assert.Regexp(t, "(which|event that) cannot be read", page)
				if !p.garbage {
					assert.Contains(t, page, fmt.Sprintf("before event %d (<code>%s</code>)", at, p.eventType))
				}
				assert.NotContains(t, page, "canary", "nothing of what the event says is shown")
				assert.Contains(t, eventually(t, base+"/metrics", keeper, 200, "asem_read_model_poison"), `asem_read_model_poison{model="rating"} 1`)

				require.Error(t, correct("1"), "who must know the past of this couple cannot decide: %s", p.name)
				status, page := post(t, base+"/admin/try", keeper, url.Values{"name": {"rating"}})
				assert.Equal(t, 200, status)
				assert.Contains(t, page, "Tried rating again: it still stands still.")
				mend()
				if i%2 == 0 { // otherwise it goes on by itself
					_, page := post(t, base+"/admin/try", keeper, url.Values{"name": {"rating"}})
					assert.Contains(t, page, "Tried rating again: it goes on.")
				}
				eventually(t, base+"/readyz", "", 200, "rating: ready")
				assert.Contains(t, eventually(t, base+"/admin", keeper, 200, "All follow the log"), "Signed trees")
				require.NoError(t, correct("1"), p.name)
			}
			status, page := post(t, base+"/admin/try", keeper, url.Values{"name": {"nobody"}})
			assert.Equal(t, http.StatusNotFound, status)
			assert.Contains(t, page, "Nothing that follows the log has that name.")
		})
		t.Run("that starts meanwhile", func(t *testing.T) {
			_, mend := poison(t, "rating.recorded", 1, `{"clip":`)
			require.Error(t, s.with(t.Context(), func(*house) error { return nil }), "a command that reads needs all of it")
			base := serveOn(t, args...)
			eventually(t, base+"/readyz", "", http.StatusServiceUnavailable, "rating: stands still before an event that cannot be read")
			status, _ := post(t, base+"/admin/rebuild", keeper, nil)
			assert.Equal(t, 200, status)
			assert.Contains(t, eventually(t, base+"/admin", keeper, 200, "and the read models are as they were"), "rating stopped at event")
			assert.Equal(t, 200, first(visit(t, http.MethodGet, base+"/admin", strings.TrimSpace(must(t, append([]string{"token", "--operator"}, args...)...)))), "a token is given out meanwhile")
			mend()
			eventually(t, base+"/readyz", "", 200, "rating: ready")
		})
	}
	t.Run("sqlite", func(t *testing.T) {
		s := storage{Data: filepath.Join(t.TempDir(), "data")}
		test(t, []string{"--data", s.Data}, s, `UPDATE event SET record = ? WHERE position = ?`, func() *sql.DB {
			db, err := sql.Open("sqlite", filepath.Join(s.Data, "log.db"))
			require.NoError(t, err)
			return db
		})
	})
	t.Run("postgres", func(t *testing.T) {
		server := eventstest.NewServer(t)
		s := storage{Data: filepath.Join(t.TempDir(), "data"), Postgres: server.DSN}
		test(t, []string{"--data", s.Data, "--postgres", server.DSN}, s, `UPDATE asem_log.event SET record = $1 WHERE position = $2`, func() *sql.DB {
			db, err := sql.Open("pgx", server.DSN)
			require.NoError(t, err)
			return db
		})
	})
}

func first[A, B any](a A, _ B) A { return a }

func TestOperationsAreForOperators(t *testing.T) {
	base, researcher, keeper, _ := serveDemo(t)
	for _, path := range []string{"/admin", "/metrics"} {
		for _, password := range []string{"", "wrong", researcher} {
			status, body := visit(t, http.MethodGet, base+path, password)
			assert.Equal(t, http.StatusUnauthorized, status, path)
			assert.Contains(t, body, "asem token --operator")
			assert.NotContains(t, body, "position")
		}
	}
	status, body := visit(t, http.MethodPost, base+"/admin/rebuild", "")
	assert.Equal(t, http.StatusUnauthorized, status, body)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/admin/rebuild", nil)
	require.NoError(t, err)
	r.SetBasicAuth("", keeper)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	res, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	assert.Equal(t, http.StatusForbidden, res.StatusCode, "another site cannot ask for it in the operator's name")
	status, body = visit(t, http.MethodPost, base+"/graphql", keeper)
	assert.NotEqual(t, http.StatusOK, status, body)
}

// The operations page with the keyboard alone, and without JavaScript, of which it has none.
func TestOperationsPageInABrowser(t *testing.T) {
	base, _, keeper, data := serveDemo(t)
	_, body := visit(t, http.MethodGet, base+"/admin", keeper)
	assert.NotContains(t, body, "<script")
	ctx := browser(t)
	at := strings.Replace(base, "http://", "http://me:"+keeper+"@", 1)
	do(t, ctx, chromedp.EmulateViewport(1280, 900), chromedp.Navigate(at+"/admin"))
	assert.Contains(t, textOf(t, ctx, ".verdict"), "All follow the log")
	assert.Equal(t, "9", eval[string](t, ctx, `String(document.querySelectorAll("tbody")[0].rows.length)`))
	screenshots(t, ctx, "operations")
	for range 10 { // to the button, and press it
		do(t, ctx, chromedp.KeyEvent(kb.Tab))
		if eval[string](t, ctx, `document.activeElement.tagName`) == "BUTTON" {
			break
		}
	}
	require.Equal(t, "BUTTON", eval[string](t, ctx, `document.activeElement.tagName`), "the button is reached by the keyboard")
	do(t, ctx, chromedp.KeyEvent(kb.Enter))
	require.Eventually(t, func() bool {
		db, err := sql.Open("sqlite", filepath.Join(data, "read.db"))
		require.NoError(t, err)
		defer func() { require.NoError(t, db.Close()) }()
		var slot string
		return db.QueryRowContext(t.Context(), "SELECT slot FROM active_slot").Scan(&slot) == nil && slot == "b"
	}, 15*time.Second, 100*time.Millisecond, "the read models were rebuilt")
	do(t, ctx, chromedp.Navigate(at+"/admin"))
	assert.Contains(t, textOf(t, ctx, ".verdict"), "All follow the log")
	assert.LessOrEqual(t, eval[float64](t, ctx, `document.documentElement.scrollWidth`), 1280.0)
	do(t, ctx, chromedp.EmulateViewport(360, 740))
	assert.LessOrEqual(t, eval[float64](t, ctx, `document.documentElement.scrollWidth`), 360.0, "a phone does not scroll sideways")
}
