package studyfile

import (
	_ "embed"

	"asem/cmd/asem/internal/yamltext"
	"asem/domain"
)

//go:embed schemes.yaml
var schemes []byte

// SchemesText is the text of the ready coding schemes, to be copied into a plan.
func SchemesText() []byte { return schemes }

// Schemes returns the ready coding schemes.
func Schemes() []domain.CodingScheme {
	var f struct {
		Schemes []domain.CodingScheme `yaml:"schemes"`
	}
	if err := yamltext.Read("schemes.yaml", schemes, &f).Result(); err != nil {
		panic(err) // embedded, and tested
	}
	return f.Schemes
}
