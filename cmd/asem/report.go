package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"sort"
	"strconv"
	"strings"
	"text/tabwriter"

	"asem/analysis/apim"
	"asem/analysis/mixed"
	"asem/projections"
)

// number is a float that JSON can hold: what is not finite is null.
type number float64

// MarshalJSON writes the shortest decimal number that reads back as the same value.
//
//nolint:unparam // the interface wants an error
func (n number) MarshalJSON() ([]byte, error) {
	if x := float64(n); math.IsNaN(x) || math.IsInf(x, 0) {
		return []byte("null"), nil
	}
	return []byte(strconv.FormatFloat(float64(n), 'g', -1, 64)), nil
}

type (
	reportJSON struct {
		Kind          string           `json:"kind"`
		Rows          int              `json:"n_rows"`
		Couples       int              `json:"n_couples"`
		LogLikelihood number           `json:"log_likelihood"`
		Parameters    []parameterJSON  `json:"parameters"`
		Effects       []effectJSON     `json:"effects"`
		Random        map[string]gJSON `json:"random"`
		Residual      residualJSON     `json:"residual"`
		Fit           fitJSON          `json:"fit"`
		Tests         testsJSON        `json:"tests"`
		Convergence   convergenceJSON  `json:"convergence"`
		Provenance    provenanceJSON   `json:"provenance"`
	}
	parameterJSON struct {
		Name      string `json:"name"`
		Estimate  number `json:"estimate"`
		SE        number `json:"se"`
		DF        number `json:"df"`
		Statistic number `json:"statistic"`
		P         number `json:"p"`
		Lower     number `json:"lower"`
		Upper     number `json:"upper"`
		Role      string `json:"role,omitempty"`
	}
	effectJSON struct {
		Predictor string `json:"predictor"`
		Path      string `json:"path"`
		On        string `json:"on"`
		parameterJSON
	}
	gJSON struct {
		Groups      int        `json:"groups"`
		Names       []string   `json:"names"`
		SD          []number   `json:"sd"`
		Covariance  [][]number `json:"covariance"`
		Correlation [][]number `json:"correlation"`
	}
	residualJSON struct {
		SD           map[string]number `json:"sd"`
		CrossPartner *number           `json:"cross_partner,omitempty"`
		Phi          *number           `json:"phi,omitempty"`
		Tau          *number           `json:"tau,omitempty"`
	}
	testsJSON struct {
		TypeIII []testJSON `json:"type_iii"` // F tests of each term given all others
	}
	testJSON struct {
		Name        string `json:"name"`
		Statistic   number `json:"statistic"`
		Numerator   number `json:"numerator_df"`
		Denominator number `json:"denominator_df"`
		P           number `json:"p"`
	}
	fitJSON struct {
		Method      string            `json:"method"`
		AIC         number            `json:"aic"`
		BIC         number            `json:"bic"`
		Parameters  int               `json:"n_parameters"`
		MissingRows map[string]int    `json:"missing_rows"`
		Dropped     []string          `json:"dropped_columns"`
		Advice      string            `json:"advice,omitempty"`
		Centred     map[string]number `json:"centred,omitempty"`
	}
	convergenceJSON struct {
		Converged       bool     `json:"converged"`
		Iterations      int      `json:"iterations"`
		GradientNorm    number   `json:"gradient_norm"`
		ConditionNumber number   `json:"condition_number"`
		Boundary        []string `json:"boundary"`
		Reason          string   `json:"reason,omitempty"`
	}
	provenanceJSON struct {
		Data      string `json:"data_sha256"`
		Spec      string `json:"spec_sha256"`
		Engine    string `json:"engine"`
		Study     string `json:"study,omitempty"`
		Synthetic bool   `json:"synthetic,omitempty"` // a program made the data
		Position  string `json:"position,omitempty"`
	}
)

