package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"asem/analysis/agreement"
	"asem/analysis/frame"
	"asem/domain"
	"asem/events"
	"asem/projections"
)

// agreementCmd says how far judges agree, in a file or in a study.
type agreementCmd struct {
	Data      string   `help:"CSV file with one rating a row; with --study, the data folder." env:"ASEM_DATA" placeholder:"FILE|DIR"`
	Study     string   `help:"Take this study's ratings instead of a file." placeholder:"CODE"`
	Postgres  string   `help:"With --study: the PostgreSQL database that keeps it." env:"ASEM_POSTGRES" placeholder:"URL"`
	AsOf      int64    `help:"With --study: as of this position of the log; 0 is now." placeholder:"POSITION"`
	Clip      string   `help:"Column of the clip." default:"clip" placeholder:"COLUMN"`
	Judge     string   `help:"Column of the judge." default:"judge" placeholder:"COLUMN"`
	Value     string   `help:"Column of the rating." default:"value" placeholder:"COLUMN"`
	Dimension string   `help:"Column of the dimension that is rated, where there are several." placeholder:"COLUMN"`
	Couple    string   `help:"Column of the couple; the clip if not given." placeholder:"COLUMN"`
	Segment   string   `help:"Column of the segment: adds where the variance of ratings comes from." placeholder:"COLUMN"`
	Week      string   `help:"Column of the coding week, a whole number: adds each judge's drift." placeholder:"COLUMN"`
	Criterion string   `help:"Column of the right rating of clips that have one: drift is measured against it." placeholder:"COLUMN"`
	Time      string   `help:"Column of the second: ratings are continuous traces of a clip." placeholder:"COLUMN"`
	Step      float64  `help:"With --time: seconds between the moments that are compared." default:"1"`
	Lag       float64  `help:"With --time: how many seconds judges may be apart." default:"5"`
	Held      bool     `help:"With --time: a value holds until the next, instead of moving there."`
	Metric    string   `help:"What ratings are: ${enum}." enum:"nominal,ordinal,interval,ratio" default:"interval"`
	Segments  string   `help:"Segments are ${enum}: each couple's own, or the same for all." enum:"nested,crossed" default:"nested"`
	Target    float64  `help:"The reliability for which judges are counted." default:"0.8"`
	Baseline  int      `help:"How many of a judge's first weeks say what is usual; 0 is all." default:"0"`
	Level     float64  `help:"Level of the intervals." default:"0.95"`
	Samples   int      `help:"Bootstrap samples behind intervals that have no closed form; 0 leaves these out." default:"1000"`
	Resample  string   `help:"What bootstrap samples of judges who rated different clips draw: ${enum}. Clips keeps the judges at hand." enum:"parametric,clips" default:"parametric"`
	Seed      uint64   `help:"Equal seeds make equal intervals." default:"1"`
	NA        []string `help:"Texts that mean a missing value in the file, besides the empty one; NA if none is given." name:"na" placeholder:"TEXT"`
	JSON      bool     `help:"Print the result as JSON." name:"json"`
}

func (c *agreementCmd) Help() string {
	return `Examples:
  asem agreement --data ratings.csv --dimension dimension --week week
  asem agreement --data joystick.csv --time second --step 0.5
  asem agreement --study DEMO --json

Interval and ratio ratings get the six intraclass correlations (from variance components where judges rated different clips) and
Krippendorff's alpha, ordinal ones weighted kappa and alpha, nominal ones Cohen's and Fleiss' kappa and alpha.

Exit code 0: something could be estimated; 1: nothing could, the reason is printed; 2: bad input.`
}

// sighting is one rating with what it is about.
type sighting struct {
	dimension, couple, clip, segment, judge string
	week                                    int
	value, criterion                        float64 // NaN: none
	second                                  float64
}

