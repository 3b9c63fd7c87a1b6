package main

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"asem/analysis/apim"
	"asem/analysis/mixed"
	"asem/analysis/power"
	"asem/domain"
	"asem/projections"
)

// designSpec is a study that is planned, as a researcher writes it in YAML. Whole numbers are read as they stand, so that 60.5 couples are refused.
type designSpec struct {
	Title          string                   `yaml:"title"` // of the figure
	Model          modelSpec                `yaml:"model"`
	Couples        []float64                `yaml:"couples"`
	Times          []float64                `yaml:"times"`
	Roles          []string                 `yaml:"roles"`
	CouplesPerSite float64                  `yaml:"couples_per_site"`
	Predictors     map[string]predictorSpec `yaml:"predictors"`
	Outcome        struct {
		Mean        float64 `yaml:"mean"`
		SD          float64 `yaml:"sd"`
		Correlation float64 `yaml:"partner_correlation"`
	} `yaml:"outcome"`
	Dropout struct {
		Share     float64 `yaml:"share"`
		Mechanism string  `yaml:"mechanism"`
		LogOdds   float64 `yaml:"log_odds"`
		Who       string  `yaml:"who"` // couple (default) or person
	} `yaml:"dropout"`
	Missing      float64            `yaml:"missing"`
	Effects      map[string]float64 `yaml:"effects"`
	Covariance   map[string]float64 `yaml:"covariance"`
	Interest     []string           `yaml:"interest"`
	Alpha        float64            `yaml:"alpha"`
	Replications float64            `yaml:"replications"`
	MCError      float64            `yaml:"mc_error"`
	Seed         float64            `yaml:"seed"`

	name   string
	root   ast.Node
	sha256 string
}

type predictorSpec struct {
	Distribution string  `yaml:"distribution"`
	Mean         float64 `yaml:"mean"`
	SD           float64 `yaml:"sd"`
	Correlation  float64 `yaml:"partner_correlation"`
	Varying      float64 `yaml:"varying"`
	Judges       float64 `yaml:"judges"`
	ICC          float64 `yaml:"icc"`
	Reliability  float64 `yaml:"reliability"`
}

// readDesign reads a design file.
func readDesign(path string) (designSpec, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return designSpec{}, &domain.Error{Code: domain.Invalid, Path: path, Message: "the design cannot be read", Err: err}
	}
	return parseDesign(path, text)
}

// parseDesign reads a design strictly: an unknown field is an error with its line and column.
func parseDesign(name string, text []byte) (d designSpec, err error) {
	d.name = name
	// The YAML library needs memory by the square of nesting.
	if n := bytes.Count(text, []byte("[")) + bytes.Count(text, []byte("{")); len(text) > maxSpec || n > 1000 {
		return d, &domain.Error{Code: domain.Invalid, Path: name, Message: "this is too large or too deeply nested to be a design"}
	}
	defer func() { // the library promises no more than its tests do on broken input
		if recover() != nil {
			err = &domain.Error{Code: domain.Invalid, Path: name, Message: "the text is not YAML"}
		}
	}()
	if err := yaml.UnmarshalWithOptions(text, &d, yaml.Strict()); err != nil {
		return d, &domain.Error{Code: domain.Invalid, Path: name, Message: yaml.FormatError(err, false, false)}
	}
	if f, err := parser.ParseBytes(text, 0); err == nil && len(f.Docs) > 0 {
		d.root = f.Docs[0].Body
	}
	sum := sha256.Sum256(text)
	d.sha256 = hex.EncodeToString(sum[:])
	if !slices.ContainsFunc(projections.ModelKinds(), func(k [2]string) bool { return k[0] == d.Model.Kind }) {
		return d, d.wrong(fmt.Sprintf("is %q; expected one of %s", d.Model.Kind, kindList()), "model", "kind")
	}
	at := d.place("model")
	if err := d.Model.check(at); err != nil {
		return d, err
	}
	if err := d.Model.asked().Check(); err != nil {
		var bad *domain.Error
		if errors.As(err, &bad) {
			return d, &domain.Error{Code: bad.Code, Path: at, Message: bad.Message}
		}
		return d, err
	}
	if d.Model.Level != 0 {
		return d, d.wrong("follows from alpha; leave it out", "model", "level")
	}
	return d, nil
}

