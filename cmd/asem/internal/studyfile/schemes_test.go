package studyfile

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
)

// A plan takes every ready scheme as it stands.
func TestSchemesFitAPlan(t *testing.T) {
	list := Schemes()
	units := map[domain.CodingUnit]bool{}
	for _, s := range list {
		units[s.Unit] = true
	}
	assert.Len(t, list, 5)
	for _, u := range []domain.CodingUnit{domain.UnitClip, domain.UnitInterval, domain.UnitEvent, domain.UnitContinuous} {
		assert.True(t, units[u], u)
	}
	plan, ok := TemplateNamed("quick")
	require.True(t, ok)
	before, rest, ok := strings.Cut(string(plan.Text), "\nschemes:\n")
	require.True(t, ok)
	_, after, ok := strings.Cut(rest, "\n# What participants get")
	require.True(t, ok)
	_, only, ok := strings.Cut(string(SchemesText()), "schemes:\n")
	require.True(t, ok)
	p, err := Read("plan.yaml", []byte(before+"\nschemes:\n"+only+"\n#"+after), Context{})
	require.NoError(t, err)
	assert.Equal(t, list, p.Protocol.Schemes)
}
