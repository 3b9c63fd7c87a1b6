package dataimport

import (
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"

	"asem/cmd/asem/internal/yamltext"
	"asem/domain"
)

// Report says what an import holds and what it would do, before it is done.
type Report struct {
	Study        string
	Title        string // of a study that would be created; empty if it exists
	File         string
	Protocol     int      // version that would be published; 0 if the one in force stays
	Register     []string // instruments that would be registered
	Rows         int
	Couples      int
	OneSided     int // couples of which only one partner has a value
	Empty        int // couples without any value
	Participants int // two for each couple
	Values       int // scores, and answers to items
	Missing      int // cells that hold none
	Waves        []WaveCount
	Measures     []MeasureCount
	Columns      []ColumnCount // those that hold values, in the order of the file
	NotImported  []string      // columns that the mapping neither uses nor ignores
	Notes        []string      // what a person should look at
	Orders       int
}

// WaveCount counts the values of a wave.
type WaveCount struct {
	Index  int
	Label  string
	Month  float64 // from enrolment
	Values int
}

// MeasureCount counts the values of a construct, or of an instrument's items.
type MeasureCount struct {
	Name   string
	Values int   // in all
	ByWave []int // for each wave of the protocol; nil for a diary
}

// ColumnCount counts the cells of a column.
type ColumnCount struct {
	Name            string
	Values, Missing int
}

// Report says what the batch holds and what it would do.
func (b *Batch) Report() Report { return b.report }

func (r *reader) newReport(couples []*couple, b *Batch) Report {
	rep := Report{Study: r.Study, File: r.table.name, Rows: len(r.table.rows), Couples: len(couples), Participants: len(r.protocol.Roles) * len(couples), Orders: len(b.Orders)}
	if !r.study.Exists() {
		rep.Title = r.Title
	}
	if r.publish {
		rep.Protocol = r.protocol.Version
	}
	for _, in := range r.register {
		rep.Register = append(rep.Register, in.Ref().String())
	}
	for _, w := range r.protocol.Waves {
		rep.Waves = append(rep.Waves, WaveCount{Index: w.Index, Label: w.Label, Month: w.Month})
	}
	r.countValues(&rep, couples)
	r.countColumns(&rep)
	if r.table.open {
		rep.Notes = append(rep.Notes, "the file does not end with a line break; if it was copied, check that it is whole")
	}
	return rep
}

func (r *reader) countValues(rep *Report, couples []*couple) {
	measures := map[string]int{} // name -> place
	for i := range r.targets {
		name := r.targets[i].measure()
		if _, known := measures[name]; known {
			continue
		}
		measures[name] = len(rep.Measures)
		k := MeasureCount{Name: name}
		if r.Diary == nil {
			k.ByWave = make([]int, len(rep.Waves))
		}
		rep.Measures = append(rep.Measures, k)
	}
	for _, c := range couples {
		who := map[string]bool{}
		for o, v := range c.visits {
			who[o.who] = true
			rep.Values += len(v.values)
			if o.wave > 0 {
				rep.Waves[o.wave-1].Values += len(v.values)
			}
			for _, x := range v.values {
				k := &rep.Measures[measures[x.target.measure()]]
				k.Values++
				if o.wave > 0 {
					k.ByWave[o.wave-1]++
				}
			}
		}
		switch len(who) {
		case 0:
			rep.Empty++
		case 1:
			rep.OneSided++
		}
	}
}

// measure names what the report counts together.
func (t *target) measure() string {
	if t.instrument != (domain.InstrumentRef{}) {
		return t.instrument.String()
	}
	return t.construct.Code
}

func (r *reader) countColumns(rep *Report) {
	used := map[int]bool{r.couple: true, r.enrolled: true, r.who: true, r.when: true, r.measured: true}
	targets := map[int]int{} // column -> how many read it
	for _, c := range r.columns {
		used[c] = true
		targets[c]++
	}
	for _, name := range r.Ignore {
		if i, ok := r.table.index[name]; ok {
			used[i] = true
		}
	}
	for i := range r.table.header {
		if n := targets[i]; n > 0 {
			missing := r.missing[i] / n
			rep.Columns = append(rep.Columns, ColumnCount{Name: r.table.columnName(i), Values: len(r.table.rows) - missing, Missing: missing})
			rep.Missing += missing
		}
		if !used[i] {
			rep.NotImported = append(rep.NotImported, r.table.columnName(i))
		}
	}
}

// String is the report as a page of text.
func (r Report) String() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	if r.Title != "" {
		line("Study %s would be created: %s", r.Study, r.Title)
	} else {
		line("Study %s would be extended.", r.Study)
	}
	if len(r.Register) > 0 {
		line("Instruments registered: %s", strings.Join(r.Register, ", "))
	}
	if r.Protocol > 0 {
		line("Protocol published: version %d", r.Protocol)
	}
	line("File %s: %s, %s, %s, %s, %s missing.", r.File, count(r.Rows, "row"), count(r.Couples, "couple"), count(r.Participants, "participant"), count(r.Values, "value"), count(r.Missing, "cell"))
	if r.OneSided+r.Empty > 0 {
		line("Couples with values of one partner only: %d; without any value: %d.", r.OneSided, r.Empty)
	}
	b.WriteString("\n")
	r.measureTable(&b)
	b.WriteString("\n")
	r.columnTable(&b)
	if len(r.NotImported) > 0 {
		line("\nNot imported: %s", strings.Join(r.NotImported, ", "))
	}
	for _, n := range r.Notes {
		line("\nNote: %s", n)
	}
	return b.String()
}

func (r Report) measureTable(b *strings.Builder) {
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(first string, cells ...string) { fmt.Fprintf(w, "%s\t%s\t\n", first, strings.Join(cells, "\t")) }
	diary := len(r.Measures) > 0 && r.Measures[0].ByWave == nil
	var head []string
	if !diary {
		for _, k := range r.Waves {
			head = append(head, fmt.Sprintf("%s (month %g)", k.Label, k.Month))
		}
	}
	row("values of", append(head, "in all")...)
	for _, m := range r.Measures {
		var cells []string
		for _, n := range m.ByWave {
			cells = append(cells, strconv.Itoa(n))
		}
		row(m.Name, append(cells, strconv.Itoa(m.Values))...)
	}
	_ = w.Flush() // a strings.Builder takes everything
}

func (r Report) columnTable(b *strings.Builder) {
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "column\tvalues\tmissing\t\n")
	for _, c := range r.Columns {
		fmt.Fprintf(w, "%s\t%d\t%d\t\n", yamltext.Clip(c.Name), c.Values, c.Missing)
	}
	_ = w.Flush()
}
