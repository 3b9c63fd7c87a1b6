package agreement

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// R 4.2.2: format(qf(0.975, d1, d2), digits = 15), and pf(f, d1, d2, lower.tail = FALSE).
func TestQuantilesOfFAsInR(t *testing.T) {
	for _, c := range []struct{ d1, d2, want float64 }{{1, 1, 647.789011477844}, {2, 2, 39}, {1999, 3998, 1.078378368194352}, {50000, 100000, 1.015278017842915}, {5, 1e5, 2.56662657772466},
		{3, 2.37, 25.1050404122188}, {0.3, 5, 13.7558293910282}} {
		assert.InEpsilon(t, c.want, quantileF(0.975, c.d1, c.d2), 1e-10, "%v, %v df", c.d1, c.d2)
	}
	for _, c := range []struct{ f, d1, d2, want float64 }{{5.5, 239, 480, 1.16643390573326e-56}, {60, 5, 15, 2.2096794320644e-09}, {1.05, 1999, 3998, 0.102577285759391}, {3, 40, 1e+05, 6.46064525997072e-10}} {
		assert.InEpsilon(t, c.want, upperF(c.f, c.d1, c.d2), 1e-9, "F %v, %v, %v df", c.f, c.d1, c.d2)
	}
}
