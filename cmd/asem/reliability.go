package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"asem/analysis/agreement"
	"asem/analysis/frame"
	"asem/domain"
)

// reliabilityCmd says how reliable a scale is, asked once or every day.
type reliabilityCmd struct {
	Data    string   `help:"CSV file with one row a person, or a person and day." required:"" placeholder:"FILE"`
	Columns []string `help:"Columns of the items, all keyed in the same direction." required:"" placeholder:"COLUMN"`
	Person  string   `help:"For a diary: column of the person." placeholder:"COLUMN"`
	Day     string   `help:"For a diary: column of the day." placeholder:"COLUMN"`
	Days    string   `help:"Days are ${enum}: the same for all persons, or each one's own." enum:"crossed,nested" default:"crossed"`
	Missing string   `help:"What to do with persons who did not answer all items: ${enum}." enum:"listwise,pairwise" default:"listwise"`
	Level   float64  `help:"Level of the intervals." default:"0.95"`
	Samples int      `help:"For a diary: bootstrap samples behind intervals; 0 leaves these out." default:"1000"`
	Seed    uint64   `help:"Equal seeds make equal results." default:"1"`
	NA      []string `help:"Texts that mean a missing value in the file, besides the empty one; NA if none is given." name:"na" placeholder:"TEXT"`
	JSON    bool     `help:"Print the result as JSON." name:"json"`
}

func (c *reliabilityCmd) Help() string {
	return `Examples:
  asem reliability --data items.csv --columns q1,q2,q3,q4
  asem reliability --data diary.csv --columns i1,i2,i3 --person person --day day

A scale gets Cronbach's alpha, McDonald's omega and split halves; a diary scale how reliably it tells persons and one person's days apart.

Exit code 0: something could be estimated; 1: nothing could, the reason is printed; 2: bad input.`
}

func (c *reliabilityCmd) Run(ctx context.Context, std streams) error {
	f, from, err := readData(c.Data, c.NA)
	if err != nil {
		return err
	}
	if (c.Person == "") != (c.Day == "") {
		return &domain.Error{Code: domain.Invalid, Path: c.Data, Message: "a diary needs both --person and --day"}
	}
	items := make([]frame.Column, len(c.Columns))
	for i, name := range c.Columns {
		if items[i], err = c.column(f, name); err != nil {
			return err
		}
		if !items[i].IsNumeric() {
			return &domain.Error{Code: domain.Invalid, Path: c.Data, Message: fmt.Sprintf("column %q: there is text in it; expected numbers", name)}
		}
	}
	r := reliabilityReport{Level: number(c.Level), Items: c.Columns, NotEstimable: []string{}, from: from}
	if c.Person != "" {
		err = c.diary(ctx, f, items, &r)
	} else {
		err = c.scale(f, items, &r)
	}
	if err != nil && !errors.Is(err, agreement.ErrNotEstimable) {
		return badStatistic(c.Data, err)
	}
	var e error
	if c.JSON {
		r.Provenance = from.ofAgreement()
		e = writeIndented(std.out, r)
	} else {
		e = r.writeTable(std.out)
	}
	if e != nil {
		return fmt.Errorf("write the result: %w", e)
	}
	return err
}

func (c *reliabilityCmd) column(f *frame.Frame, name string) (frame.Column, error) {
	col, ok := f.Column(name)
	if !ok {
		return col, &domain.Error{Code: domain.Invalid, Path: c.Data, Message: fmt.Sprintf("column %q: the file has no such column; it has %s", name, strings.Join(f.Names(), ", "))}
	}
	return col, nil
}

// scale fills in what a scale that was asked once has. It returns the reason if there is nothing.
func (c *reliabilityCmd) scale(f *frame.Frame, columns []frame.Column, r *reliabilityReport) error {
	rows := make([][]float64, f.Rows())
	for i := range rows {
		for _, col := range columns {
			rows[i] = append(rows[i], col.Values[i])
		}
	}
	it, err := agreement.NewItems(c.Columns, rows, agreement.Missing(c.Missing))
	if err != nil {
		return r.note(err)
	}
	r.Persons, r.Incomplete, r.Missing = it.Persons(), it.Incomplete, c.Missing
	alpha, err := agreement.CronbachAlpha(it, c.Level)
	if err != nil {
		return r.note(err)
	}
	r.alpha(alpha)
	complete := it
	if it.Incomplete > 0 && c.Missing == string(agreement.Pairwise) {
		if complete, err = agreement.NewItems(c.Columns, rows, agreement.Listwise); err != nil {
			_ = r.note(err)
			complete = nil
		}
	}
	if complete != nil {
		switch omega, err := agreement.Omega(complete, c.Level); {
		case errors.Is(err, agreement.ErrNotEstimable):
			_ = r.note(err)
		case err != nil:
			return err
		default:
			r.omega(omega)
		}
	}
	switch split, err := agreement.SplitHalf(it, c.Seed); {
	case errors.Is(err, agreement.ErrNotEstimable):
		_ = r.note(err)
	case err != nil:
		return err
	default:
		r.SplitHalf = &splitJSON{split.First, split.Second, number(split.R), number(split.SpearmanBrown), number(split.Guttman), number(split.Min), number(split.Mean), number(split.Max), split.Splits, split.All}
	}
	return nil
}

