package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
	"asem/events"
	"asem/events/eventstest"
	"asem/graphql"
)

// serveHouse serves a house of the test's own, so that the test can append through it, and returns a function that asks for a field of study S.
func serveHouse(t *testing.T, h *house) (ask func(field string) map[string]any) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	out, done := &address{found: make(chan string, 1)}, make(chan error, 1)
	go func() {
		done <- h.serve(ctx, streams{out, &bytes.Buffer{}}, serving{listen: "127.0.0.1:0", authenticate: func(*http.Request) (graphql.Viewer, error) {
			return graphql.Viewer{Role: domain.ActorResearcher, Studies: []string{"S"}}, nil
		}})
	}()
	t.Cleanup(func() { stop(); assert.NoError(t, <-done) })
	base := <-out.found
	return func(field string) map[string]any {
		body, err := json.Marshal(map[string]any{"query": `{study(code:"S"){` + field + `}}`})
		require.NoError(t, err)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/graphql", bytes.NewReader(body))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		defer res.Body.Close()
		var answer struct {
			Data   struct{ Study map[string]any }
			Errors []any
		}
		require.NoError(t, json.NewDecoder(res.Body).Decode(&answer))
		require.Empty(t, answer.Errors)
		return answer.Data.Study
	}
}

// A registered model is fitted anew when data come in, and its estimate says on what it stands.
func TestARegisteredModelFollowsTheData(t *testing.T) {
	s := storage{Data: filepath.Join(t.TempDir(), "data")}
	observe(t, s)
	spec := write(t, "m.yaml", "kind: mixed\noutcome: quality\nfixed: time\nrandom: 1 | couple\n")
	must(t, "model", "register", "--data", s.Data, "--study", "S", "--name", "change", "--spec", spec)
	assert.Contains(t, must(t, "model", "list", "--data", s.Data, "--study", "S"), "quality")
	_, message, code := asem(t, "model", "register", "--data", s.Data, "--study", "S", "--name", "bad", "--spec", write(t, "b.yaml", "kind: mixed\noutcome: quality\npooled: true\n"))
	assert.Equal(t, 2, code)
	assert.Contains(t, message, "pooled")
	h, err := s.open(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, h.close()) }()
	ask := serveHouse(t, h)
	stands := func() (at int64, model map[string]any) {
		model = ask(`model(name:"change"){asOf reason fittedAt estimate{status asOf dataHash observations}}`)["model"].(map[string]any)
		if text, ok := model["asOf"].(string); ok {
			at, err = strconv.ParseInt(text, 10, 64)
			require.NoError(t, err)
		}
		return at, model
	}
	for n := range 3 {
		observeMore(t, h, 50+float64(n))
		head, err := h.log.Head(t.Context())
		require.NoError(t, err)
		require.Eventually(t, func() bool { at, _ := stands(); return at >= int64(head) }, 10*time.Second, 10*time.Millisecond)
	}
	_, model := stands()
	if model["estimate"] != nil { // four values of one couple; whether they can be fitted is not the point
		assert.Equal(t, 4.0, model["estimate"].(map[string]any)["observations"])
	} else {
		assert.NotEmpty(t, model["reason"])
	}
}

// How long it takes from an acknowledged append to its being seen over GraphQL, at 500 events a second.
//
//	ASEM_VISIBLE=10s go test -run TestVisibleLatency -v ./cmd/asem
func TestVisibleLatency(t *testing.T) {
	long, err := time.ParseDuration(os.Getenv("ASEM_VISIBLE"))
	if err != nil {
		t.Skip("set ASEM_VISIBLE to how long to measure")
	}
	measure := func(t *testing.T, s storage) {
		observe(t, s)
		h, err := s.open(t.Context())
		require.NoError(t, err)
		defer func() { require.NoError(t, h.close()) }()
		ask := serveHouse(t, h)
		ask("headPosition")
		stop, end := context.WithTimeout(t.Context(), long)
		defer end()
		var n atomic.Int64
		acked := make(chan events.Receipt, 10_000)
		var writing sync.WaitGroup
		for w := range 10 { // each waits for its own acknowledgement; together they come to the pace
			writing.Go(func() {
				pace := time.NewTicker(20 * time.Millisecond)
				defer pace.Stop()
				couple, version := strconv.Itoa(100+w), events.Version(0)
				for {
					select {
					case <-stop.Done():
						return
					case <-pace.C:
					}
					e, err := events.Encode(domain.ScoreRecorded{Role: "A", Wave: 1, Construct: fmt.Sprintf("c%d", version), Value: 1, MeasuredAt: time.Unix(0, 0).UTC()})
					if err != nil {
						return
					}
					e.ID, e.Study, e.OccurredAt, e.Owner, e.By = uuid.Must(uuid.NewV7()), "S", time.Now(), events.Owner("S", couple, "A"), domain.Actor{Role: domain.ActorSystem}
					r, err := h.log.Append(t.Context(), events.Append{Command: e.ID, Writes: []events.Write{{Stream: events.CoupleStream("S", couple), Expected: version, Events: []events.Envelope{e}}}})
					if err != nil {
						return
					}
					version++
					n.Add(1)
					r.RecordedAt = time.Now() // when it was acknowledged
					acked <- r
				}
			})
		}
		go func() {
			writing.Wait()
			close(acked)
		}()
		var took []time.Duration
		for r := range acked {
			for {
				at, err := strconv.ParseInt(ask("headPosition")["headPosition"].(string), 10, 64)
				require.NoError(t, err)
				if at >= int64(r.Last) {
					break
				}
			}
			took = append(took, time.Since(r.RecordedAt))
			for len(acked) > 0 { // those that came in meanwhile are not asked for one by one
				<-acked
			}
		}
		slices.Sort(took)
		t.Logf("%d events in %s, %d of them timed: p50 %s, p99 %s", n.Load(), long, len(took), took[len(took)/2], took[len(took)*99/100])
	}
	t.Run("sqlite", func(t *testing.T) { measure(t, storage{Data: filepath.Join(t.TempDir(), "data")}) })
	t.Run("postgres", func(t *testing.T) {
		measure(t, storage{Data: filepath.Join(t.TempDir(), "data"), Postgres: eventstest.NewServer(t).DSN})
	})
}