func (c *agreementCmd) Run(ctx context.Context, std streams) error {
	list, from, err := c.load(ctx)
	if err != nil {
		return err
	}
	report := agreementReport{Metric: c.Metric, Level: number(c.Level), Dimensions: []dimensionReport{}, from: from}
	var reasons []error
	estimated := false
	for len(list) > 0 {
		n := 1
		for n < len(list) && list[n].dimension == list[0].dimension {
			n++
		}
		d, err := c.assess(ctx, list[:n])
		if err != nil {
			return err
		}
		report.Dimensions = append(report.Dimensions, d)
		if why := d.err(); why != nil {
			reasons = append(reasons, why)
		} else {
			estimated = true
		}
		list = list[n:]
	}
	if len(report.Dimensions) == 0 {
		return &domain.Error{Code: domain.Invalid, Path: c.Data, Message: "there are no ratings"}
	}
	if c.JSON {
		err = writeIndented(std.out, report.withProvenance())
	} else {
		err = report.writeTable(std.out)
	}
	if err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	if !estimated {
		return errors.Join(reasons...)
	}
	return nil
}

func (c *agreementCmd) bootstrap() *agreement.Bootstrap {
	if c.Samples == 0 {
		return nil
	}
	return &agreement.Bootstrap{Samples: c.Samples, Seed: c.Seed, Level: c.Level, Resampling: agreement.Resampling(c.Resample)}
}

// assess computes everything for the ratings of one dimension.
func (c *agreementCmd) assess(ctx context.Context, list []sighting) (dimensionReport, error) {
	d := dimensionReport{Dimension: list[0].dimension, NotEstimable: []string{}, Coefficients: []coefficientJSON{}}
	if c.Time != "" {
		return d, c.traces(ctx, list, &d)
	}
	var ratings []agreement.Rating
	var coded []agreement.Coded
	var moments []agreement.Moment
	criterion := map[string]float64{}
	segmented := false
	for _, s := range list {
		clip := s.clip
		if s.segment != "" {
			clip += "/" + s.segment
			segmented = true
		}
		r := agreement.Rating{Clip: clip, Judge: s.judge, Value: s.value}
		ratings = append(ratings, r)
		coded = append(coded, agreement.Coded{Rating: r, Week: s.week})
		moments = append(moments, agreement.Moment{Couple: s.couple, Judge: s.judge, Segment: s.segment, Value: s.value})
		if !math.IsNaN(s.criterion) {
			if old, ok := criterion[clip]; ok && old != s.criterion {
				return d, &domain.Error{Code: domain.Invalid, Path: c.Criterion, Message: fmt.Sprintf("clip %q has two right ratings, %v and %v", clip, old, s.criterion)}
			}
			criterion[clip] = s.criterion
		}
	}
	t, err := agreement.NewTable(ratings)
	var bad *agreement.InputError
	if errors.As(err, &bad) && c.Study == "" && c.Dimension == "" && strings.Contains(bad.Message, "twice") {
		bad.Message += "; several dimensions need their column named with --dimension"
	}
	if err != nil {
		return d, c.invalid(err)
	}
	if d.assessment, err = agreement.Assess(ctx, t, agreement.Metric(c.Metric), c.Level, c.bootstrap()); err != nil {
		return d, c.invalid(err)
	}
	metric := agreement.Metric(c.Metric)
	numeric := metric == agreement.IntervalScale || metric == agreement.RatioScale
	if numeric {
		single, err := d.assessment.Single()
		if err == nil {
			d.judges, err = agreement.JudgesNeeded(single, c.Target)
		}
		if err := d.note(err); err != nil {
			return d, c.invalid(err)
		}
	}
	if numeric && segmented {
		if err := c.generalise(ctx, &d, moments); err != nil {
			return d, c.invalid(err)
		}
	}
	if c.Week != "" || c.Study != "" && numeric {
		d.charts, err = agreement.Drift(coded, agreement.DriftOptions{Criterion: criterion, Baseline: c.Baseline, Level: c.Level})
		if err := d.note(err); err != nil {
			return d, c.invalid(err)
		}
	}
	d.fill(c.Target)
	return d, nil
}

