package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"asem/analysis/plot"
	"asem/analysis/power"
	"asem/domain"
	"asem/projections"
)

// powerCmd simulates a study that is planned.
type powerCmd struct {
	Design       string  `help:"The study that is planned, as a YAML file." required:"" placeholder:"FILE"`
	Target       float64 `help:"Find how many couples give every effect of interest this power, instead of trying those of the design." placeholder:"POWER"`
	Plot         string  `help:"Draw the power curve to this file, .svg or .png." placeholder:"FILE"`
	Replications int     `help:"Studies to simulate for each sample size, instead of those of the design." placeholder:"N"`
	Workers      int     `help:"Studies to fit at the same time; 0 is one for each processor. The numbers are the same." placeholder:"N"`
	Parameters   bool    `help:"Only name the parameters of the model that a design can give true values."`
	JSON         bool    `help:"Print the result as JSON." name:"json"`
}

func (c *powerCmd) Help() string {
	return `A design says what will be fitted, to whom, and what is taken to be true:

  model:                     # as for asem fit
    kind: growth
    outcome: avoidance
    predictors: [responsiveness]
  couples: [60, 120, 240]
  times: [0, 4, 8]           # months
  roles: [man, woman]
  predictors:
    responsiveness: {mean: 4, sd: 1, partner_correlation: 0.3, judges: 3, icc: 0.6}
  dropout: {share: 0.2, mechanism: mar, log_odds: 0.4, who: couple}
  effects:                   # others are 0; role stands for both roles
    role: 3.5
    role:time:responsiveness_partner: -0.03
  covariance:
    sd(couple, role): 0.6
    sd(couple, role:time): 0.05
    sd(residual): 0.4
  replications: 1000
  seed: 1

Further fields: title, couples_per_site, outcome (mean, sd, partner_correlation of waves that the model takes as given), missing (share of single answers), interest
(names of effects), alpha, mc_error (stop early). Predictors may be binary or uniform (distribution), vary from day to day (varying: share of variance) or have a reliability.

Examples:
  asem power --design study.yaml --plot power.svg
  asem power --design study.yaml --target 0.8 --json
  asem power --design study.yaml --parameters`
}

func (c *powerCmd) Run(ctx context.Context, io streams) error {
	d, err := readDesign(c.Design)
	if err != nil {
		return err
	}
	p, err := d.plan()
	if err != nil {
		return err
	}
	if c.Parameters {
		effects, covariance, err := power.Parameters(p)
		if err != nil {
			return d.placed(err)
		}
		_, err = fmt.Fprintf(io.out, "effects:\n  %s\ncovariance:\n  %s\n", strings.Join(effects, "\n  "), strings.Join(covariance, "\n  "))
		return err
	}
	if err := figureName(c.Plot); err != nil {
		return err
	}
	if c.Replications != 0 {
		p.Replications = c.Replications
	}
	p.Workers = c.Workers
	line := &progressLine{w: io.err}
	p.Progress = func(couples, done, of int) {
		line.show(fmt.Sprintf("simulating studies of %d couples", couples), int64(done), int64(of))
	}
	r := powerReport{design: d, seed: p.Seed}
	if c.Target != 0 {
		if r.solution, err = power.Solve(ctx, p, c.Target); err == nil {
			r.curve = r.solution.Curve
		}
	} else {
		r.curve, err = power.Simulate(ctx, p)
	}
	line.end()
	if err != nil {
		return d.placed(err)
	}
	if c.JSON {
		err = r.writeJSON(io.out)
	} else {
		err = r.writeTable(io.out)
	}
	if err != nil || c.Plot == "" {
		return err
	}
	f, err := r.figure()
	if err != nil {
		return err
	}
	return saveFigure(c.Plot, f)
}

// powerReport is what was simulated, with the design it came from.
type powerReport struct {
	design   designSpec
	seed     uint64
	curve    *power.Curve
	solution *power.Solution // if one was asked for
}

type (
	powerJSON struct {
		Kind       string          `json:"kind"`
		Alpha      number          `json:"alpha"`
		Interest   []string        `json:"interest"`
		Covariance []covarianceJSON `json:"covariance"` // as taken to be true
		Points     []pointJSON     `json:"points"`
		Solution   *solutionJSON   `json:"solution,omitempty"`
		Provenance designJSON      `json:"provenance"`
	}
	covarianceJSON struct {
		Name  string `json:"name"`
		Value number `json:"value"`
	}
	pointJSON struct {
		Couples      int               `json:"couples"`
		Replications int               `json:"replications"`
		Failed       int               `json:"failed"`
		Singular     int               `json:"singular"`
		Failures     []failureJSON     `json:"failures"`
		Rows         number            `json:"mean_rows"`
		Effects      []powerEffectJSON `json:"effects"`
	}
	failureJSON struct {
		Reason string `json:"reason"`
		Count  int    `json:"count"`
	}
	powerEffectJSON struct {
		Name     string `json:"name"`
		Role     string `json:"role,omitempty"`
		True     number `json:"true"`
		Power    number `json:"power"`
		PowerSE  number `json:"power_se"`
		Lower    number `json:"power_lower"`
		Upper    number `json:"power_upper"`
		Mean     number `json:"mean"`
		Bias     number `json:"bias"`
		BiasSE   number `json:"bias_se"`
		SD       number `json:"sd"`
		SE       number `json:"mean_se"`
		Width    number `json:"ci_width"`
		Coverage number `json:"coverage"`
	}
	solutionJSON struct {
		Target  number `json:"target"`
		Couples int    `json:"couples"`
		Lower   int    `json:"lower"`
		Upper   int    `json:"upper"`
		Effect  string `json:"effect"`
	}
	designJSON struct {
		Design string `json:"design_sha256"`
		Engine string `json:"engine"`
		Seed   uint64 `json:"seed"`
	}
)

