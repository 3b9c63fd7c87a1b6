package access

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestParseCode(t *testing.T) {
	c := NewCode()
	for _, typed := range []string{string(c), c.String(), strings.ToLower(c.String()), " " + strings.Join(strings.Split(string(c), ""), " ") + "\n", strings.ReplaceAll(c.String(), "-", "\u2011")} {
		got, err := ParseCode(typed)
		require.NoError(t, err, "%q", typed)
		assert.Equal(t, c, got)
	}
	for typed, says := range map[string]string{"": "has 0 characters; expected 9", "222-222-22": "has 8", string(c) + "2": "has 10", "O22222222": `no character 'O'`, "é22222222": `no character 'é'`, strings.Repeat(" ", 101): "too long"} {
		_, err := ParseCode(typed)
		assert.ErrorContains(t, err, says, "%q", typed)
	}
}

// Any one character that is wrong, and any two that are swapped, show.
func TestCodeShowsTypingMistakes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := []byte(NewCode())
		i := rapid.IntRange(0, len(c)-1).Draw(t, "i")
		j := rapid.IntRange(0, len(c)-1).Draw(t, "j")
		wrong := append([]byte(nil), c...)
		if i == j {
			wrong[i] = alphabet[rapid.IntRange(0, len(alphabet)-1).Draw(t, "other")]
		} else {
			wrong[i], wrong[j] = wrong[j], wrong[i]
		}
		_, err := ParseCode(string(wrong))
		if (err == nil) != (string(wrong) == string(c)) {
			t.Fatalf("%s typed as %s: %v", c, wrong, err)
		}
	})
}

func FuzzParseCode(f *testing.F) {
	f.Add("234-678-9AC")
	f.Add(NewCode().String())
	f.Add("\u200f2\xff")
	f.Fuzz(func(t *testing.T, typed string) {
		c, err := ParseCode(typed)
		if err != nil {
			if c != "" {
				t.Fatalf("%q gives %q and an error", typed, c)
			}
			return
		}
		for _, form := range []string{string(c), c.String(), strings.ToLower(c.String())} {
			if again, err := ParseCode(form); err != nil || again != c {
				t.Fatalf("%q gives %s, which as %q gives %s, %v", typed, c, form, again, err)
			}
		}
	})
}

func TestNetwork(t *testing.T) {
	for address, want := range map[string]string{"192.0.2.7": "192.0.2.7", "::ffff:192.0.2.7": "192.0.2.7", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64"} {
		assert.Equal(t, want, network(netip.MustParseAddr(address)), address)
	}
}
