package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"asem/domain"
	"asem/events/proof"
	"asem/graphql"
)

// A researcher who kept a checkpoint proves over GraphQL, with the public key alone, that an event is in the tree and that the tree only grew.
func TestProofsOverGraphQL(t *testing.T) {
	s := storage{Data: filepath.Join(t.TempDir(), "data")}
	observe(t, s)
	require.NoError(t, s.with(t.Context(), func(h *house) error {
		api, err := graphql.New(graphql.Config{Store: h.read, Ledger: ledger{h.archive, h.keys.Signer()}, Logger: slog.New(slog.DiscardHandler), Authenticate: func(*http.Request) (graphql.Viewer, error) {
			return graphql.Viewer{Role: domain.ActorResearcher, Studies: []string{"S"}}, nil
		}})
		require.NoError(t, err)
		ask := func(query string, into any) (errors string) {
			body, err := json.Marshal(map[string]any{"query": query})
			require.NoError(t, err)
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", bytes.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			api.ServeHTTP(w, r)
			var answer struct {
				Data   struct{ Study json.RawMessage }
				Errors json.RawMessage
			}
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
			if len(answer.Errors) == 0 {
				require.NoError(t, json.Unmarshal(answer.Data.Study, into))
			}
			return string(answer.Errors)
		}
		var kept struct {
			Checkpoint struct{ Note, Verifier string }
		}
		require.Empty(t, ask(`{study(code:"S"){checkpoint{note verifier}}}`, &kept))
		old, err := proof.Open(kept.Checkpoint.Note, kept.Checkpoint.Verifier)
		require.NoError(t, err)
		must(t, "key", "show", "--data", s.Data)

		observeMore(t, h, 42)
		var now struct {
			InclusionProof struct {
				Leaf, Size     int64
				LeafHash, Root string
				Hashes         []string
			}
			ConsistencyProof struct {
				OldSize, Size int64
				OldRoot, Root string
				Hashes        []string
			}
		}
		require.Empty(t, ask(fmt.Sprintf(`{study(code:"S"){inclusionProof(position:"4"){leaf size leafHash root hashes} consistencyProof(oldSize:%d){oldSize size oldRoot root hashes}}}`, old.Size), &now))
		hash := func(text string) tlog.Hash {
			h, err := tlog.ParseHash(text)
			require.NoError(t, err)
			return h
		}
		hashes := func(list []string) (out []tlog.Hash) {
			for _, text := range list {
				b, err := base64.StdEncoding.DecodeString(text)
				require.NoError(t, err)
				out = append(out, tlog.Hash(b))
			}
			return out
		}
		in, co := now.InclusionProof, now.ConsistencyProof
		require.NoError(t, tlog.CheckRecord(hashes(in.Hashes), in.Size, hash(in.Root), in.Leaf, hash(in.LeafHash)))
		assert.Equal(t, old.Root, hash(co.OldRoot))
		require.Greater(t, co.Size, old.Size)
		require.NoError(t, tlog.CheckTree(hashes(co.Hashes), co.Size, hash(co.Root), old.Size, old.Root))

		for _, bad := range []string{`inclusionProof(position:"999"){leaf}`, `inclusionProof(position:"0"){leaf}`, `inclusionProof(position:"2",size:99){leaf}`, `consistencyProof(oldSize:0){root}`, `consistencyProof(oldSize:999){root}`, `consistencyProof(oldSize:-1){root}`} {
			assert.NotEmpty(t, ask(`{study(code:"S"){`+bad+`}}`, nil), bad)
		}
		return nil
	}))
}
