package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const plannedStudy = `title: Two waves
model:
  kind: residualised_change
  outcome: avoidance
  predictors: [responsiveness]
couples: [50, 100]
times: [0, 12]
roles: [man, woman]
predictors:
  responsiveness: {partner_correlation: 0.3, judges: 3, icc: 0.6}
outcome: {mean: 3, sd: 1, partner_correlation: 0.3}
dropout: {share: 0.1, who: person}
effects:
  role: 1.2
  role:avoidance_actor: 0.6
  role:responsiveness_partner: -0.25
covariance:
  sd(residual): 0.8
  cor(partners): 0.2
replications: 60
seed: 3
`

// The table is for people, JSON for programs, and both hold the same; the curve is drawn beside them.
func TestPowerCommand(t *testing.T) {
	design, dir := write(t, "study.yaml", plannedStudy), t.TempDir()
	svg, image := filepath.Join(dir, "power.svg"), filepath.Join(dir, "power.png")
	table := must(t, "power", "--design", design, "--plot", svg)
	assert.Contains(t, table, "residualised_change model, two-sided tests at 0.05, seed 3")
	assert.Contains(t, table, "100 couples: 60 studies")
	var r powerJSON
	require.NoError(t, json.Unmarshal([]byte(must(t, "power", "--design", design, "--json", "--workers", "3", "--plot", image)), &r))
	assert.Equal(t, []string{"roleman:responsiveness_partner", "rolewoman:responsiveness_partner"}, r.Interest)
	require.Len(t, r.Points, 2)
	assert.Len(t, r.Points[0].Effects, 10)
	assert.Equal(t, []covarianceJSON{{"sd(residual, man)", 0.8}, {"sd(residual, woman)", 0.8}, {"cor(partners)", 0.2}}, r.Covariance)
	assert.Equal(t, []any{50, 60, 0}, []any{r.Points[0].Couples, r.Points[0].Replications, r.Points[0].Failed})
	assert.Len(t, r.Provenance.Design, 64)
	text, err := os.ReadFile(svg)
	require.NoError(t, err)
	for _, want := range []string{"<title>Two waves", ">couples</text>", "rolewoman:responsiveness_partner</text>", "target 0.8"} {
		assert.Contains(t, string(text), want)
	}
	f, err := os.Open(image)
	require.NoError(t, err)
	defer f.Close()
	_, err = png.Decode(f)
	require.NoError(t, err)
	names := must(t, "power", "--design", design, "--parameters")
	assert.Contains(t, names, "  roleman:avoidance_partner\n")
	assert.Contains(t, names, "  sd(residual, woman)\n")
}

func TestPowerCommandFindsHowMany(t *testing.T) {
	design := write(t, "study.yaml", plannedStudy)
	var r powerJSON
	require.NoError(t, json.Unmarshal([]byte(must(t, "power", "--design", design, "--target", "0.8", "--replications", "100", "--json")), &r))
	require.NotNil(t, r.Solution)
	assert.InDelta(t, 125, r.Solution.Couples, 40)
	assert.Contains(t, r.Interest, r.Solution.Effect)
	assert.Contains(t, must(t, "power", "--design", design, "--target", "0.8", "--replications", "100"), "have a power of 0.8; ")
}

// Formulas are simulated as named models are.
func TestPowerOfFormulas(t *testing.T) {
	design := write(t, "diary.yaml", `
model:
  kind: mixed
  outcome: closeness
  couple: couple
  role: role
  time: day
  fixed: "0 + role + within(support) + partner(within(support))"
  random: "(0 + role | couple)"
  residual: {variance: role, cross_partner: true, serial: ar1}
  df: kenward-roger
couples: [40]
times: [0, 1, 2, 3, 4]
predictors:
  support: {varying: 0.6, partner_correlation: 0.2}
missing: 0.1
effects: {role: 4, within(support): 0.2}
covariance: {"sd(couple, role)": 0.6, sd(residual): 0.9, cor(partners): 0.2, phi: 0.3}
interest: [within(support), partner(within(support))]
replications: 20
`)
	table := must(t, "power", "--design", design)
	assert.Contains(t, table, "partner(within(support))")
	assert.Contains(t, table, "40 couples: 20 studies")
}