// diary fills in what a scale has that was asked on many days.
func (c *reliabilityCmd) diary(ctx context.Context, f *frame.Frame, columns []frame.Column, r *reliabilityReport) error {
	person, err := c.column(f, c.Person)
	if err != nil {
		return err
	}
	day, err := c.column(f, c.Day)
	if err != nil {
		return err
	}
	var answers []agreement.Answer
	for row := range f.Rows() {
		if person.Missing(row) || day.Missing(row) {
			return &domain.Error{Code: domain.Invalid, Path: c.Data, Message: fmt.Sprintf("row %d has no person or no day", row+1)}
		}
		for i, col := range columns {
			answers = append(answers, agreement.Answer{Person: person.Label(row), Day: day.Label(row), Item: c.Columns[i], Value: col.Values[row]})
		}
	}
	var b *agreement.Bootstrap
	if c.Samples != 0 {
		b = &agreement.Bootstrap{Samples: c.Samples, Seed: c.Seed, Level: c.Level}
	}
	d, err := agreement.Diary(ctx, answers, agreement.Layout(c.Days), b)
	if err != nil {
		return r.note(err)
	}
	r.Persons, r.Days, r.DaysAPerson, r.Components = d.Persons, d.Days, number(d.K), componentsJSON(d.Components)
	for _, x := range d.Coefficients {
		if x.Err != nil {
			_ = r.note(x.Err)
			continue
		}
		j := scaleCoefficientJSON{Name: x.Name, Meaning: x.Meaning, Estimate: number(x.Value)}
		j.Lower, j.Upper = ends(x.Interval)
		r.Coefficients = append(r.Coefficients, j)
	}
	return nil
}

type (
	reliabilityReport struct {
		Level        number                   `json:"level"`
		Items        []string                 `json:"items"`
		Persons      int                      `json:"n_persons"`
		Missing      string                   `json:"missing,omitempty"`
		Incomplete   int                      `json:"n_incomplete,omitempty"`
		Days         int                      `json:"n_days,omitempty"`
		DaysAPerson  number                   `json:"days_a_person,omitempty"`
		Coefficients []scaleCoefficientJSON   `json:"coefficients"`
		Components   []componentJSON          `json:"components,omitempty"`
		SplitHalf    *splitJSON               `json:"split_half,omitempty"`
		ByItem       []itemJSON               `json:"by_item,omitempty"`
		Factor       *factorJSON              `json:"factor,omitempty"`
		NotEstimable []string                 `json:"not_estimable"`
		Provenance   *agreementProvenanceJSON `json:"provenance,omitempty"`

		from provenance
	}
	scaleCoefficientJSON struct {
		Name     string  `json:"name"`
		Meaning  string  `json:"meaning,omitempty"`
		Estimate number  `json:"estimate"`
		SE       *number `json:"se,omitempty"`
		Lower    *number `json:"lower,omitempty"`
		Upper    *number `json:"upper,omitempty"`
	}
	itemJSON struct {
		Name     string  `json:"name"`
		Mean     number  `json:"mean"`
		SD       number  `json:"sd"`
		Rest     *number `json:"rest_correlation,omitempty"`
		Without  *number `json:"alpha_without,omitempty"`
		Loading  *number `json:"loading,omitempty"`
		Residual *number `json:"residual_variance,omitempty"`
	}
	factorJSON struct {
		ChiSquare number   `json:"chi_square"`
		DF        int      `json:"df"`
		P         *number  `json:"p,omitempty"`
		Heywood   []string `json:"heywood"`
	}
	splitJSON struct {
		First         []string `json:"first"`
		Second        []string `json:"second"`
		R             number   `json:"r"`
		SpearmanBrown number   `json:"spearman_brown"`
		Guttman       number   `json:"guttman_lambda4"`
		Min           number   `json:"min"`
		Mean          number   `json:"mean"`
		Max           number   `json:"max"`
		Splits        int      `json:"splits"`
		All           bool     `json:"all_splits"`
	}
)