func (c *agreementCmd) generalise(ctx context.Context, d *dimensionReport, moments []agreement.Moment) error {
	b := c.bootstrap()
	if b != nil {
		b.Resampling = agreement.Parametric
	}
	g, err := agreement.Generalise(ctx, moments, agreement.Layout(c.Segments), b)
	if err != nil {
		return d.note(err)
	}
	d.study = g
	d.plan = agreement.Plan{Judges: g.Judges, Segments: g.Segments}
	if d.promise, err = g.Decide(d.plan); err != nil {
		return d.note(err)
	}
	if d.planJudges, err = g.JudgesNeeded(c.Target, d.plan, true); d.note(err) != nil {
		return err
	}
	if d.planSegments, err = g.SegmentsNeeded(c.Target, d.plan, true); d.note(err) != nil {
		return err
	}
	return nil
}

// invalid gives errors of the input the code for bad input.
func (c *agreementCmd) invalid(err error) error {
	path := c.Data
	if c.Study != "" {
		path = c.Study
	}
	return badStatistic(path, err)
}

// badStatistic gives what an estimator refuses as senseless the code for bad input.
func badStatistic(path string, err error) error {
	var bad *agreement.InputError
	if errors.As(err, &bad) {
		return &domain.Error{Code: domain.Invalid, Path: path, Message: err.Error()}
	}
	return err
}

// load reads the ratings, in natural order of their dimensions.
func (c *agreementCmd) load(ctx context.Context) (list []sighting, from provenance, err error) {
	if c.Study != "" {
		list, from, err = c.loadStudy(ctx)
	} else {
		list, from, err = c.loadFile()
	}
	slices.SortStableFunc(list, func(a, b sighting) int { return frame.Natural(a.dimension, b.dimension) })
	return list, from, err
}

func (c *agreementCmd) loadFile() ([]sighting, provenance, error) {
	if c.Time != "" && c.Metric != string(agreement.IntervalScale) {
		return nil, provenance{}, &domain.Error{Code: domain.Invalid, Path: "--metric", Message: "traces are of interval scale; leave --metric out"}
	}
	f, from, err := readData(c.Data, c.NA)
	if err != nil {
		return nil, from, err
	}
	bad := func(column, format string, args ...any) error {
		return &domain.Error{Code: domain.Invalid, Path: c.Data, Message: fmt.Sprintf("column %q: ", column) + fmt.Sprintf(format, args...)}
	}
	columns := map[string]frame.Column{}
	for _, named := range [][2]string{{"clip", c.Clip}, {"judge", c.Judge}, {"value", c.Value}, {"dimension", c.Dimension}, {"couple", c.Couple}, {"segment", c.Segment}, {"week", c.Week}, {"criterion", c.Criterion}, {"time", c.Time}} {
		flag, name := named[0], named[1]
		if name == "" {
			continue
		}
		col, ok := f.Column(name)
		if !ok {
			return nil, from, bad(name, "the file has no such column; it has %s. Name the right one with --%s", strings.Join(f.Names(), ", "), flag)
		}
		columns[flag] = col
	}
	value := columns["value"]
	if !value.IsNumeric() && c.Metric != string(agreement.NominalScale) {
		return nil, from, bad(c.Value, "there is text in it; expected numbers, or --metric nominal")
	}
	for _, flag := range []string{"week", "criterion", "time"} {
		if col, ok := columns[flag]; ok && !col.IsNumeric() {
			return nil, from, bad(col.Name, "there is text in it; expected numbers")
		}
	}
	var list []sighting
	for r := range f.Rows() {
		s := sighting{value: math.NaN(), criterion: math.NaN()}
		for _, part := range []struct {
			flag string
			into *string
		}{{"clip", &s.clip}, {"judge", &s.judge}, {"dimension", &s.dimension}, {"couple", &s.couple}, {"segment", &s.segment}} {
			col, ok := columns[part.flag]
			if !ok {
				continue
			}
			if *part.into = col.Label(r); *part.into == "" {
				return nil, from, bad(col.Name, "row %d has none", r+1)
			}
		}
		if c.Couple == "" {
			s.couple = s.clip
		}
		if !value.Missing(r) {
			if value.IsNumeric() {
				s.value = value.Values[r]
			} else {
				s.value = float64(value.Codes[r])
			}
		}
		if col, ok := columns["week"]; ok {
			w := col.Values[r]
			if w != math.Trunc(w) || math.Abs(w) > 1e9 {
				return nil, from, bad(col.Name, "row %d has %q; expected a whole number", r+1, col.Label(r))
			}
			s.week = int(w)
		}
		if col, ok := columns["criterion"]; ok {
			s.criterion = col.Values[r]
		}
		if col, ok := columns["time"]; ok {
			if s.second = col.Values[r]; math.IsNaN(s.second) {
				return nil, from, bad(col.Name, "row %d has none", r+1)
			}
		}
		list = append(list, s)
	}
	return list, from, nil
}