// What is wrong with a design is told with its line and column.
func TestDesignsRefused(t *testing.T) {
	for name, c := range map[string]struct{ old, new, want string }{
		"an unknown field":         {"seed: 3", "sed: 3", `[21:1] unknown field "sed"`},
		"an unknown effect":        {"role:avoidance_actor: 0.6", "role:avoidance_acter: 0.6", `study.yaml:15:3: effects.role:avoidance_acter is no fixed effect of the model; did you mean "role:avoidance_actor"?`},
		"an unknown component":     {"cor(partners)", "cor(partner)", `study.yaml:19:3: covariance.cor(partner) is no covariance parameter of the model; did you mean "cor(partners)"?`},
		"a negative deviation":     {"sd(residual): 0.8", "sd(residual): -1", "study.yaml:18:3: covariance.sd(residual) is -1; expected a standard deviation greater than 0"},
		"no couples":               {"[50, 100]", "[50, 0]", "study.yaml:6:15: couples.1 has 0 couples; expected 2 to 100000"},
		"half a couple":            {"[50, 100]", "[50.5, 100]", "study.yaml:6:11: couples.0 is 50.5; expected a whole number"},
		"one wave":                 {"times: [0, 12]", "times: [0]", "dropout.share needs two occasions or more"},
		"dropout of all":           {"share: 0.1", "share: 1", "study.yaml:12:11: dropout.share is 1; expected a share from 0 to below 1"},
		"judges without agreement": {"icc: 0.6", "icc: 0", "study.yaml:10:57: predictors.responsiveness.icc is 0"},
		"nobody's dropout":         {"who: person", "who: nobody", `study.yaml:12:23: dropout.who is "nobody"; expected couple or person`},
		"three roles":              {"[man, woman]", "[a, b, c]", "study.yaml:8:1: roles has 3 names; expected two"},
		"an unknown kind":          {"kind: residualised_change", "kind: change", `study.yaml:3:3: model.kind is "change"; expected one of mixed, growth, residualised_change`},
		"a field of another kind":  {"outcome: avoidance\n", "outcome: avoidance\n  random: (1 | couple)\n", "study.yaml:2:1: random belongs to models given by formulas"},
		"an unknown predictor":     {"predictors: [responsiveness]", "predictors: [warmth]", `study.yaml:5:16: model.predictors[0] names "warmth"`},
		"no first wave":            {"sd: 1, ", "", "study.yaml:11:1: outcome.sd is missing"},
		"a level":                  {"outcome: avoidance\n", "outcome: avoidance\n  level: 0.9\n", "model.level follows from alpha"},
		"a seed below zero":        {"seed: 3", "seed: -3", "study.yaml:21:1: seed is -3"},
		"an effect of words":       {"role: 1.2", "role: large", "[14:9]"},
		"an effect twice":          {"role: 1.2", "role: 1.2\n  role: 1", "[15:3]"},
		"no YAML":                  {"title: Two waves", "title: [", "study.yaml"},
	} {
		require.Contains(t, plannedStudy, c.old, name)
		_, err, code := asem(t, "power", "--design", write(t, "study.yaml", strings.Replace(plannedStudy, c.old, c.new, 1)))
		assert.Equal(t, 2, code, name)
		assert.Contains(t, err, c.want, name)
	}
	_, err, code := asem(t, "power", "--design", write(t, "study.yaml", plannedStudy), "--plot", "power.gif")
	assert.Equal(t, 2, code)
	assert.Contains(t, err, "must end in .svg or .png")
	_, err, code = asem(t, "power", "--design", write(t, "study.yaml", plannedStudy), "--target", "1.5")
	assert.Equal(t, 2, code)
	assert.Contains(t, err, "target is 1.5; expected a power above alpha")
}

func FuzzDesign(f *testing.F) {
	f.Add([]byte(plannedStudy))
	f.Add([]byte("model: {kind: growth}\ncouples: [1e300]\nseed: .nan"))
	f.Add([]byte("- a"))
	f.Add([]byte("model: &a {kind: mixed}\neffects: *a"))
	f.Fuzz(func(_ *testing.T, text []byte) {
		if d, err := parseDesign("d.yaml", text); err == nil {
			if p, err := d.plan(); err == nil {
				_ = d.placed(nil)
				_ = p
			}
			_ = d.place("effects", "x")
		}
	})
}

// A fit draws what it found.
func TestFitDraws(t *testing.T) {
	var rows bytes.Buffer
	rows.WriteString("couple,role,month,y,x\n")
	value := func(k int) float64 { return float64(k*7919%101)/50 - 1 }
	for c := range 60 {
		for w := range 3 {
			for r, role := range []string{"man", "woman"} {
				level := value(c*2 + r)
				writeRow(&rows, c, role, 4*w, 3+level-0.05*float64(w)+0.5*value(c*31+w*7+r*13)+0.3*value(c*5+r), value(c*3+r+11))
			}
		}
	}
	data, dir := write(t, "data.csv", rows.String()), t.TempDir()
	spec := write(t, "growth.yaml", "kind: growth\noutcome: y\ncouple: couple\nrole: role\ntime: month\npredictors: [x]\n")
	forest, course := filepath.Join(dir, "effects.svg"), filepath.Join(dir, "course.svg")
	must(t, "fit", "--data", data, "--spec", spec, "--forest", forest, "--trajectories", course)
	text, err := os.ReadFile(forest)
	require.NoError(t, err)
	for _, want := range []string{"Actor and partner effects on y", ">x on slope, woman</text>", ">partner</text>"} {
		assert.Contains(t, string(text), want)
	}
	text, err = os.ReadFile(course)
	require.NoError(t, err)
	for _, want := range []string{"Expected course of y", ">month</text>", ">woman</text>"} {
		assert.Contains(t, string(text), want)
	}
	change := write(t, "change.yaml", "kind: residualised_change\noutcome: y\ncouple: couple\nrole: role\ntime: month\nwaves: [0, 4]\n")
	_, message, code := asem(t, "fit", "--data", data, "--spec", change, "--trajectories", course)
	assert.Equal(t, 2, code)
	assert.Contains(t, message, "does not change with month")
	_, message, code = asem(t, "fit", "--data", data, "--spec", spec, "--forest", filepath.Join(dir, "none", "a.svg"))
	assert.Equal(t, 2, code)
	assert.Contains(t, message, "cannot be written")
}

func writeRow(w *bytes.Buffer, couple int, role string, month int, y, x float64) {
	fmt.Fprintf(w, "%d,%s,%d,%g,%g\n", couple, role, month, y, x)
}
