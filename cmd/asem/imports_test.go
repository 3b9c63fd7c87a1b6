package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The import table: for each package of this module, by the longest prefix that fits, what its files
// may import besides the standard library. An entry that ends in "/" allows everything below it; a
// package may always import what lies in its own internal folder. Test files may import more.
var (
	mayImport = map[string][]string{
		"domain":                       {},
		"analysis/frame":               {"gonum.org/v1/gonum/"},
		"analysis/mixed":               {"asem/analysis/frame", "gonum.org/v1/gonum/"},
		"analysis/agreement":           {"asem/analysis/frame", "gonum.org/v1/gonum/"},
		"analysis/apim":                {"asem/analysis/frame", "asem/analysis/mixed", "gonum.org/v1/gonum/"},
		"analysis/power":               {"asem/analysis/frame", "asem/analysis/mixed", "asem/analysis/apim", "gonum.org/v1/gonum/"},
		"analysis/plot":                {"gonum.org/v1/plot", "gonum.org/v1/plot/"},
		"events/backup":                {"asem/domain", "asem/events", "asem/events/proof", "asem/events/seal", "github.com/google/uuid", "filippo.io/age", "github.com/klauspost/compress/zstd", "github.com/gofrs/flock"},
		"events/proof":                 {"asem/domain", "asem/events", "golang.org/x/mod/sumdb/", "github.com/google/uuid"},
		"events/seal":                  {"asem/domain", "asem/events", "golang.org/x/crypto/"},
		"events":                       {"asem/domain", "github.com/google/uuid", "golang.org/x/mod/sumdb/", "golang.org/x/crypto/"},
		"events/sqlite":                {"asem/domain", "asem/events", "github.com/google/uuid", "modernc.org/sqlite", "modernc.org/sqlite/", "github.com/pressly/goose/v3", "github.com/pressly/goose/v3/"},
		"events/postgres":              {"asem/domain", "asem/events", "github.com/google/uuid", "golang.org/x/mod/sumdb/", "github.com/jackc/pgx/v5", "github.com/jackc/pgx/v5/", "github.com/pressly/goose/v3", "github.com/pressly/goose/v3/"},
		"events/feed":                  {"asem/domain", "asem/events", "github.com/google/uuid", "github.com/ThreeDotsLabs/watermill", "github.com/ThreeDotsLabs/watermill/", "github.com/ThreeDotsLabs/watermill-nats/v2/", "github.com/nats-io/nats.go", "github.com/prometheus/client_golang/"},
		"events/eventstest":            {"asem/domain", "asem/events", "github.com/", "pgregory.net/rapid", "golang.org/x/sync/"},
		"projections":                  {"github.com/google/uuid", "asem/domain", "asem/events", "asem/analysis/"},
		"graphql":                      {"asem/domain", "asem/projections", "github.com/graphql-go/graphql", "github.com/graphql-go/graphql/", "github.com/hashicorp/golang-lru/v2", "github.com/google/uuid"},
		"cmd/asem":                     {""},
		"cmd/asem/internal/access":     {"asem/domain", "github.com/alexedwards/argon2id", "golang.org/x/crypto/argon2", "github.com/alexedwards/scs/v2", "github.com/pquerna/otp", "github.com/pquerna/otp/hotp", "golang.org/x/text/unicode/norm", "github.com/jackc/pgx/v5", "github.com/jackc/pgx/v5/", "github.com/pressly/goose/v3", "github.com/pressly/goose/v3/"},
		"cmd/asem/internal/web":        {"asem/domain", "asem/projections", "asem/graphql", "asem/cmd/asem/internal/access", "asem/cmd/asem/internal/media", "github.com/boombuler/barcode/qr", "github.com/google/uuid", "asem/cmd/asem/internal/web/language", "asem/analysis/agreement", "asem/cmd/asem/internal/desk"},
		"cmd/asem/internal/media":      {"asem/domain", "filippo.io/age", "github.com/google/uuid"},
		"cmd/asem/internal/desk":       {"asem/domain", "asem/projections", "asem/analysis/agreement"},
		"cmd/asem/internal/dataimport": {"asem/domain", "asem/events", "github.com/goccy/go-yaml", "github.com/goccy/go-yaml/", "github.com/google/uuid", "asem/cmd/asem/internal/yamltext"},
		"cmd/asem/internal/studyfile":  {"asem/domain", "asem/projections", "asem/analysis/frame", "asem/cmd/asem/internal/dataimport", "asem/cmd/asem/internal/yamltext"},
		"cmd/asem/internal/yamltext":   {"asem/domain", "github.com/goccy/go-yaml", "github.com/goccy/go-yaml/"},
		"cmd/asem/internal/prompting":  {"asem/domain", "asem/events", "asem/events/feed", "asem/projections", "github.com/google/uuid", "github.com/wneessen/go-mail", "github.com/wneessen/go-mail/smtp", "github.com/prometheus/client_golang/prometheus", "golang.org/x/text/language", "golang.org/x/time/rate", "asem/cmd/asem/internal/prompting/texts"},
		"cmd/asem/internal/simulate":   {"asem/domain", "github.com/google/uuid"},

		"cmd/asem/internal/web/language": {"golang.org/x/text/"},
	}
	testsMayImport = []string{"github.com/stretchr/testify/", "pgregory.net/rapid", "asem/events/eventstest", "asem/events", "asem/events/sqlite", "asem/events/postgres", "asem/events/seal", "asem/events/proof", "asem/domain",
		"modernc.org/sqlite", "github.com/jackc/pgx/v5", "github.com/jackc/pgx/v5/", "github.com/chromedp/", "github.com/ThreeDotsLabs/watermill/pubsub/", "github.com/ThreeDotsLabs/watermill/message",
		"github.com/google/uuid", "github.com/nats-io/", "github.com/anishathalye/porcupine", "golang.org/x/mod/sumdb/", "asem/analysis/frame", "golang.org/x/sync/", "github.com/goccy/go-yaml", "github.com/pquerna/otp/totp", "github.com/emersion/go-smtp", "github.com/emersion/go-sasl"}
	testOnly = []string{"asem/events/eventstest"}
)