func (r powerReport) writeJSON(w io.Writer) error {
	out := powerJSON{Kind: r.design.Model.Kind, Alpha: number(r.curve.Alpha), Interest: []string{}, Covariance: []covarianceJSON{}, Provenance: designJSON{r.design.sha256, projections.EngineVersion, r.seed}}
	for i, name := range r.curve.Covariance {
		out.Covariance = append(out.Covariance, covarianceJSON{name, number(r.curve.Values[i])})
	}
	for _, i := range r.curve.Interest {
		out.Interest = append(out.Interest, r.curve.Points[0].Effects[i].Name)
	}
	for _, p := range r.curve.Points {
		point := pointJSON{Couples: p.Couples, Replications: p.Replications, Failed: p.Failed, Singular: p.Singular, Failures: []failureJSON{}, Rows: number(p.Rows)}
		for _, f := range p.Failures {
			point.Failures = append(point.Failures, failureJSON(f))
		}
		for _, e := range p.Effects {
			point.Effects = append(point.Effects, powerEffectJSON{e.Name, e.Role, number(e.True), number(e.Power), number(e.PowerSE), number(e.Lower), number(e.Upper), number(e.Mean),
				number(e.Bias), number(e.BiasSE), number(e.SD), number(e.SE), number(e.Width), number(e.Coverage)})
		}
		out.Points = append(out.Points, point)
	}
	if s := r.solution; s != nil {
		out.Solution = &solutionJSON{number(s.Target), s.Couples, s.Lower, s.Upper, s.Effect}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(out)
}

// writeTable writes the result for people: the effects of interest.
func (r powerReport) writeTable(w io.Writer) error {
	fmt.Fprintf(w, "%s model, two-sided tests at %g, seed %d\n\n", r.design.Model.Kind, r.curve.Alpha, r.seed)
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tab, "effect\ttrue\tcouples\tpower\t95% MC\t\tmean\tbias\tSD\tSE\tCI width\tcoverage\t")
	for _, i := range r.curve.Interest {
		for k, p := range r.curve.Points {
			e := p.Effects[i]
			name, value := e.Name, fmt.Sprintf("%.4g", e.True)
			if k > 0 {
				name, value = "", ""
			}
			fmt.Fprintf(tab, "%s\t%s\t%d\t%.3f\t%.3f\t%.3f\t%.4f\t%.4f\t%.4f\t%.4f\t%.4f\t%.3f\t\n", name, value, p.Couples, e.Power, e.Lower, e.Upper, e.Mean, e.Bias, e.SD, e.SE, e.Width, e.Coverage)
		}
	}
	if err := tab.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for _, p := range r.curve.Points {
		fmt.Fprintf(w, "%d couples: %d studies, %.0f rows each, %d failed, %d with a singular fit\n", p.Couples, p.Replications, p.Rows, p.Failed, p.Singular)
		for _, f := range p.Failures {
			fmt.Fprintf(w, "  %d: %s\n", f.Count, f.Reason)
		}
	}
	if s := r.solution; s != nil {
		fmt.Fprintf(w, "\n%d couples (%d to %d) have a power of %g; %s needs most.\n", s.Couples, s.Lower, s.Upper, s.Target, s.Effect)
	}
	return nil
}

// figure is the power curve of the effects of interest.
func (r powerReport) figure() (*plot.Figure, error) {
	var series []plot.Series
	most := 0
	for _, i := range r.curve.Interest {
		s := plot.Series{Name: r.curve.Points[0].Effects[i].Name}
		for _, p := range r.curve.Points {
			e := p.Effects[i]
			s.X, s.Y, s.Lower, s.Upper = append(s.X, float64(p.Couples)), append(s.Y, e.Power), append(s.Lower, e.Lower), append(s.Upper, e.Upper)
			most = max(most, p.Replications)
		}
		series = append(series, s)
	}
	if len(series) == 0 {
		return nil, &domain.Error{Code: domain.Invalid, Path: "--plot", Message: "the design has no effect of interest to draw; give effects or interest"}
	}
	title, target := r.design.Title, 0.8
	if title == "" {
		title = fmt.Sprintf("Power of the %s model", strings.ReplaceAll(r.design.Model.Kind, "_", " "))
	}
	if r.solution != nil {
		target = r.solution.Target
	}
	return plot.PowerCurve(plot.Labels{Title: title, Note: fmt.Sprintf("Two-sided tests at %g; up to %d simulated studies a point, bands are 95 %% Monte-Carlo intervals", r.curve.Alpha, most), X: "couples", Y: "power"}, series, target)
}
