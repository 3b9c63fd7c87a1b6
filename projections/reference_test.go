package projections

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
)

// Five yearly waves of marital quality in 538 couples, wide: couple,h1..h5,w1..w5. What goes in as events
// comes out of the frame and of the trajectories value for value.
func TestFiveWavesOf538CouplesComeBackValueForValue(t *testing.T) {
	path := filepath.Join("..", "..", "shared", "reference", "data", "marital_quality_5waves_wide.csv")
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		t.Skipf("the data set is not here; expected it at %s", path)
	}
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 539)

	protocol := domain.Protocol{Version: 1, TimeUnitMonths: 12, AfterSeparation: domain.ContinueAfterSeparation,
		Roles:      []domain.RoleLabel{{Role: domain.RoleA, Label: "h"}, {Role: domain.RoleB, Label: "w"}},
		Constructs: []domain.Construct{{Code: "marital_quality"}}}
	for i := range 5 {
		protocol.Waves = append(protocol.Waves, domain.Wave{Index: i + 1, Label: fmt.Sprint("year ", i), Month: float64(12 * i)})
	}
	h := newHistory()
	h.do(t, domain.CreateStudy{Study: "S", Title: "Marital quality", Zone: "Etc/UTC"}, domain.PublishProtocol{Study: "S", Protocol: protocol})
	type cell struct {
		couple, role string
		time         float64
	}
	want := map[cell]float64{}
	for _, row := range rows[1:] {
		couple := row[0]
		h.do(t, enrol(couple)...)
		for i, text := range row[1:] {
			if text == "" {
				continue
			}
			value, err := strconv.ParseFloat(text, 64)
			require.NoError(t, err)
			r := protocol.Roles[i/5]
			h.do(t, domain.RecordScore{Study: "S", Couple: couple, Role: r.Role, Wave: i%5 + 1, Construct: "marital_quality", Value: value, MeasuredAt: day0(0).At(12, time.UTC)})
			want[cell{couple, r.Label, float64(i % 5)}] = value
		}
	}
	require.Len(t, want, 3548)
	v := seen(t, openFile(t), h)

	d, err := v.WaveFrame(t.Context(), "S")
	require.NoError(t, err)
	column := func(name string) func(int) string {
		c, ok := d.Frame.Column(name)
		require.True(t, ok, name)
		return c.Label
	}
	couple, role, years, quality := column("couple"), column("role"), column("time"), column("marital_quality")
	got := map[cell]float64{}
	for i := range d.Frame.Rows() {
		at, err := strconv.ParseFloat(years(i), 64)
		require.NoError(t, err)
		value, err := strconv.ParseFloat(quality(i), 64)
		require.NoError(t, err)
		got[cell{couple(i), role(i), at}] = value
	}
	assert.Equal(t, want, got)

	values := 0
	for page := (Page{First: MaxPage}); ; {
		list, err := v.Trajectories(t.Context(), "S", TrajectoryFilter{}, page)
		require.NoError(t, err)
		for _, tr := range list.Items {
			for _, s := range tr.Scores {
				assert.Equal(t, want[cell{tr.Couple, map[domain.Role]string{"A": "h", "B": "w"}[tr.Role], float64(s.Wave - 1)}], *s.Value)
				values++
			}
			page.After = tr.Cursor()
		}
		if !list.HasNext {
			break
		}
	}
	assert.Equal(t, 3548, values)
}
