package access

import (
	"encoding/binary"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"asem/events/proof"
	"asem/events/seal"
)

func benchStore(b *testing.B) *Store {
	b.Helper()
	signer, _, err := proof.NewSigner()
	require.NoError(b, err)
	keys, err := seal.NewFile(filepath.Join(b.TempDir(), "keys"), signer)
	require.NoError(b, err)
	s, err := OpenSQLite(b.Context(), filepath.Join(b.TempDir(), "access.db"), keys)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, s.Close()) })
	return s
}

// BenchmarkSignIn compares who exists with who does not, at the real cost of a password. They must not differ by more than runs differ.
func BenchmarkSignIn(b *testing.B) {
	cheap := *cost
	*cost = realCost
	b.Cleanup(func() { *cost = cheap })
	s := benchStore(b)
	known, err := s.IssueCode(b.Context(), self)
	require.NoError(b, err)
	n := uint32(0)
	for range 2 {
		for i, code := range []Code{known.Code, NewCode()} {
			b.Run([]string{"known", "unknown"}[i], func(b *testing.B) {
				for b.Loop() {
					n++
					var a [4]byte
					binary.BigEndian.PutUint32(a[:], n)
					_, err := s.SignInParticipant(b.Context(), code, "wrong", netip.AddrFrom4(a))
					require.True(b, Refused(err), "%v", err)
					require.NoError(b, s.forgive(b.Context(), perCode, string(code)))
				}
			})
		}
	}
}

// BenchmarkSession is what a session adds to a request.
func BenchmarkSession(b *testing.B) {
	s := benchStore(b)
	_, err := s.IssueCode(b.Context(), self)
	require.NoError(b, err)
	sessions := NewSessions(s, false, func(http.ResponseWriter, *http.Request, error) { b.Fail() })
	w := httptest.NewRecorder()
	sessions.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		require.NoError(b, sessions.StartParticipant(r.Context(), self))
	})).
		ServeHTTP(w, httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/", nil))
	cookie := w.Result().Cookies()[0] //nolint:bodyclose // there is none
	page := sessions.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, ok, err := sessions.Participant(r.Context())
		require.NoError(b, err)
		require.True(b, ok)
		w.WriteHeader(http.StatusNoContent)
	}))
	for b.Loop() {
		r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/", nil)
		r.AddCookie(cookie)
		page.ServeHTTP(httptest.NewRecorder(), r)
	}
}
