package yamltext

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestEditsIsADistance(t *testing.T) {
	assert.Equal(t, 1, edits([]rune("lvoe"), []rune("love")))
	assert.Equal(t, 3, edits([]rune("kitten"), []rune("sitting")))
	word := rapid.StringMatching(`[ab]{0,6}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := []rune(word.Draw(t, "a")), []rune(word.Draw(t, "b"))
		require.Equal(t, edits(a, b), edits(b, a))
		require.Equal(t, string(a) == string(b), edits(a, b) == 0)
		require.LessOrEqual(t, edits(a, b), max(len(a), len(b)))
	})
}