// note keeps a reason why something is not estimable, and returns the error.
func (r *reliabilityReport) note(err error) error {
	if errors.Is(err, agreement.ErrNotEstimable) {
		r.NotEstimable = append(r.NotEstimable, err.Error())
	}
	return err
}

func (r *reliabilityReport) alpha(c *agreement.Cronbach) {
	a := scaleCoefficientJSON{Name: "Cronbach's alpha", Estimate: number(c.Alpha)}
	a.Lower, a.Upper = ends(c.Interval)
	r.Coefficients = append(r.Coefficients, a)
	if c.Standardised != nil {
		r.Coefficients = append(r.Coefficients, scaleCoefficientJSON{Name: "standardised alpha", Estimate: number(*c.Standardised)})
	}
	for _, i := range c.ByItem {
		r.ByItem = append(r.ByItem, itemJSON{Name: i.Name, Mean: number(i.Mean), SD: number(i.SD), Rest: optional(i.Rest), Without: optional(i.Without)})
	}
}

func (r *reliabilityReport) omega(o *agreement.McDonald) {
	c := scaleCoefficientJSON{Name: "McDonald's omega", Estimate: number(o.Omega), SE: optional(o.SE)}
	c.Lower, c.Upper = ends(o.Interval)
	r.Coefficients = append(r.Coefficients, c)
	r.Factor = &factorJSON{number(o.ChiSquare), o.DF, optional(o.P), append([]string{}, o.Heywood...)}
	for i, l := range o.Items {
		r.ByItem[i].Loading, r.ByItem[i].Residual = optional(&l.Loading), optional(&l.Residual)
	}
}

func (r reliabilityReport) writeTable(w io.Writer) error {
	percent := fmt.Sprintf("%.4g%% CI", 100*float64(r.Level))
	switch {
	case r.Days > 0:
		fmt.Fprintf(w, "%d items, %d persons, %d days, %.3g of them a person (harmonic mean)\n", len(r.Items), r.Persons, r.Days, float64(r.DaysAPerson))
	case r.Persons > 0:
		fmt.Fprintf(w, "%d items, %d persons; %d with answers missing, taken %s\n", len(r.Items), r.Persons, r.Incomplete, r.Missing)
	}
	if len(r.Coefficients) > 0 {
		tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintf(tab, "\testimate\t%s\t\t\n", percent)
		for _, c := range r.Coefficients {
			fmt.Fprintf(tab, "%s\t%.3f\t%s\t  %s\n", c.Name, float64(c.Estimate), between(c.Lower, c.Upper), c.Meaning)
		}
		if err := tab.Flush(); err != nil {
			return err
		}
	}
	if err := writeComponents(w, r.Components, percent); err != nil {
		return err
	}
	if s := r.SplitHalf; s != nil {
		way := "all"
		if !s.All {
			way = "random"
		}
		fmt.Fprintf(w, "halves %s and %s: Spearman-Brown %.3f, lambda 4 %.3f; over %s %d ways to halve it %.3f to %.3f, mean %.3f\n", strings.Join(s.First, "+"), strings.Join(s.Second, "+"),
			float64(s.SpearmanBrown), float64(s.Guttman), way, s.Splits, float64(s.Min), float64(s.Max), float64(s.Mean))
	}
	if len(r.ByItem) > 0 {
		tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintln(tab, "item\tmean\tSD\tr with rest\talpha without\tloading\t")
		for _, i := range r.ByItem {
			fmt.Fprintf(tab, "%s\t%.3f\t%.3f\t%s\t%s\t%s\t\n", i.Name, float64(i.Mean), float64(i.SD), three(i.Rest), three(i.Without), three(i.Loading))
		}
		if err := tab.Flush(); err != nil {
			return err
		}
	}
	if f := r.Factor; f != nil {
		if f.P != nil {
			fmt.Fprintf(w, "one factor: chi-square %.2f, %d df, p %s\n", float64(f.ChiSquare), f.DF, pValue(float64(*f.P)))
		}
		if len(f.Heywood) > 0 {
			fmt.Fprintf(w, "note: a Heywood case: the residual variance of %s would be negative and was kept at 0; omega has no interval\n", strings.Join(f.Heywood, ", "))
		}
	}
	for _, why := range r.NotEstimable {
		fmt.Fprintf(w, "note: %s\n", why)
	}
	return r.from.write(w)
}

// three prints a number with three decimals, and - where there is none.
func three(x *number) string {
	if x == nil {
		return "-"
	}
	return fmt.Sprintf("%.3f", float64(*x))
}
