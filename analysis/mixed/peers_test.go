package mixed_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/analysis/mixed"
)

// Fits the dyadic growth model to the same files here and in R and prints the ratios of the times, from the frame to the
// inference here, from the data frame to the fit there. It takes minutes, so it is run by hand:
//
//	ASEM_PEERS="150 1000" go test -run AgainstPeers -v ./analysis/mixed
func TestAgainstPeers(t *testing.T) {
	sizes := strings.Fields(os.Getenv("ASEM_PEERS"))
	if len(sizes) == 0 {
		t.Skip(`set ASEM_PEERS to numbers of couples, such as "150 1000", to compare with R`)
	}
	rscript, err := exec.LookPath("Rscript")
	if err != nil {
		t.Skip("Rscript is not installed; R with nlme and glmmTMB is compared with (Debian: r-cran-nlme, r-cran-glmmtmb)")
	}
	for _, size := range sizes {
		couples, err := strconv.Atoi(size)
		require.NoError(t, err)
		f := growthFrame(t, simulateGrowth(1, couples, 4, 0.3))
		path := filepath.Join(t.TempDir(), "growth.csv")
		file, err := os.Create(path)
		require.NoError(t, err)
		require.NoError(t, f.WriteCSV(file))
		require.NoError(t, file.Close())
		begin := time.Now()
		m, err := mixed.New(f, growthOnly())
		require.NoError(t, err)
		r, err := m.Fit(context.Background())
		require.NoError(t, err)
		require.NoError(t, r.Err())
		ours := time.Since(begin).Seconds()
		t.Logf("%d couples: here %.4f s, log-likelihood %.6f", couples, ours, r.LogLik)
		out, err := exec.CommandContext(t.Context(), rscript, filepath.Join("testdata", "peers.R"), path, "lme", "glmmTMB").Output()
		require.NoError(t, err)
		for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
			var engine string
			var seconds, ll float64
			_, err := fmt.Sscan(line, &engine, &seconds, &ll)
			require.NoError(t, err, line)
			t.Logf("%d couples: %s %.3f s, log-likelihood %.6f, %.0f times as long", couples, engine, seconds, ll, seconds/ours)
			assert.GreaterOrEqual(t, r.LogLik, ll-1e-4, "%s found a higher likelihood", engine)
		}
	}
}

// growthOnly is dyadic growth without predictors.
func growthOnly() mixed.Spec {
	s := growthSpec()
	s.Fixed = "0 + role + role:time"
	return s
}
