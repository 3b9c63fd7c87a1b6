package web

import (
	"bytes"
	"net/http"
	"time"
)

// paceStep is the grain of the time that participants' pages take. What there is of the partner is read together with the person's own, so that a page could take a
// little longer the more the partner has answered: some hundredths of a millisecond for each answer. Answers leave at whole steps, and whoever measures sees the step.
const paceStep = 25 * time.Millisecond

// paced lets answers leave at whole steps after their request came.
func paced(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		held := &heldAnswer{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(held, r)
		took := time.Since(begin)
		wait := time.NewTimer(paceStep - took%paceStep)
		defer wait.Stop()
		select {
		case <-wait.C:
		case <-r.Context().Done():
			return // nobody waits for it any more
		}
		w.WriteHeader(held.status)
		w.Write(held.body.Bytes()) // the client may be gone
	})
}

// heldAnswer keeps an answer until it may leave.
type heldAnswer struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
	begun  bool
}

func (h *heldAnswer) WriteHeader(status int) {
	if !h.begun {
		h.status, h.begun = status, true
	}
}

func (h *heldAnswer) Write(b []byte) (int, error) {
	h.begun = true
	return h.body.Write(b)
}
