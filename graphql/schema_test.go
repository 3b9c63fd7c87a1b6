package graphql

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	gql "github.com/graphql-go/graphql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "run go test ./graphql -update and read the diff")
	assert.Equal(t, string(want), got, "run go test ./graphql -update and read the diff")
}

func TestSchemaIsGolden(t *testing.T) {
	sdl, err := SDL()
	require.NoError(t, err)
	golden(t, "schema.graphql", sdl)
}

// Who may see which field, for every field of the schema.
func TestAuthorisationTableIsGolden(t *testing.T) {
	b, err := build()
	require.NoError(t, err)
	viewers := []struct {
		name string
		v    Viewer
	}{
		{"anonymous", Viewer{}},
		{"own researcher", Viewer{Role: domain.ActorResearcher, Studies: []string{"S"}}},
		{"other researcher", Viewer{Role: domain.ActorResearcher, Studies: []string{"T"}}},
		{"own coordinator", Viewer{Role: domain.ActorCoordinator, Studies: []string{"S"}}},
		{"coder", Viewer{Role: domain.ActorCoder, Studies: []string{"S"}}},
		{"participant", Viewer{Role: domain.ActorParticipant, Studies: []string{"S"}}},
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%-42s", "field")
	for _, v := range viewers {
		fmt.Fprintf(&out, " %-16s", v.name)
	}
	out.WriteString("\n")
	listed := map[string]bool{}
	for _, r := range b.rules {
		listed[r.typ+"."+r.field] = true
		fmt.Fprintf(&out, "%-42s", r.typ+"."+r.field)
		for _, v := range viewers {
			fmt.Fprintf(&out, " %-16s", map[bool]string{true: "sees", false: "-"}[r.policy.allow(v.v, "S")])
		}
		out.WriteString("\n")
	}
	golden(t, "testdata/authorisation.txt", strings.ReplaceAll(out.String(), " \n", "\n"))
	for name, typ := range b.gql.TypeMap() {
		o, ok := typ.(*gql.Object)
		if !ok || strings.HasPrefix(name, "__") {
			continue
		}
		for field, def := range o.Fields() {
			assert.True(t, listed[name+"."+field], "%s.%s has no policy", name, field)
			assert.NotEmpty(t, def.Description, "%s.%s has no description", name, field)
		}
	}
}