// plan returns what will be simulated.
func (d designSpec) plan() (power.Plan, error) {
	p := power.Plan{
		Times: d.Times, Outcome: power.Baseline(d.Outcome), Missing: d.Missing, Effects: d.Effects, Covariance: d.Covariance, Interest: d.Interest, Alpha: d.Alpha, MCError: d.MCError,
		Dropout: power.Dropout{Share: d.Dropout.Share, Mechanism: power.Mechanism(d.Dropout.Mechanism), LogOdds: d.Dropout.LogOdds, Persons: d.Dropout.Who == "person"},
	}
	m := d.Model.asked()
	if m.Kind == projections.MixedKind {
		p.Model.Formulas = &mixed.Spec{
			Outcome: m.Outcome, Site: m.Site, Couple: m.Couple, Person: m.Person, Role: m.Role, Time: m.Time, Fixed: m.Fixed, Random: m.Random, Contrasts: mixed.Contrasts(m.Contrasts),
			Residual: mixed.Residual{Variance: mixed.Variance(m.ResidualVariance), CrossPartner: m.CrossPartner, Serial: mixed.Serial(m.Serial)}, Method: mixed.Method(m.Method), DF: mixed.DF(m.DF),
		}
	} else {
		p.Model.Spec = apim.Spec{Kind: m.Kind, Outcome: m.Outcome, Couple: m.Couple, Role: m.Role, Time: m.Time, Predictors: m.Predictors, Pooled: m.Pooled, Occasions: m.Occasions,
			CompletePairs: m.CompletePairs, Method: mixed.Method(m.Method), DF: mixed.DF(m.DF)}
	}
	if w := d.Dropout.Who; w != "" && w != "couple" && w != "person" {
		return p, d.wrong(fmt.Sprintf("is %q; expected couple or person", w), "dropout", "who")
	}
	if n := len(d.Roles); n > 0 {
		if n != 2 {
			return p, d.wrong(fmt.Sprintf("has %d names; expected two", n), "roles")
		}
		p.Roles = [2]string(d.Roles)
	}
	var err error
	whole := func(x float64, path ...string) int {
		if err == nil && (x != math.Trunc(x) || !(math.Abs(x) < 1e9)) {
			err = d.wrong(fmt.Sprintf("is %v; expected a whole number", x), path...)
		}
		return int(x)
	}
	for i, n := range d.Couples {
		p.Couples = append(p.Couples, whole(n, "couples", strconv.Itoa(i)))
	}
	p.CouplesPerSite, p.Replications = whole(d.CouplesPerSite, "couples_per_site"), whole(d.Replications, "replications")
	if d.Seed < 0 {
		return p, d.wrong(fmt.Sprintf("is %v; expected a whole number of 0 or more", d.Seed), "seed")
	}
	p.Seed = uint64(whole(d.Seed, "seed"))
	for _, name := range slices.Sorted(maps.Keys(d.Predictors)) {
		x := d.Predictors[name]
		p.Predictors = append(p.Predictors, power.Predictor{Name: name, Distribution: power.Distribution(x.Distribution), Mean: x.Mean, SD: x.SD, Correlation: x.Correlation, Varying: x.Varying,
			Judges: whole(x.Judges, "predictors", name, "judges"), ICC: x.ICC, Reliability: x.Reliability})
	}
	return p, err
}

// wrong is an error about a part of the design, with its place in the file.
func (d designSpec) wrong(message string, path ...string) error {
	return &domain.Error{Code: domain.Invalid, Path: d.place(path...), Message: strings.Join(path, ".") + " " + message}
}

// placed brings an error about a plan to its place in the file.
func (d designSpec) placed(err error) error {
	var bad *power.PlanError
	if errors.As(err, &bad) {
		return d.wrong(bad.Message, bad.Path...)
	}
	return err
}

// place returns the file, line and column of a path, or of the innermost part of it that was written.
func (d designSpec) place(path ...string) string {
	node, at := d.root, ""
	var steps []string
	for _, step := range path { // fields of models come as predictors[0]
		name, index, listed := strings.Cut(step, "[")
		if steps = append(steps, name); listed {
			steps = append(steps, strings.TrimSuffix(index, "]"))
		}
	}
	for _, step := range steps {
		next, tok := child(node, step)
		if next == nil {
			break
		}
		if tok.GetToken() != nil && tok.GetToken().Position != nil {
			at = fmt.Sprintf(":%d:%d", tok.GetToken().Position.Line, tok.GetToken().Position.Column)
		}
		node = next
	}
	return d.name + cmp.Or(at, "")
}

// child returns the value under a key or index, and the node whose place is that of the entry.
func child(n ast.Node, step string) (value, place ast.Node) {
	var entries []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		entries = n.Values
	case *ast.MappingValueNode:
		entries = []*ast.MappingValueNode{n}
	case *ast.SequenceNode:
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(n.Values) {
			return n.Values[i], n.Values[i]
		}
	}
	for _, e := range entries {
		if e.Key.GetToken().Value == step {
			return e.Value, e.Key
		}
	}
	return nil, nil
}
