package main

import (
	"context"
	"database/sql"
	"io"
	"net/http"
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
	require.Eventually(t, func() bool {
		code, body := visit(t, http.MethodGet, url, password)
		got = body
		return code == status && strings.Contains(body, want)
	}, 15*time.Second, 50*time.Millisecond, "%s never says %q", url, want)
	return got
}

// An event that cannot be read stops the read model that needs it, and no other, for everybody to see; when it is repaired the read model goes on, without a restart.
func TestPoisonStopsOneReadModelUntilItIsRepaired(t *testing.T) {
	test := func(t *testing.T, args []string, s storage, repair string, open func() *sql.DB) {
		observe(t, s)
		keeper := strings.TrimSpace(must(t, append([]string{"token", "--operator"}, args...)...))
		base := serveOn(t, args...)
		eventually(t, base+"/readyz", "", 200, "rating: ready")

		log, err := s.openArchive(t.Context())
		require.NoError(t, err)
		defer func() { require.NoError(t, log.log.Close()) }()
		poison := events.Envelope{ID: uuid.Must(uuid.NewV7()), Type: "rating.recorded", Schema: 1, Study: "S", OccurredAt: time.Now(), By: domain.Actor{Role: domain.ActorSystem}, Payload: []byte(`{"clip":"k1","val`)}
		past, err := log.log.ReadStream(t.Context(), "couple/S/1", 0, 0)
		require.NoError(t, err)
		r, err := log.log.Append(t.Context(), events.Append{Command: uuid.New(), Writes: []events.Write{{Stream: "couple/S/1", Expected: events.Version(len(past)), Events: []events.Envelope{poison}}}})
		require.NoError(t, err)

		said := eventually(t, base+"/readyz", "", http.StatusServiceUnavailable, "rating: stands still before an event that cannot be read")
		assert.Contains(t, said, "couple: ready", "the others go on")
		assert.NotRegexp(t, `\d`, said, "no position for everybody")
		page := eventually(t, base+"/admin", keeper, 200, "1 of 7 stand still")
		assert.Contains(t, page, "before an event that cannot be read")
		assert.NotContains(t, page, "k1", "nothing of what the event says is shown")
		assert.Contains(t, eventually(t, base+"/metrics", keeper, 200, "asem_read_model_poison"), `asem_read_model_poison{model="rating"} 1`)

		list, err := log.log.Read(t.Context(), r.First-1, 1)
		require.NoError(t, err)
		list[0].Payload = []byte(`{"clip":"k1","judge":"J1","scheme":"resp","dimension":"caring","value":3,"ratedAt":"2025-03-01T12:00:00Z"}`)
		records, _ := (&events.Planter{}).Plant(list)
		db := open()
		_, err = db.ExecContext(t.Context(), repair, records[0].Data, int64(r.First))
		require.NoError(t, err)
		require.NoError(t, db.Close())
		eventually(t, base+"/readyz", "", 200, "rating: ready")
		assert.Contains(t, eventually(t, base+"/admin", keeper, 200, "All follow the log"), "Signed trees")
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

func TestOperationsAreForOperators(t *testing.T) {
	base, researcher, keeper, _ := serveDemo(t)
	for _, path := range []string{"/admin", "/metrics"} {
		for _, password := range []string{"", "wrong", researcher} {
			status, body := visit(t, http.MethodGet, base+path, password)
			assert.Equal(t, http.StatusUnauthorized, status, path)
			assert.Contains(t, body, "asem token --operator")
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
	assert.Equal(t, "7", eval[string](t, ctx, `String(document.querySelectorAll("tbody")[0].rows.length)`))
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
