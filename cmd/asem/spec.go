package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/goccy/go-yaml"

	"asem/analysis/apim"
	"asem/analysis/frame"
	"asem/analysis/mixed"
	"asem/domain"
)

// modelSpec is a model as a researcher writes it in YAML. Which fields count depends on the kind.
type modelSpec struct {
	Kind       string    `yaml:"kind"`
	Outcome    string    `yaml:"outcome"`
	Couple     string    `yaml:"couple"`
	Person     string    `yaml:"person"`
	Role       string    `yaml:"role"`
	Time       string    `yaml:"time"`
	Wave       string    `yaml:"wave"`       // named kinds: the same as time
	Fixed      string    `yaml:"fixed"`      // mixed
	Random     string    `yaml:"random"`     // mixed
	Predictors []string  `yaml:"predictors"` // named kinds
	Pooled     bool      `yaml:"pooled"`     // named kinds
	Waves      []float64 `yaml:"waves"`      // keeps only these values of time
	Missing    string    `yaml:"missing"`    // named kinds: row (default) or pair
	Residual   struct {
		Variance     string `yaml:"variance"`
		CrossPartner bool   `yaml:"cross_partner"`
		Serial       string `yaml:"serial"`
	} `yaml:"residual"`
	Method string  `yaml:"method"`
	DF     string  `yaml:"df"`
	Level  float64 `yaml:"level"`

	sha256 string
}

const mixedKind = "mixed"

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
	if err := yaml.UnmarshalWithOptions(text, &s, yaml.Strict()); err != nil {
		return s, &domain.Error{Code: domain.Invalid, Path: name, Message: yaml.FormatError(err, false, false)}
	}
	sum := sha256.Sum256(text)
	s.sha256 = hex.EncodeToString(sum[:])
	if s.Kind == "" {
		return s, &domain.Error{Code: domain.Invalid, Path: name, Message: "kind is missing; expected one of " + kindList()}
	}
	if s.Wave != "" && s.Time != "" && s.Wave != s.Time {
		return s, &domain.Error{Code: domain.Invalid, Path: name, Message: "time and wave name different columns; give one of them"}
	}
	if s.Missing != "" && s.Missing != "row" && s.Missing != "pair" {
		return s, &domain.Error{Code: domain.Invalid, Path: name, Message: fmt.Sprintf("missing is %q; expected row or pair", s.Missing)}
	}
	return s, nil
}

func kindList() string {
	list := mixedKind
	for _, k := range apim.Kinds() {
		list += ", " + k.Name
	}
	return list
}

// fitted is a fit with what its report needs besides.
type fitted struct {
	spec     modelSpec
	fit      *mixed.Fit
	effects  []apim.Effect
	centres  map[string]float64
	excluded int
}

// fit fits the model to a frame. Bad specs and data come back as errors with code Invalid; a model that does not converge
// is a result.
func (s modelSpec) fit(ctx context.Context, f *frame.Frame) (*fitted, error) {
	out, err := s.run(ctx, f)
	if err != nil && ctx.Err() == nil {
		return nil, inputError(err)
	}
	return out, err
}

func (s modelSpec) run(ctx context.Context, f *frame.Frame) (*fitted, error) {
	if s.Kind != mixedKind {
		time := s.Time
		if time == "" {
			time = s.Wave
		}
		r, err := apim.Fit(ctx, f, apim.Spec{
			Kind: s.Kind, Outcome: s.Outcome, Couple: s.Couple, Role: s.Role, Time: time, Predictors: s.Predictors, Pooled: s.Pooled,
			Occasions: s.Waves, CompletePairs: s.Missing == "pair", Method: mixed.Method(s.Method), DF: mixed.DF(s.DF), Level: s.Level,
		})
		if err != nil {
			return nil, err
		}
		return &fitted{spec: s, fit: r.Fit, effects: r.Effects, centres: r.Centres, excluded: r.Excluded}, nil
	}
	if len(s.Waves) > 0 {
		f = onlyWaves(f, s.Time, s.Waves)
	}
	m, err := mixed.New(f, mixed.Spec{
		Outcome: s.Outcome, Couple: s.Couple, Person: s.Person, Role: s.Role, Time: s.Time, Fixed: s.Fixed, Random: s.Random,
		Residual: mixed.Residual{Variance: mixed.Variance(s.Residual.Variance), CrossPartner: s.Residual.CrossPartner, Serial: mixed.Serial(s.Residual.Serial)},
		Method:   mixed.Method(s.Method), DF: mixed.DF(s.DF), Level: s.Level,
	})
	if err != nil {
		return nil, err
	}
	fit, err := m.Fit(ctx)
	if err != nil {
		return nil, err
	}
	return &fitted{spec: s, fit: fit}, nil
}

// onlyWaves keeps the rows on the given occasions; a column that is not there is left to the model to refuse.
func onlyWaves(f *frame.Frame, time string, waves []float64) *frame.Frame {
	c, ok := f.Column(time)
	if !ok || !c.IsNumeric() {
		return f
	}
	var keep []int
	for r, t := range c.Values {
		if slices.Contains(waves, t) {
			keep = append(keep, r)
		}
	}
	return f.Take(keep)
}

// inputError gives the errors of the analysis packages a code and a place.
func inputError(err error) error {
	var (
		spec     *mixed.SpecError
		named    *apim.SpecError
		formula  *mixed.FormulaError
		data     *mixed.DataError
		cell     *frame.CellError
		known    *domain.Error
		messages = err.Error()
	)
	switch {
	case errors.As(err, &known):
		return err
	case errors.As(err, &spec), errors.As(err, &named), errors.As(err, &formula), errors.As(err, &data), errors.As(err, &cell):
		return &domain.Error{Code: domain.Invalid, Message: messages}
	}
	return err
}
