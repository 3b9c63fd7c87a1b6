package projections

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"asem/analysis/frame"
	"asem/domain"
)

// codes draws what domain.CheckCode accepts, mostly digits, so that runs of them and leading zeros meet.
var codeGenerator = rapid.OneOf(rapid.StringMatching(`[0-9][01c]{0,6}`), rapid.StringMatching(`[A-Za-z0-9][A-Za-z0-9._-]{0,63}`))

func sign(n int) int { return min(1, max(-1, n)) }

func TestKeysSortAsPeopleDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := codeGenerator.Draw(t, "a"), codeGenerator.Draw(t, "b")
		require.NoError(t, domain.CheckCode("code", a))
		assert.Equal(t, sign(frame.Natural(a, b)), bytes.Compare(coupleKey("S", a), coupleKey("S", b)), "%s and %s", a, b)
		assert.Equal(t, a, lastCode(coupleKey("S", a)))
	})
}

func TestWhatIsNoCodeFindsNothing(t *testing.T) {
	none := studyKey("")
	for _, code := range []string{"", "S\x00S\x00", "\x00", "é", strings.Repeat("1", 65), strings.Repeat("1", 255)} {
		assert.Equal(t, none, studyKey(code), "%q", code)
		assert.Less(t, bytes.Compare(none.end(), studyKey("0")), 0)
	}
}

func TestKeysOfAThingLieInItsRange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		study, couple, other := codeGenerator.Draw(t, "study"), codeGenerator.Draw(t, "couple"), codeGenerator.Draw(t, "other")
		in := func(k, of key) bool { return bytes.Compare(of, k) < 0 && bytes.Compare(k, of.end()) < 0 }
		series := seriesKey(study, couple, "A", "avoidance")
		assert.True(t, in(coupleKey(study, couple), studyKey(study)))
		assert.True(t, in(series, studyKey(study)))
		assert.True(t, in(series, coupleKey(study, couple)))
		assert.True(t, in(series, personKey(study, couple, "A")))
		assert.False(t, in(series, personKey(study, couple, "B")))
		if couple != other {
			assert.False(t, in(series, coupleKey(study, other)))
			assert.False(t, in(series, studyKey(study+"0")))
		}
	})
}
