package mixed_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/analysis/mixed"
)

// Fits the dyadic growth model and the diary actor-partner model to the same files here and in R and prints the ratios of the times, from the
// frame to the inference here (the median of ten, five before R and five after it), from the data frame to the fit there (once). It takes minutes, so it is run by hand:
//
//	ASEM_PEERS="150 1000 diary" go test -run AgainstPeers -v ./analysis/mixed
func TestAgainstPeers(t *testing.T) {
	sizes := strings.Fields(os.Getenv("ASEM_PEERS"))
	if len(sizes) == 0 {
		t.Skip(`set ASEM_PEERS to numbers of couples, such as "150 1000", or to "diary", to compare with R`)
	}
	rscript, err := exec.LookPath("Rscript")
	if err != nil {
		t.Skip("Rscript is not installed; R with nlme and glmmTMB is compared with (Debian: r-cran-nlme, r-cran-glmmtmb)")
	}
	for _, size := range sizes {
		kind, rows, spec := "growth", []growthRow(nil), growthOnly()
		if size == "diary" {
			kind, rows = size, simulateDiary(1, 120, 14)
			spec.Fixed, spec.Random = "0 + role + role:within(x) + role:partner(within(x)) + role:time", "(0 + role | couple)"
		} else {
			couples, err := strconv.Atoi(size)
			require.NoError(t, err)
			rows = simulateGrowth(1, couples, 4, 0.3)
		}
		f := growthFrame(t, rows)
		path := filepath.Join(t.TempDir(), "rows.csv")
		file, err := os.Create(path)
		require.NoError(t, err)
		require.NoError(t, f.WriteCSV(file))
		require.NoError(t, file.Close())
		var r *mixed.Fit
		var times []float64
		five := func() {
			for range 5 {
				begin := time.Now()
				m, err := mixed.New(f, spec)
				require.NoError(t, err)
				r, err = m.Fit(context.Background())
				require.NoError(t, err)
				require.NoError(t, r.Err())
				times = append(times, time.Since(begin).Seconds())
			}
		}
		five()
		out, err := exec.CommandContext(t.Context(), rscript, filepath.Join("testdata", "peers.R"), kind, path, "lme", "glmmTMB").Output()
		require.NoError(t, err)
		five()
		slices.Sort(times)
		ours := (times[4] + times[5]) / 2
		t.Logf("%s: here %.4f s (%.4f to %.4f), log-likelihood %.6f", size, ours, times[0], times[9], r.LogLik)
		for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
			var engine string
			var seconds, ll float64
			_, err := fmt.Sscan(line, &engine, &seconds, &ll)
			require.NoError(t, err, line)
			t.Logf("%s: %s %.3f s, log-likelihood %.6f, %.0f times as long", size, engine, seconds, ll, seconds/ours)
			assert.GreaterOrEqual(t, r.LogLik, ll-1e-4, "%s found a higher likelihood", engine)
		}
	}
}

// simulateDiary draws couples who keep a diary, with a random level of each partner, correlated days and a tenth of the days missing.
func simulateDiary(seed uint64, couples, days int) []growthRow {
	r := rand.New(rand.NewPCG(seed, 2))
	var rows []growthRow
	for c := range couples {
		shared, own := r.NormFloat64(), [2]float64{r.NormFloat64(), r.NormFloat64()}
		for day := range days {
			x, e := [2]float64{r.NormFloat64(), r.NormFloat64()}, 0.5*r.NormFloat64()
			for i, role := range []string{"h", "w"} {
				y := 5 + shared + own[i] + 0.4*x[i] + 0.2*x[1-i] - 0.02*float64(day) + e + (0.8+0.2*float64(i))*r.NormFloat64()
				if r.Float64() >= 0.1 {
					rows = append(rows, growthRow{fmt.Sprint("c", c), role, float64(day), x[i], y})
				}
			}
		}
	}
	return rows
}

func growthOnly() mixed.Spec {
	s := growthSpec()
	s.Fixed = "0 + role + role:time"
	return s
}
