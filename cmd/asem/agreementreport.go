package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"text/tabwriter"

	"asem/analysis/agreement"
)

type (
	agreementReport struct {
		Metric     string                   `json:"metric"`
		Level      number                   `json:"level"`
		Dimensions []dimensionReport        `json:"dimensions"`
		Provenance *agreementProvenanceJSON `json:"provenance,omitempty"`

		from provenance
	}
	agreementProvenanceJSON struct {
		Data      string `json:"data_sha256"`
		Engine    string `json:"engine"`
		Study     string `json:"study,omitempty"`
		Synthetic bool   `json:"synthetic,omitempty"`
		Position  string `json:"position,omitempty"`
	}
	dimensionReport struct {
		Dimension    string            `json:"dimension,omitempty"`
		Clips        int               `json:"n_clips"`
		Judges       int               `json:"n_judges"`
		Ratings      int               `json:"n_ratings"`
		Complete     bool              `json:"complete"`
		Coefficients []coefficientJSON `json:"coefficients"`
		Components   []componentJSON   `json:"components,omitempty"`
		Needed       *neededJSON       `json:"needed,omitempty"`
		GStudy       *gStudyJSON       `json:"generalisability,omitempty"`
		Drift        []chartJSON       `json:"drift,omitempty"`
		Traces       []traceJSON       `json:"traces,omitempty"`
		NotEstimable []string          `json:"not_estimable"`

		assessment               *agreement.Assessment
		judges                   int
		study                    *agreement.GStudy
		plan                     agreement.Plan
		promise                  agreement.Dependability
		planJudges, planSegments int
		charts                   []agreement.JudgeChart
		reasons                  []error
	}
	coefficientJSON struct {
		Name     string   `json:"name"`
		Alias    string   `json:"alias,omitempty"`
		Of       []string `json:"judges,omitempty"`
		Clips    int      `json:"n_clips,omitempty"`
		Estimate number   `json:"estimate"`
		SE       *number  `json:"se,omitempty"`
		Lower    *number  `json:"lower,omitempty"`
		Upper    *number  `json:"upper,omitempty"`
		Test     *struct {
			F   number `json:"f"`
			DF1 number `json:"df1"`
			DF2 number `json:"df2"`
			P   number `json:"p"`
		} `json:"test,omitempty"`
	}
	componentJSON struct {
		Name     string  `json:"name"`
		Variance number  `json:"variance"`
		Share    number  `json:"share"`
		Lower    *number `json:"lower,omitempty"`
		Upper    *number `json:"upper,omitempty"`
		Boundary bool    `json:"boundary,omitempty"`
	}
	neededJSON struct {
		Target   number `json:"target"`
		Judges   int    `json:"judges,omitempty"`
		Segments int    `json:"segments,omitempty"`
	}
	gStudyJSON struct {
		Layout     string          `json:"segments"`
		Components []componentJSON `json:"components"`
		Judges     int             `json:"judges"`
		Segments   int             `json:"segments_a_couple"`
		Relative   number          `json:"relative"`
		Absolute   number          `json:"absolute"`
		RelativeSE number          `json:"relative_se"`
		AbsoluteSE number          `json:"absolute_se"`
		Needed     neededJSON      `json:"needed"`
	}
	chartJSON struct {
		Judge  string     `json:"judge"`
		N      int        `json:"n_ratings"`
		Bias   number     `json:"bias"`
		Lower  *number    `json:"lower,omitempty"`
		Upper  *number    `json:"upper,omitempty"`
		Slope  *number    `json:"slope_a_week,omitempty"`
		P      *number    `json:"slope_p,omitempty"`
		Centre number     `json:"centre"`
		Sigma  number     `json:"sigma"`
		Weeks  []weekJSON `json:"weeks"`
	}
	weekJSON struct {
		Week        int              `json:"week"`
		N           int              `json:"n_ratings"`
		Mean        number           `json:"mean"`
		Lower       *number          `json:"lower,omitempty"`
		Upper       *number          `json:"upper,omitempty"`
		Moving      number           `json:"moving_average"`
		MovingLower *number          `json:"moving_lower,omitempty"`
		MovingUpper *number          `json:"moving_upper,omitempty"`
		Flags       []agreement.Flag `json:"flags"`
	}
)

