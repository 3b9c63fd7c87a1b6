package web

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// However long a page takes within a step, its answer leaves with the step.
func TestAnswersLeaveAtWholeSteps(t *testing.T) {
	for _, c := range []struct{ takes, leaves time.Duration }{{0, paceStep}, {paceStep / 3, paceStep}, {paceStep * 5 / 4, 2 * paceStep}} {
		t.Run(fmt.Sprint(c.takes), func(t *testing.T) {
			h := paced(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				time.Sleep(c.takes)
				w.Header().Set("X-Said", "first")
				w.WriteHeader(http.StatusTeapot)
				fmt.Fprint(w, "short and stout")
			}))
			rec := httptest.NewRecorder()
			begin := time.Now()
			h.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
			assert.GreaterOrEqual(t, time.Since(begin), c.leaves)
			assert.Equal(t, http.StatusTeapot, rec.Code)
			assert.Equal(t, "short and stout", rec.Body.String())
			assert.Equal(t, "first", rec.Header().Get("X-Said"))
		})
	}
}