// provenance says what a fit stands on.
type provenance struct {
	data      string // SHA-256 of the file, or of the study's frame
	study     string // empty for a file
	synthetic bool   // a program made the study's data
	position  int64
}

func (r *fitted) json(from provenance) reportJSON {
	f := r.FittedModel
	out := reportJSON{
		Kind: r.spec.Kind, Rows: f.Rows, Couples: f.Couples, LogLikelihood: number(f.LogLik), Parameters: []parameterJSON{}, Effects: []effectJSON{},
		Random: map[string]gJSON{}, Residual: residualJSON{SD: map[string]number{}}, Tests: testsJSON{TypeIII: []testJSON{}},
		Fit:         fitJSON{Method: string(f.Method), AIC: number(f.AIC), BIC: number(f.BIC), Parameters: f.NParams, MissingRows: f.Missing, Dropped: append([]string{}, f.Dropped...), Advice: f.Advice()},
		Convergence: convergenceJSON{f.Converged, f.Iterations, number(f.GradientNorm), number(f.Condition), append([]string{}, f.Boundary...), f.Reason},
		Provenance:  provenanceJSON{Data: from.data, Spec: r.spec.sha256, Engine: projections.EngineVersion, Study: from.study, Synthetic: from.synthetic},
	}
	if from.study != "" {
		out.Provenance.Position = strconv.FormatInt(from.position, 10)
	}
	if out.Fit.MissingRows == nil {
		out.Fit.MissingRows = map[string]int{}
	}
	for name, c := range r.Centres {
		if out.Fit.Centred == nil {
			out.Fit.Centred = map[string]number{}
		}
		out.Fit.Centred[name] = number(c)
	}
	for _, p := range f.Parameters {
		out.Parameters = append(out.Parameters, parameter(p))
	}
	if tests, err := f.TypeIII(); err == nil && f.Err() == nil { // without terms to test there are no tests
		for _, t := range tests {
			out.Tests.TypeIII = append(out.Tests.TypeIII, testJSON{t.Name, number(t.Statistic), number(t.NumDF), number(t.DenDF), number(t.P)})
		}
	}
	for _, e := range r.Effects {
		p := parameter(e.Parameter)
		p.Role = e.Role
		out.Effects = append(out.Effects, effectJSON{e.Predictor, string(e.Path), e.On, p})
	}
	for _, re := range f.Random {
		g := gJSON{Groups: re.Groups, Names: re.Names}
		for i, sd := range re.SD() {
			g.SD = append(g.SD, number(sd))
			var cov, cor []number
			for j := range re.Names {
				cov, cor = append(cov, number(re.G.At(i, j))), append(cor, number(re.Correlation(i, j)))
			}
			g.Covariance, g.Correlation = append(g.Covariance, cov), append(g.Correlation, cor)
		}
		name := re.Group
		for n := 2; len(out.Random[name].Names) > 0; n++ { // two terms may vary over the same groups
			name = fmt.Sprintf("%s.%d", re.Group, n)
		}
		out.Random[name] = g
	}
	for i, sd := range f.Residual.SD {
		name := f.Residual.Roles[i]
		if name == "" {
			name = "all"
		}
		out.Residual.SD[name] = number(sd)
	}
	out.Residual.CrossPartner, out.Residual.Phi, out.Residual.Tau = present(f.Residual.Rho), present(f.Residual.Phi), present(f.Residual.Tau)
	return out
}

func present(x float64) *number {
	if math.IsNaN(x) {
		return nil
	}
	n := number(x)
	return &n
}

func parameter(p mixed.Parameter) parameterJSON {
	return parameterJSON{p.Name, number(p.Estimate), number(p.SE), number(p.DF), number(p.Statistic), number(p.P), number(p.Lower), number(p.Upper), p.Role}
}

// writeJSON writes the result for programs.
func (r *fitted) writeJSON(w io.Writer, from provenance) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r.json(from))
}