// err returns nil if anything was estimable, else the reason.
func (d *dimensionReport) err() error {
	switch {
	case d.study != nil || len(d.charts) > 0 || len(d.Traces) > 0:
		return nil
	case d.assessment != nil:
		return d.assessment.Err()
	}
	return errors.Join(d.reasons...)
}

// note keeps what is not estimable, and returns any other error.
func (d *dimensionReport) note(err error) error {
	if errors.Is(err, agreement.ErrNotEstimable) {
		d.reasons = append(d.reasons, err)
		return nil
	}
	return err
}

func ends(i *agreement.Interval) (lower, upper *number) {
	if i == nil {
		return nil, nil
	}
	l, u := number(i.Lower), number(i.Upper)
	return &l, &u
}

func optional(x *float64) *number {
	if x == nil {
		return nil
	}
	n := number(*x)
	return &n
}

func iccJSON(c agreement.ICC) coefficientJSON {
	out := coefficientJSON{Name: c.Name, Alias: c.Alias, Estimate: number(c.Value)}
	if c.Alias == c.Name {
		out.Alias = ""
	}
	out.Lower, out.Upper = ends(c.Interval)
	if t := c.Test; t != nil {
		out.Test = &struct {
			F   number `json:"f"`
			DF1 number `json:"df1"`
			DF2 number `json:"df2"`
			P   number `json:"p"`
		}{number(t.F), number(t.DF1), number(t.DF2), number(t.P)}
	}
	return out
}

func kappaJSON(name string, k *agreement.Kappa) coefficientJSON {
	out := coefficientJSON{Name: name, Clips: k.Clips, Estimate: number(k.Value), SE: optional(&k.SE)}
	if k.Judges[0] != "" {
		out.Of = k.Judges[:]
	}
	out.Lower, out.Upper = ends(k.Interval)
	return out
}

func componentsJSON(list []agreement.Component) (out []componentJSON) {
	for _, v := range list {
		c := componentJSON{Name: v.Name, Variance: number(v.Variance), Share: number(v.Share), Boundary: v.Boundary}
		c.Lower, c.Upper = ends(v.Interval)
		out = append(out, c)
	}
	return out
}

// fill puts the results in the form in which they are printed.
func (d *dimensionReport) fill(target float64) {
	a := d.assessment
	d.Clips, d.Judges, d.Ratings, d.Complete, d.Coefficients = a.Clips, a.Judges, a.Ratings, a.Complete, []coefficientJSON{}
	var iccs []agreement.ICC
	if a.ICC != nil {
		iccs = a.ICC.Coefficients[:]
	}
	if a.Incomplete != nil {
		iccs = a.Incomplete.Coefficients[:]
		d.Components = componentsJSON(a.Incomplete.Variances)
	}
	for _, c := range iccs {
		if c.Err != nil {
			d.reasons = append(d.reasons, c.Err)
			continue
		}
		d.Coefficients = append(d.Coefficients, iccJSON(c))
	}
	for _, k := range a.Pairs {
		name := "Cohen's kappa"
		if k.Weights != agreement.Unweighted.Name {
			name += ", " + k.Weights + " weights"
		}
		d.Coefficients = append(d.Coefficients, kappaJSON(name, k))
	}
	if a.Fleiss != nil {
		d.Coefficients = append(d.Coefficients, kappaJSON("Fleiss' kappa", a.Fleiss))
	}
	if a.Alpha != nil {
		c := coefficientJSON{Name: "Krippendorff's alpha, " + string(a.Metric), Clips: a.Alpha.Clips, Estimate: number(a.Alpha.Value)}
		c.Lower, c.Upper = ends(a.Alpha.Interval)
		d.Coefficients = append(d.Coefficients, c)
	}
	if d.judges > 0 {
		d.Needed = &neededJSON{Target: number(target), Judges: d.judges}
	}
	if g := d.study; g != nil {
		d.GStudy = &gStudyJSON{Layout: string(g.Layout), Components: componentsJSON(g.Components), Judges: d.plan.Judges, Segments: d.plan.Segments, Relative: number(d.promise.Relative), Absolute: number(d.promise.Absolute),
			RelativeSE: number(d.promise.RelativeSE), AbsoluteSE: number(d.promise.AbsoluteSE), Needed: neededJSON{number(target), d.planJudges, d.planSegments}}
	}
	for _, c := range d.charts {
		d.Drift = append(d.Drift, chartOf(c))
		if c.Err != nil {
			d.reasons = append(d.reasons, c.Err)
		}
	}
	d.NotEstimable = []string{}
	for _, err := range append(slices.Clone(a.NotEstimable), d.reasons...) {
		if !slices.Contains(d.NotEstimable, err.Error()) {
			d.NotEstimable = append(d.NotEstimable, err.Error())
		}
	}
}