// loadStudy takes a study's ratings. A dimension is one of a scheme; a clip is rated for each partner apart; weeks of coding are counted from the
// study's first rating.
func (c *agreementCmd) loadStudy(ctx context.Context) (list []sighting, from provenance, err error) {
	dir := c.Data
	if dir == "" {
		dir = "asem-data"
	}
	err = storage{Data: dir, Postgres: c.Postgres}.withExisting(ctx, func(h *house) error {
		v, err := h.read.View(ctx, projections.AsOf{Position: events.Position(c.AsOf)})
		if err != nil {
			return err
		}
		study, err := v.Study(ctx, c.Study)
		if err != nil {
			return err
		}
		ratings, err := v.Ratings(ctx, c.Study)
		if err != nil {
			return err
		}
		var first time.Time
		for _, r := range ratings {
			if first.IsZero() || r.RatedAt.Before(first) {
				first = r.RatedAt
			}
		}
		hash := sha256.New()
		for _, r := range ratings {
			fmt.Fprintf(hash, "%s\t%d\t%s\t%s\t%s\t%s\t%d\t%s\t%v\t%d\n", r.Couple, r.Wave, r.Clip, r.Scheme, r.Dimension, r.Target, r.Unit, r.Judge, r.Value, r.RatedAt.UnixMicro())
			s := sighting{dimension: r.Scheme + "/" + r.Dimension, couple: r.Couple + "/" + r.Clip, judge: r.Judge, value: r.Value, criterion: math.NaN(), week: 1 + int(r.RatedAt.Sub(first)/(7*24*time.Hour))}
			if r.Target != "" {
				s.couple += "/" + string(r.Target)
			}
			s.clip = s.couple
			if r.Unit > 0 {
				s.segment = strconv.Itoa(r.Unit)
			}
			list = append(list, s)
		}
		if len(list) == 0 {
			return &domain.Error{Code: domain.NotFound, Path: c.Study, Message: "the study has no ratings"}
		}
		from = provenance{data: hex.EncodeToString(hash.Sum(nil)), study: c.Study, synthetic: study.Synthetic(), position: int64(v.Position())}
		return nil
	})
	return list, from, err
}

// readData reads a CSV file, and says what it stands on.
func readData(path string, na []string) (*frame.Frame, provenance, error) {
	if path == "" {
		return nil, provenance{}, &domain.Error{Code: domain.Invalid, Path: "--data", Message: "there is nothing to read; name a CSV file"}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, provenance{}, &domain.Error{Code: domain.Invalid, Path: path, Message: "the file cannot be read", Err: err}
	}
	var o frame.CSVOptions
	if len(na) > 0 {
		o.Missing = append([]string{""}, na...)
	}
	f, err := frame.ReadCSV(bytes.NewReader(text), o)
	if err != nil {
		return nil, provenance{}, &domain.Error{Code: domain.Invalid, Path: path, Message: err.Error()}
	}
	sum := sha256.Sum256(text)
	return f, provenance{data: hex.EncodeToString(sum[:])}, nil
}

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
