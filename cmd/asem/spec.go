package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"strings"

	"github.com/goccy/go-yaml"

	"asem/analysis/frame"
	"asem/domain"
	"asem/projections"
)

// modelSpec is a model as a researcher writes it in YAML. Which fields count depends on the kind.
type modelSpec struct {
	Kind       string   `yaml:"kind"`
	Outcome    string   `yaml:"outcome"`
	Site       string   `yaml:"site"` // mixed: what couples are nested in
	Couple     string   `yaml:"couple"`
	Person     string   `yaml:"person"`
	Role       string   `yaml:"role"`
	Time       string   `yaml:"time"`
	Wave       string   `yaml:"wave"`       // named kinds: the same as time
	Fixed      string   `yaml:"fixed"`      // mixed
	Random     string   `yaml:"random"`     // mixed
	Contrasts  string   `yaml:"contrasts"`  // mixed: treatment (default) or sum
	Predictors []string `yaml:"predictors"` // named kinds
	Pooled     bool     `yaml:"pooled"`     // named kinds
	// Reliability of predictors that are measured with error; named kinds.
	Reliability map[string]float64 `yaml:"reliability"`
	Waves       []float64          `yaml:"waves"`   // keeps only these values of time
	Missing     string             `yaml:"missing"` // named kinds: row (default) or pair
	Residual    struct {
		Variance     string `yaml:"variance"`
		CrossPartner bool   `yaml:"cross_partner"`
		Serial       string `yaml:"serial"`
	} `yaml:"residual"`
	Method string  `yaml:"method"`
	DF     string  `yaml:"df"`
	Level  float64 `yaml:"level"`

	sha256 string
}

const maxSpec = 256 << 10 // bytes

// readSpec reads a spec file.
func readSpec(path string) (modelSpec, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return modelSpec{}, &domain.Error{Code: domain.Invalid, Path: path, Message: "the spec cannot be read", Err: err}
	}
	return parseSpec(path, text)
}

// parseSpec reads a spec strictly: an unknown field is an error with its line and column.
func parseSpec(name string, text []byte) (modelSpec, error) {
	var s modelSpec
	// The YAML library needs memory by the square of nesting.
	if n := bytes.Count(text, []byte("[")) + bytes.Count(text, []byte("{")); len(text) > maxSpec || n > 1000 {
		return s, &domain.Error{Code: domain.Invalid, Path: name, Message: "this is too large or too deeply nested to be a spec"}
	}
	if err := yaml.UnmarshalWithOptions(text, &s, yaml.Strict()); err != nil {
		return s, &domain.Error{Code: domain.Invalid, Path: name, Message: yaml.FormatError(err, false, false)}
	}
	sum := sha256.Sum256(text)
	s.sha256 = hex.EncodeToString(sum[:])
	return s, s.check(name)
}

// check refuses what no kind of model can be.
func (s modelSpec) check(name string) error {
	if s.Kind == "" {
		return &domain.Error{Code: domain.Invalid, Path: name, Message: "kind is missing; expected one of " + kindList()}
	}
	if s.Wave != "" && s.Time != "" && s.Wave != s.Time {
		return &domain.Error{Code: domain.Invalid, Path: name, Message: "time and wave name different columns; give one of them"}
	}
	if s.Missing != "" && s.Missing != "row" && s.Missing != "pair" {
		return &domain.Error{Code: domain.Invalid, Path: name, Message: fmt.Sprintf("missing is %q; expected row or pair", s.Missing)}
	}
	return nil
}

func kindList() string {
	var names []string
	for _, k := range projections.ModelKinds() {
		names = append(names, k[0])
	}
	return strings.Join(names, ", ")
}

// fitted is a fitted model with the spec it came from.
type fitted struct {
	spec modelSpec
	*projections.FittedModel
}

// fit fits the model to a frame. Bad specs and data come back as errors with code invalid; a model that does not
// converge is a result.
func (s modelSpec) fit(ctx context.Context, f *frame.Frame) (*fitted, error) {
	m, err := s.asked().Fit(ctx, f)
	if err != nil {
		return nil, err
	}
	return &fitted{s, m}, nil
}

// asked is the model that the spec asks for.
func (s modelSpec) asked() projections.ModelSpec {
	time := s.Time
	if time == "" {
		time = s.Wave
	}
	return projections.ModelSpec{
		Kind: s.Kind, Outcome: s.Outcome, Site: s.Site, Couple: s.Couple, Person: s.Person, Role: s.Role, Time: time, Fixed: s.Fixed, Random: s.Random, Contrasts: s.Contrasts,
		ResidualVariance: s.Residual.Variance, CrossPartner: s.Residual.CrossPartner, Serial: s.Residual.Serial,
		Predictors: s.Predictors, Reliability: s.Reliability, Pooled: s.Pooled, CompletePairs: s.Missing == "pair", Occasions: s.Waves, Method: s.Method, DF: s.DF, Level: s.Level,
	}
}