func chartOf(c agreement.JudgeChart) chartJSON {
	out := chartJSON{Judge: c.Judge, N: c.Ratings, Bias: number(c.Bias), Centre: number(c.Centre), Sigma: number(c.Sigma)}
	out.Lower, out.Upper = ends(c.BiasCI)
	if c.Trend != nil {
		out.Slope, out.P = optional(&c.Trend.Slope), optional(&c.Trend.P)
	}
	for _, w := range c.Weeks {
		j := weekJSON{Week: w.Week, N: w.Ratings, Mean: number(w.Mean), Moving: number(w.Moving), Flags: append([]agreement.Flag{}, w.Flags...)}
		if w.Limits != nil {
			j.Lower, j.Upper, j.MovingLower, j.MovingUpper = optional(&w.Limits.Lower), optional(&w.Limits.Upper), optional(&w.MovingLimits.Lower), optional(&w.MovingLimits.Upper)
		}
		out.Weeks = append(out.Weeks, j)
	}
	return out
}

func (p provenance) ofAgreement() *agreementProvenanceJSON {
	out := &agreementProvenanceJSON{Data: p.data, Engine: agreement.Version, Study: p.study, Synthetic: p.synthetic}
	if p.study != "" {
		out.Position = strconv.FormatInt(p.position, 10)
	}
	return out
}

func (r agreementReport) withProvenance() agreementReport {
	r.Provenance = r.from.ofAgreement()
	return r
}