// writeTable writes the result for people.
func (r *fitted) writeTable(w io.Writer, from provenance) error {
	f := r.FittedModel
	fmt.Fprintf(w, "%s model, %s: %d rows of %d couples, log-likelihood %.4f, AIC %.2f, BIC %.2f\n", r.spec.Kind, f.Method, f.Rows, f.Couples, f.LogLik, f.AIC, f.BIC)
	if n := len(f.Missing); n > 0 {
		columns := make([]string, 0, n)
		for c := range f.Missing {
			columns = append(columns, c)
		}
		sort.Strings(columns)
		for _, c := range columns {
			fmt.Fprintf(w, "left out: %d rows without %s\n", f.Missing[c], c)
		}
	}
	if r.Excluded > 0 {
		fmt.Fprintf(w, "left out: %d rows of incomplete pairs\n", r.Excluded)
	}
	if len(f.Dropped) > 0 {
		fmt.Fprintf(w, "dropped, as other columns determine them: %s\n", strings.Join(f.Dropped, ", "))
	}
	fmt.Fprintln(w)
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(tab, "fixed effect\testimate\tSE\tdf\tt\tp\t%.4g%% CI\t\t\n", 100*f.Model().Level())
	for _, p := range f.Parameters {
		fmt.Fprintf(tab, "%s\t%.4f\t%.4f\t%.1f\t%.2f\t%s\t%.4f\t%.4f\t\n", p.Name, p.Estimate, p.SE, p.DF, p.Statistic, pValue(p.P), p.Lower, p.Upper)
	}
	if err := tab.Flush(); err != nil {
		return err
	}
	for _, re := range f.Random {
		fmt.Fprintf(w, "\nrandom effects of %d %ss: SD, correlations\n", re.Groups, re.Group)
		for i, sd := range re.SD() {
			fmt.Fprintf(w, "  %-16s %10.4f", re.Names[i], sd)
			for j := range i {
				fmt.Fprintf(w, " %7.3f", re.Correlation(i, j))
			}
			fmt.Fprintln(w)
		}
	}
	fmt.Fprintf(w, "\nresidual SD:")
	for i, sd := range f.Residual.SD {
		fmt.Fprintf(w, " %s %.4f", f.Residual.Roles[i], sd)
	}
	if !math.IsNaN(f.Residual.Rho) {
		fmt.Fprintf(w, "; partners correlate %.3f", f.Residual.Rho)
	}
	if !math.IsNaN(f.Residual.Phi) {
		fmt.Fprintf(w, "; serial correlation %.3f", f.Residual.Phi)
	}
	if !math.IsNaN(f.Residual.Tau) {
		fmt.Fprintf(w, "; serial range %.3f", f.Residual.Tau)
	}
	fmt.Fprintln(w)
	if f.Reason != "" {
		fmt.Fprintf(w, "note: %s\n", f.Reason)
	}
	if a := f.Advice(); a != "" {
		fmt.Fprintf(w, "note: %s\n", a)
	}
	if from.synthetic {
		fmt.Fprintln(w, "SYNTHETIC DATA, made by asem simulate. Not evidence.")
	}
	if from.study != "" {
		fmt.Fprintf(w, "study %s at position %d, data %.12s, spec %.12s, %s\n", from.study, from.position, from.data, r.spec.sha256, projections.EngineVersion)
	}
	return nil
}

// pValue prints a p-value as papers do.
func pValue(p float64) string {
	switch {
	case math.IsNaN(p):
		return "-"
	case p < 0.0001:
		return "<.0001"
	}
	return strings.TrimPrefix(strconv.FormatFloat(p, 'f', 4, 64), "0")
}

// effectOn finds the actor or partner effect on slope or level in a list.
func effectOn(list []apim.Effect, predictor string, path apim.Path, on string) (apim.Effect, bool) {
	for _, e := range list {
		if e.Predictor == predictor && e.Path == path && e.On == on {
			return e, true
		}
	}
	return apim.Effect{}, false
}
