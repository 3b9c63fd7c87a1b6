package domain_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"asem/domain"
)

func TestAddMonthsKeepsToTheMonth(t *testing.T) {
	for _, c := range []struct {
		from   string
		months int
		want   string
	}{
		{"2025-01-31", 1, "2025-02-28"}, {"2024-01-31", 1, "2024-02-29"}, {"2025-08-31", 8, "2026-04-30"}, {"2025-03-15", 12, "2026-03-15"}, {"2025-03-31", -1, "2025-02-28"},
	} {
		d, err := domain.ParseDate(c.from)
		require.NoError(t, err)
		assert.Equal(t, c.want, d.AddMonths(c.months).String(), c.from)
	}
}

var zones = []string{"Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Asia/Jerusalem", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu", "Africa/Casablanca", "Atlantic/Azores"}

func drawDay(t *rapid.T) domain.Date {
	return domain.NewDate(2010, time.January, 1).AddDays(rapid.IntRange(0, 6000).Draw(t, "day"))
}

func TestDatesReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := drawDay(t)
		text, err := d.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var back domain.Date
		if err := back.UnmarshalText(text); err != nil || back != d {
			t.Fatalf("%s reads back as %s: %v", d, back, err)
		}
		n := rapid.IntRange(-500, 500).Draw(t, "n")
		if got := d.DaysUntil(d.AddDays(n)); got != n {
			t.Fatalf("%s plus %d days is %d days later", d, n, got)
		}
	})
}

func FuzzParseDate(f *testing.F) {
	f.Add("2025-02-30")
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		if d, err := domain.ParseDate(s); err == nil && d.String() != s {
			t.Errorf("%q reads as %s", s, d)
		}
	})
}