// writeIndented writes a result for programs.
func writeIndented(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// between prints an interval.
func between(lower, upper *number) string {
	if lower == nil || upper == nil {
		return "\t"
	}
	return fmt.Sprintf("%.3f\t%.3f", float64(*lower), float64(*upper))
}

func (r agreementReport) writeTable(w io.Writer) error {
	for i, d := range r.Dimensions {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if d.Dimension != "" {
			fmt.Fprintf(w, "%s: ", d.Dimension)
		}
		state := "; every judge rated every clip"
		switch {
		case d.assessment == nil:
			state = " at single moments"
		case !d.Complete:
			state = "; judges rated different clips"
		}
		fmt.Fprintf(w, "%d clips, %d judges, %d ratings%s\n", d.Clips, d.Judges, d.Ratings, state)
		if err := d.writeTable(w, r.Level); err != nil {
			return err
		}
	}
	return r.from.write(w)
}

// write prints what a result stands on.
func (p provenance) write(w io.Writer) error {
	if p.synthetic {
		fmt.Fprintln(w, "SYNTHETIC DATA, made by asem simulate. Not evidence.")
	}
	var err error
	if p.study != "" {
		_, err = fmt.Fprintf(w, "study %s at position %d, data %.12s, %s\n", p.study, p.position, p.data, agreement.Version)
	} else {
		_, err = fmt.Fprintf(w, "data %.12s, %s\n", p.data, agreement.Version)
	}
	return err
}

// maxPairs bounds the pairs of judges in a table for people.
const maxPairs = 28

func (d dimensionReport) writeTable(w io.Writer, level number) error {
	percent := fmt.Sprintf("%.4g%% CI", 100*float64(level))
	if len(d.Coefficients) > 0 {
		tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintf(tab, "\t\testimate\t%s\t\t\n", percent)
		pairs := 0
		for _, c := range d.Coefficients {
			alias := c.Alias
			if len(c.Of) == 2 {
				alias = c.Of[0] + ", " + c.Of[1]
				if pairs++; pairs > maxPairs {
					continue
				}
			}
			fmt.Fprintf(tab, "%s\t%s\t%.3f\t%s\t\n", c.Name, alias, float64(c.Estimate), between(c.Lower, c.Upper))
		}
		if err := tab.Flush(); err != nil {
			return err
		}
		if pairs > maxPairs {
			fmt.Fprintf(w, "and %s more, which --json lists\n", plural(pairs-maxPairs, "pair"))
		}
	}
	if err := writeComponents(w, d.Components, percent); err != nil {
		return err
	}
	if d.Needed != nil {
		fmt.Fprintf(w, "an ICC(2,k) of %v needs %s\n", float64(d.Needed.Target), plural(d.Needed.Judges, "judge"))
	}
	if g := d.GStudy; g != nil {
		if err := writeComponents(w, g.Components, percent); err != nil {
			return err
		}
		fmt.Fprintf(w, "%s and %s a couple: generalisability %.3f, dependability %.3f (SE %.3f)\n", plural(g.Judges, "judge"), plural(g.Segments, "segment"), float64(g.Relative), float64(g.Absolute), float64(g.AbsoluteSE))
		if g.Needed.Judges > 0 {
			fmt.Fprintf(w, "a dependability of %v needs %s with as many segments\n", float64(g.Needed.Target), plural(g.Needed.Judges, "judge"))
		}
		if g.Needed.Segments > 0 {
			fmt.Fprintf(w, "a dependability of %v needs %s with as many judges\n", float64(g.Needed.Target), plural(g.Needed.Segments, "segment"))
		}
	}
	if err := writeTraces(w, d.Traces, percent); err != nil {
		return err
	}
	if len(d.Drift) > 0 {
		tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintf(tab, "judge\tratings\tbias\t%s\t\tchange a week\tp\tweeks\tflagged\t\n", percent)
		for i, c := range d.Drift {
			slope, p := "-", "-"
			if c.Slope != nil {
				slope, p = fmt.Sprintf("%.4f", float64(*c.Slope)), pValue(float64(*c.P))
			}
			flagged := d.charts[i].Flagged()
			if flagged == "" {
				flagged = "none"
			}
			fmt.Fprintf(tab, "%s\t%d\t%.3f\t%s\t%s\t%s\t%d\t%s\t\n", c.Judge, c.N, float64(c.Bias), between(c.Lower, c.Upper), slope, p, len(c.Weeks), flagged)
		}
		if err := tab.Flush(); err != nil {
			return err
		}
	}
	for _, why := range d.NotEstimable {
		fmt.Fprintf(w, "note: %s\n", why)
	}
	return nil
}

func writeComponents(w io.Writer, list []componentJSON, percent string) error {
	if len(list) == 0 {
		return nil
	}
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(tab, "variance between\testimate\tshare\t%s\t\t\n", percent)
	for _, c := range list {
		note := ""
		if c.Boundary {
			note = "at its boundary"
		}
		fmt.Fprintf(tab, "%s\t%.4f\t%.0f%%\t%s\t%s\n", c.Name, float64(c.Variance), 100*float64(c.Share), between(c.Lower, c.Upper), note)
	}
	return tab.Flush()
}

// plural counts things.
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
