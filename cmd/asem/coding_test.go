package main

import (
	"fmt"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/analysis/agreement"
	"asem/cmd/asem/internal/access"
	"asem/cmd/asem/internal/web"
	"asem/projections"
)

// The coordinator of a simulated study, such as the demo's, sees how far its judges agree: the numbers of package agreement on the ratings that the read models show.
func TestTheDemoShowsLiveAgreement(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	must(t, "simulate", "--couples", "12", "--separations", "0", "--data", data)
	want := map[string]string{}
	require.NoError(t, storage{Data: data}.withExisting(t.Context(), func(h *house) error {
		view, err := h.read.View(t.Context(), projections.AsOf{})
		require.NoError(t, err)
		list, err := view.Ratings(t.Context(), "DEMO")
		require.NoError(t, err)
		byDimension := map[string][]agreement.Rating{}
		for _, r := range list {
			byDimension[r.Dimension] = append(byDimension[r.Dimension], agreement.Rating{Clip: r.Couple + "/" + r.Clip + "/" + string(r.Target), Judge: r.Judge, Value: r.Value})
		}
		require.NotEmpty(t, byDimension)
		for dimension, ratings := range byDimension {
			table, err := agreement.NewTable(ratings)
			require.NoError(t, err)
			a, err := agreement.Assess(t.Context(), table, agreement.IntervalScale, 0, nil)
			require.NoError(t, err)
			require.NotNil(t, a.ICC, dimension)
			icc := a.ICC.Coefficients[1]
			want[dimension] = fmt.Sprintf("ICC(2,1) %.2f (%.2f to %.2f)", icc.Value, icc.Interval.Lower, icc.Interval.Upper)
		}
		return nil
	}))
	base := serveOn(t, "--data", data)
	v := newWho(t, base)
	v.hire(t, data, "DEMO", "coordinator", "ana")
	var study string
	doorOf(t, data, func(a *access.Store) { study = web.StudyRef(a, "DEMO") })
	res, page := v.do(t, http.MethodGet, "/staff/"+study+"/coding", nil)
	require.Equal(t, http.StatusOK, res.status)
	for dimension, text := range want {
		assert.Contains(t, page, text, dimension)
	}
}