func TestImportsFlowOneWay(t *testing.T) {
	root := filepath.Join("..", "..")
	files := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != root && len(d.Name()) > 2:
			return fs.SkipDir
		case !strings.HasSuffix(path, ".go"):
			return nil
		}
		files++
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		checkImports(t, path, filepath.ToSlash(rel))
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, files, 50, "the walk found too few files to mean anything")
}

func checkImports(t *testing.T, path, rel string) {
	t.Helper()
	src, err := os.ReadFile(path)
	require.NoError(t, err)
	f, err := parser.ParseFile(token.NewFileSet(), path, src, parser.ImportsOnly)
	require.NoError(t, err)
	pkg := rel[:strings.LastIndex(rel, "/")]
	allowed, known := mayImport[tableRow(pkg)]
	require.True(t, known, "%s: package %s has no row in the import table", rel, pkg)
	isTest := strings.HasSuffix(rel, "_test.go")
	for _, spec := range f.Imports {
		imp, err := strconv.Unquote(spec.Path.Value)
		require.NoError(t, err)
		first, _, _ := strings.Cut(imp, "/")
		switch {
		case !strings.Contains(first, ".") && first != "asem": // standard library
		case imp == "asem/"+pkg || strings.HasPrefix(imp, "asem/"+pkg+"/internal/"):
		case isTest && allows(testsMayImport, imp):
		case slices.Contains(testOnly, imp) && !isTest:
			t.Errorf("%s imports %s, which is for tests only", rel, imp)
		case !allows(allowed, imp):
			t.Errorf("%s imports %s, which the import table does not allow for %s", rel, imp, pkg)
		}
	}
}

// tableRow finds the row of a package: its own, or that of the nearest folder above.
func tableRow(pkg string) string {
	for p := pkg; ; {
		if _, ok := mayImport[p]; ok {
			return p
		}
		i := strings.LastIndex(p, "/")
		if i < 0 {
			return ""
		}
		p = p[:i]
	}
}

func allows(list []string, imp string) bool {
	return slices.ContainsFunc(list, func(a string) bool {
		return imp == a || (a == "" || strings.HasSuffix(a, "/")) && strings.HasPrefix(imp, a)
	})
}
