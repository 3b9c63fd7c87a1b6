package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"asem/analysis/apim"
	"asem/cmd/asem/internal/dataimport"
	"asem/cmd/asem/internal/simulate"
	"asem/domain"
	"asem/projections"
)

// demoCmd does the main job on the embedded database.
type demoCmd struct {
	storage
	Once   bool   `help:"Stop after printing the table."`
	Listen string `help:"Address to serve on." default:"127.0.0.1:8080" env:"ASEM_LISTEN"`
}

func (c *demoCmd) Help() string {
	return `Makes an example study of 120 couples over eight months (synthetic, with known effects), brings in the
real Acitelli couples beside it, fits the actor-partner change models of attachment anxiety and
avoidance, prints them beside what the simulator put in, and serves pages and GraphQL.
A second start finds its data again. Beside these it serves a study to try, in which you answer as either partner of a couple.

Example:
  asem demo --once --data demo-study`
}

func (c *demoCmd) Run(ctx context.Context, io streams) error {
	return c.with(ctx, func(h *house) error { return c.show(ctx, h, io) })
}

func (c *demoCmd) show(ctx context.Context, h *house, io streams) error {
	plan := simulate.Example()
	line := &progressLine{w: io.err}
	defer line.end()
	if _, err := h.simulate(ctx, plan, line); err != nil {
		return err
	}
	line.show("importing real couples", 0, 1)
	real, err := h.importAcitelli(ctx)
	if err != nil {
		return err
	}
	for _, outcome := range changeOutcomes { // a server keeps them fitted
		m, err := changeSpec(outcome).registered("change-"+outcome, "waves")
		if err != nil {
			return err
		}
		if err := h.order(ctx, domain.RegisterModel{Study: plan.Code, Model: m}); err != nil {
			return err
		}
	}
	line.show("fitting", 0, 1)
	view, err := h.read.View(ctx, projections.AsOf{})
	if err != nil {
		return err
	}
	table, err := changeTable(ctx, view, plan.Code)
	if err != nil {
		return err
	}
	line.end()
	if err := table.write(io.out); err != nil {
		return fmt.Errorf("print the table: %w", err)
	}
	fmt.Fprintf(io.out, "\nBeside it, study %s: %s.\n", real.Code, real.Title)
	if c.Once {
		return nil
	}
	if err := h.demoVideos(ctx, newLogger(io.err), plan.Code); err != nil {
		return err
	}
	known, links := demoTokens(plan.Code, real.Code)
	couple, err := h.demoCouple(ctx, time.Now())
	if err != nil {
		return err
	}
	staff, err := h.demoStaff(ctx, plan.Code, trialStudy)
	if err != nil {
		return err
	}
	all := func(base string) []string { return slices.Concat(couple(base), links(base), staff(base)) }
	return h.serve(ctx, io, serving{listen: c.Listen, authenticate: known.authenticate, links: all})
}

// importAcitelli brings in the bundled real data set.
func (h *house) importAcitelli(ctx context.Context) (projections.Study, error) {
	mapping, source := dataimport.Acitelli()
	batch, err := dataimport.Orders(mapping, source)
	if err != nil {
		return projections.Study{}, err
	}
	if _, err := h.exec.ExecuteAll(ctx, batch.ID, batch.Orders); err != nil {
		return projections.Study{}, batch.Explain(err)
	}
	if err := h.catchUp(ctx); err != nil {
		return projections.Study{}, err
	}
	view, err := h.read.View(ctx, projections.AsOf{})
	if err != nil {
		return projections.Study{}, err
	}
	return view.Study(ctx, mapping.Study)
}

// changeEffects is the actor-partner change table of a study: for each outcome the effects of coded
// responsiveness on its slope.
type changeEffects struct {
	study   projections.Study
	set     projections.Dataset
	results []*fitted
	names   []string // of the outcomes
}

// The outcomes and the predictor of the change table.
var changeOutcomes = []string{"anxiety", "avoidance"}

const changePredictor = "coded_" + simulate.Scheme

// changeSpec is the model of the change table: growth with equal effects for both roles.
func changeSpec(outcome string) modelSpec {
	return modelSpec{Kind: "growth", Outcome: outcome, Couple: "couple", Role: "role", Time: "time", Predictors: []string{changePredictor}, Pooled: true}
}

func changeTable(ctx context.Context, v projections.View, code string) (*changeEffects, error) {
	study, err := v.Study(ctx, code)
	if err != nil {
		return nil, err
	}
	set, err := v.WaveFrame(ctx, code)
	if err != nil {
		return nil, err
	}
	t := &changeEffects{study: study, set: set, names: changeOutcomes}
	for _, o := range t.names {
		r, err := changeSpec(o).fit(ctx, set.Frame)
		if err != nil {
			return nil, fmt.Errorf("change of %s: %w", o, err)
		}
		if err := r.Err(); err != nil {
			return nil, fmt.Errorf("change of %s: %w", o, err)
		}
		t.results = append(t.results, r)
	}
	return t, nil
}

func (t *changeEffects) write(w io.Writer) error {
	fmt.Fprintf(w, "Study %s: %s\n", t.study.Code, t.study.Title)
	if t.study.Synthetic() {
		fmt.Fprintln(w, "SYNTHETIC DATA, made by asem simulate with known effects. Not evidence.")
	}
	fmt.Fprintf(w, "\nChange of attachment over 8 months by coded responsiveness (dyadic growth, REML, Satterthwaite df):\nscale points a month for each point of responsiveness, as the mean of the judges.\n\n")
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tab, "outcome\teffect\tput in\testimate\tSE\tdf\tt\tp\t95% CI\t\t")
	for i, r := range t.results {
		for _, path := range []apim.Path{apim.Actor, apim.Partner} {
			e, ok := effectOn(r.Effects, changePredictor, path, "slope")
			if !ok {
				return fmt.Errorf("the model of %s has no %s effect", t.names[i], path)
			}
			p := e.Parameter
			fmt.Fprintf(tab, "%s\t%s\t%s\t%.4f\t%.4f\t%.1f\t%.2f\t%s\t%.4f\t%.4f\t\n", t.names[i], path, t.putIn(t.names[i], path), p.Estimate, p.SE, p.DF, p.Statistic, pValue(p.P), p.Lower, p.Upper)
		}
	}
	if err := tab.Flush(); err != nil {
		return err
	}
	for i, r := range t.results {
		fmt.Fprintf(w, "\n%s: %d answers of %d couples, log-likelihood %.3f", t.names[i], r.Rows, r.Couples, r.LogLik)
		if r.Reason != "" {
			fmt.Fprintf(w, "; %s", r.Reason)
		}
	}
	_, err := fmt.Fprintf(w, "\nStands on position %d of the log, data sha256 %.16s.\n", t.set.Provenance.Position, t.set.Provenance.DataHash)
	return err
}

// putIn returns the effect that the simulator put in, as text.
func (t *changeEffects) putIn(outcome string, path apim.Path) string {
	if t.study.Simulation != nil {
		for _, e := range t.study.Simulation.Effects {
			if e.Outcome == outcome && e.Predictor == changePredictor && e.Path == string(path) {
				return fmt.Sprintf("%.4f", e.Value)
			}
		}
	}
	return "-"
}
