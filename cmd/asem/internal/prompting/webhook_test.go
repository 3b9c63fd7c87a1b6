package prompting

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
)

var secret = []byte("a secret of the webhook")

func TestAWebhookGetsSignedLetters(t *testing.T) {
	var mu sync.Mutex
	var bodies []map[string]any
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		var at int64
		var sum string
		_, err = fmt.Sscanf(strings.ReplaceAll(r.Header.Get("Asem-Signature"), ",", " "), "t=%d v1=%s", &at, &sum)
		assert.NoError(t, err)
		h := hmac.New(sha256.New, secret)
		fmt.Fprintf(h, "%d.%s", at, body)
		assert.Equal(t, hex.EncodeToString(h.Sum(nil)), sum)
		assert.Equal(t, http.MethodPost, r.Method)
		assert.Equal(t, "application/json", r.Header.Get("Content-Type"))
		m := map[string]any{}
		assert.NoError(t, json.Unmarshal(body, &m))
		assert.Equal(t, m["id"], r.Header.Get("Idempotency-Key"))
		mu.Lock()
		bodies = append(bodies, m)
		mu.Unlock()
	}))
	defer service.Close()
	l := mondayLab(t, 1, domain.Reminder{Waves: true, AfterDays: 1, Hour: 12})
	hook, err := NewWebhook(service.URL, secret, l.clock)
	require.NoError(t, err)
	l.do(t, domain.ChangeContact{Study: "S", Couple: "1", Role: "B"})
	mail := &tray{clock: l.clock}
	s := begun(t, l, mail, hook)
	l.until(t, monday.At(37, time.UTC), s)
	assert.Len(t, mail.taken(), 1, "whoever has an address is reached there")
	require.Len(t, bodies, 1)
	b := bodies[0]
	assert.Equal(t, []any{"S", "1", "B", "1b", "en", "https://journal.example.org", "2026-05-14T00:00:00Z"},
		[]any{b["study"], b["couple"], b["role"], b["participant"], b["language"], b["link"], b["expires"]})
	assert.Contains(t, b["text"], "until Sunday, 10 May")
	assert.NotContains(t, fmt.Sprint(b), "canary", "no address")
	assert.Equal(t, "webhook", l.past(t, "S", "1").Couple.Prompts("B")[0].Channel)
}

func TestWebhookAnswers(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer func(n int, w http.ResponseWriter)
		calls  int
		reason string
	}{
		{"taken", func(_ int, w http.ResponseWriter) { w.WriteHeader(http.StatusAccepted) }, 1, ""},
		{"not now, then taken", func(n int, w http.ResponseWriter) {
			if n == 1 {
				w.WriteHeader(http.StatusTooManyRequests)
			}
		}, 2, ""},
		{"never now", func(_ int, w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) }, 7, domain.PromptUnreached},
		{"refused", func(_ int, w http.ResponseWriter) { w.WriteHeader(http.StatusNotFound) }, 1, domain.PromptRefused},
		{"sent elsewhere", func(_ int, w http.ResponseWriter) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(http.StatusTemporaryRedirect)
		}, 1, domain.PromptRefused},
		{"broke down", func(_ int, w http.ResponseWriter) { w.WriteHeader(http.StatusInternalServerError) }, 1, domain.PromptUncertain},
		{"a gateway gave up", func(_ int, w http.ResponseWriter) { w.WriteHeader(http.StatusGatewayTimeout) }, 1, domain.PromptUncertain},
		{"hung up", func(_ int, w http.ResponseWriter) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_ = conn.Close()
			}
		}, 1, domain.PromptUncertain},
	} {
		t.Run(c.name, func(t *testing.T) {
			var calls atomic.Int64
			service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { c.answer(int(calls.Add(1)), w) }))
			defer service.Close()
			l := mondayLab(t, 1, domain.Reminder{Waves: true, AfterDays: 1, Hour: 12})
			l.do(t, domain.WithdrawConsent{Study: "S", Couple: "1", Role: "B", Scope: domain.ScopeQuestionnaires})
			hook, err := NewWebhook(service.URL, secret, l.clock)
			require.NoError(t, err)
			s := begun(t, l, hook)
			l.clock.set(monday.At(36, time.UTC))
			l.clock.hurry = true
			settleDown(t, s)
			l.clock.hurry = false
			l.until(t, monday.At(40, time.UTC), s)
			assert.EqualValues(t, c.calls, calls.Load())
			if c.reason == "" {
				assert.Equal(t, []string{"accepted"}, reasons(l, t, "A"))
			} else {
				assert.Equal(t, []string{c.reason}, reasons(l, t, "A"))
			}
		})
	}
}

func TestWebhookThatIsNotThere(t *testing.T) {
	l := mondayLab(t, 1, domain.Reminder{Waves: true, AfterDays: 1, Hour: 12})
	hook, err := NewWebhook("http://127.0.0.1:1/canary-path", secret, l.clock)
	require.NoError(t, err)
	note := &notebook{}
	s := l.scheduler(hook)
	s.Logger = slog.New(slog.NewJSONHandler(note, nil))
	_, err = s.Checkpoint(t.Context())
	require.NoError(t, err)
	l.until(t, monday.At(38, time.UTC), s)
	assert.Equal(t, []string{domain.PromptUnreached}, reasons(l, t, "A"))
	assert.Zero(t, l.count(t, "prompt.sent"))
	assert.Contains(t, note.String(), "is away")
	assert.NotContains(t, note.String(), "canary")
}

func TestWebhookAddresses(t *testing.T) {
	for _, address := range []string{"http://example.org/hook", "ftp://example.org", "https://me:canary@example.org", "https://", "%zz", ""} {
		_, err := NewWebhook(address, secret, SystemClock{})
		assert.Equal(t, domain.Invalid, domain.CodeOf(err), address)
		assert.NotContains(t, err.Error(), "canary")
	}
	_, err := NewWebhook("https://example.org/hook", []byte("short"), SystemClock{})
	assert.ErrorContains(t, err, "expected at least 16")
	hook, err := NewWebhook("https://example.org/hook", secret, SystemClock{})
	require.NoError(t, err)
	assert.Equal(t, "example.org:443", hook.host)
}
