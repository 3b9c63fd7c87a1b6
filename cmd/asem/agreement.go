package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
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
