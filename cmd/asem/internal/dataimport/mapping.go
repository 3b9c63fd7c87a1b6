package dataimport

import (
	"maps"
	"slices"
	"strings"
	"time"

	"asem/cmd/asem/internal/yamltext"
	"asem/domain"
)

// Mapping says how the columns of a CSV file become observations of a study. [ParseMapping] reads one; the
// package documentation explains each key.
type Mapping struct {
	Study          string               `yaml:"study"`
	Title          string               `yaml:"title"`
	Zone           string               `yaml:"zone"`
	Exchangeable   bool                 `yaml:"exchangeable"`
	Roles          map[string]string    `yaml:"roles"` // role -> label
	TimeUnitMonths *float64             `yaml:"timeUnitMonths"`
	Waves          []WaveSpec           `yaml:"waves"`
	Constructs     map[string]Construct `yaml:"constructs"`
	Diary          *DiarySpec           `yaml:"diary"`
	Consent        string               `yaml:"consent"` // version of the text agreed to, or "existing"
	Delimiter      string               `yaml:"delimiter"`
	Decimal        string               `yaml:"decimal"`
	Missing        []string             `yaml:"missing"`
	Ignore         []string             `yaml:"ignore"`
	Couple         string               `yaml:"couple"`
	Enrolled       EnrolledSpec         `yaml:"enrolled"`
	Role           *RoleColumn          `yaml:"role"`
	Wave           *WaveColumn          `yaml:"wave"`
	Measured       *DateColumn          `yaml:"measured"`
	Measures       []Measure            `yaml:"measures"`

	text []byte
	doc  *yamltext.Document
}

// WaveSpec is a wave of the protocol, as [domain.Wave]; its index is its place in the list.
type WaveSpec struct {
	Month          *float64 `yaml:"month"`
	Label          string   `yaml:"label"`
	OpensDaysEarly *int     `yaml:"opensDaysEarly"`
	ClosesDaysLate *int     `yaml:"closesDaysLate"`
	GraceDays      *int     `yaml:"graceDays"`
}

// Construct is something measured outside asem, as [domain.Construct]; its code is its key.
type Construct struct {
	Title    string   `yaml:"title"`
	Min      *float64 `yaml:"min"`
	Max      *float64 `yaml:"max"`
	HigherIs string   `yaml:"higherIs"`
}

// EnrolledSpec says on which day couples joined: one day for all, or a column.
type EnrolledSpec struct {
	Date   string `yaml:"date"`
	Column string `yaml:"column"`
	Format string `yaml:"format"`
}

// RoleColumn says where a row names the partner it is about.
type RoleColumn struct {
	Column string            `yaml:"column"`
	Values map[string]string `yaml:"values"` // cell -> role or label; absent: cells hold labels
	Person string            `yaml:"person"` // exchangeable partners: a column with a label of the person
}

// WaveColumn says where a row names its wave.
type WaveColumn struct {
	Column     string         `yaml:"column"`
	Values     map[string]int `yaml:"values"` // cell -> wave; absent: cells hold the wave's number
	Date       string         `yaml:"date"`   // a column with the day of measurement; the wave is the nearest
	Format     string         `yaml:"format"`
	WithinDays *int           `yaml:"withinDays"` // how far that day may lie from the wave's
}

// DateColumn is a column of days.
type DateColumn struct {
	Column string `yaml:"column"`
	Format string `yaml:"format"`
}

// DiarySpec is a diary burst, as [domain.DiaryBurst], and where a row names its day.
type DiarySpec struct {
	Code       string  `yaml:"code"`
	StartMonth float64 `yaml:"startMonth"`
	StartDay   int     `yaml:"startDay"`
	Days       int     `yaml:"days"`
	OpensHour  int     `yaml:"opensHour"`
	ClosesHour *int    `yaml:"closesHour"` // absent: 24
	GraceHours int     `yaml:"graceHours"`
	Column     string  `yaml:"column"` // a column with the number of the day
	First      *int    `yaml:"first"`  // the number of the first day in that column; absent: 1
	Date       string  `yaml:"date"`   // or a column with the day itself
	Format     string  `yaml:"format"`
}

// Measure says what a column, or a family of columns, holds.
type Measure struct {
	Column     string            `yaml:"column"`
	Columns    string            `yaml:"columns"` // with {wave}, {role} or {item} in it
	Role       string            `yaml:"role"`
	Wave       int               `yaml:"wave"`
	Waves      []int             `yaml:"waves"` // over which {wave} runs; absent: all
	Construct  string            `yaml:"construct"`
	Instrument string            `yaml:"instrument"` // code@version
	Item       string            `yaml:"item"`
	Items      map[string]string `yaml:"items"` // what stands for {item} -> item id; absent: the ids themselves
}

// What a mapping means when it does not say.
const (
	defaultConsent = "recorded outside asem"
	existing       = "existing"
)

// ParseMapping reads a mapping. Every problem has its line and column and says what was expected; they come joined.
// What only a study can tell, such as whether it has a construct, is left to [Orders] and [Extend].
func ParseMapping(name string, text []byte) (*Mapping, error) {
	m := &Mapping{text: slices.Clone(text)}
	m.doc = yamltext.Read(name, text, m)
	if m.doc.Any() {
		return nil, m.doc.Result()
	}
	m.check()
	if err := m.doc.Result(); err != nil {
		return nil, err
	}
	return m, nil
}

// code notes a problem with a code at a path.
func (m *Mapping) code(path, what, code string) {
	if code == "" {
		m.doc.Wrong(path, "%s is missing", what)
	} else if err := domain.CheckCode("", code); err != nil {
		m.doc.Add(yamltext.Invalid(m.doc.Where(path), "%s: %s", what, yamltext.Refusals(err)[0].Message))
	}
}

func (m *Mapping) check() {
	d := m.doc
	m.code("study", "the code of the study (key study)", m.Study)
	if m.Zone != "" {
		if _, err := time.LoadLocation(m.Zone); err != nil || m.Zone == "Local" {
			d.Wrong("zone", "%q is not a known time zone; expected an IANA name such as Europe/Berlin", yamltext.Clip(m.Zone))
		}
	}
	if m.Couple == "" {
		d.Wrong("couple", "the column that names the couple (key couple) is missing")
	}
	m.checkRoles()
	m.checkFile()
	m.checkTime()
	for _, code := range slices.Sorted(maps.Keys(m.Constructs)) {
		m.code("constructs."+code, "the construct", code)
	}
	if len(m.Measures) == 0 {
		d.Wrong("measures", "nothing is measured; expected at least one entry under measures")
	}
	for i := range m.Measures {
		path := yamltext.Element("measures", i)
		m.Measures[i].check(d, path)
		m.checkOccasion(m.Measures[i], path)
	}
}

func (m *Mapping) checkRoles() {
	d := m.doc
	for _, r := range slices.Sorted(maps.Keys(m.Roles)) {
		label, other := m.Roles[r], domain.RoleB
		if r != string(domain.RoleA) && r != string(domain.RoleB) {
			d.Wrong("roles."+r, "%q is not a role; expected A and B, each with the label that the study uses", yamltext.Clip(r))
			continue
		}
		if r == string(domain.RoleB) {
			other = domain.RoleA
		}
		m.code("roles."+r, "the label of role "+r, label)
		if label == string(other) {
			d.Wrong("roles."+r, "role %s cannot have the label %s, which is the other role", r, label)
		}
	}
	if n := len(m.Roles); n == 1 {
		d.Wrong("roles", "there is 1 role; expected A and B")
	}
	if len(m.Roles) == 2 && m.Exchangeable {
		d.Wrong("exchangeable", "partners with roles of their own are not exchangeable; leave out roles or exchangeable")
	}
	switch r := m.Role; {
	case r == nil:
	case (r.Column == "") == (r.Person == ""):
		d.Wrong("role", "expected one of column, which names the role, and person, which names the person")
	case r.Person != "" && !m.Exchangeable:
		d.Wrong("role.person", "a person's label says nothing about a role; expected exchangeable: true, or role: {column: ...}")
	case r.Person != "" && r.Values != nil:
		d.Wrong("role.values", "values belong to a column of roles, not of persons")
	}
}

// checkFile checks what the mapping says about the file itself.
func (m *Mapping) checkFile() {
	d := m.doc
	if _, ok := delimiters[m.Delimiter]; !ok {
		d.Wrong("delimiter", "%q is not a delimiter; expected \",\", \";\", \"|\" or tab", yamltext.Clip(m.Delimiter))
	}
	if m.Decimal != "" && m.Decimal != "." && m.Decimal != "," {
		d.Wrong("decimal", "%q is not a decimal sign; expected \".\" or \",\"", yamltext.Clip(m.Decimal))
	}
	for i, code := range m.Missing {
		if strings.TrimSpace(code) != code {
			d.Wrong(yamltext.Element("missing", i), "the missing code has spaces around it, which cells never have")
		}
	}
}

var delimiters = map[string]rune{"": ',', ",": ',', ";": ';', "|": '|', "tab": '\t', "\t": '\t'}

// checkTime checks how the mapping tells days and waves.
func (m *Mapping) checkTime() {
	d := m.doc
	switch e := m.Enrolled; {
	case (e.Date == "") == (e.Column == ""):
		d.Wrong("enrolled", "expected enrolled with one of date, one day for all couples, and column")
	case e.Date != "" && e.Format != "":
		d.Wrong("enrolled.format", "a format belongs to a column")
	case e.Date != "":
		if _, err := domain.ParseDate(e.Date); err != nil {
			d.Wrong("enrolled.date", "%q is not a calendar date; write it as 2026-11-23", yamltext.Clip(e.Date))
		}
	}
	m.Enrolled.Format = layout(d, "enrolled.format", m.Enrolled.Format)
	if w := m.Wave; w != nil {
		switch {
		case (w.Column == "") == (w.Date == ""):
			d.Wrong("wave", "expected one of column, which names the wave, and date, the day of measurement")
		case w.Date != "" && w.Values != nil:
			d.Wrong("wave.values", "values belong to a column of waves, not of dates")
		case w.Date != "" && (w.WithinDays == nil || *w.WithinDays < 0):
			d.Wrong("wave.withinDays", "expected withinDays, how many days a date may lie from the nominal day of its wave")
		case w.Date == "" && (w.WithinDays != nil || w.Format != ""):
			d.Wrong("wave", "format and withinDays belong to a column of dates")
		}
		w.Format = layout(d, "wave.format", w.Format)
	}
	if m.Measured != nil {
		switch {
		case m.Measured.Column == "":
			d.Wrong("measured", "expected the column with the day of measurement")
		case m.Wave == nil || m.Wave.Date != "":
			d.Wrong("measured", "a day of measurement needs rows that each name their wave (wave: {column: ...})")
		}
		m.Measured.Format = layout(d, "measured.format", m.Measured.Format)
	}
	if b := m.Diary; b != nil {
		m.code("diary", "the code of the diary (key diary.code)", b.Code)
		if (b.Column == "") == (b.Date == "") {
			d.Wrong("diary", "expected one of column, which numbers the days, and date")
		}
		if b.First != nil && b.Column == "" {
			d.Wrong("diary.first", "a first number belongs to a column that numbers the days")
		}
		if m.Wave != nil || m.Measured != nil {
			d.Wrong("diary", "rows of a diary name a day, not a wave; leave out wave and measured")
		}
		b.Format = layout(d, "diary.format", b.Format)
	}
}

// layout returns the date format to use, or notes that it cannot tell one day from another.
func layout(d *yamltext.Document, path, format string) string {
	if format == "" {
		return time.DateOnly
	}
	if back, err := time.Parse(format, example.Format(format)); err != nil || !back.Equal(example) {
		d.Wrong(path, "%q is not a date format; write how 2 January 2006 would stand in the file, such as 02.01.2006", yamltext.Clip(format))
	}
	return format
}

func (x Measure) check(d *yamltext.Document, path string) {
	switch {
	case (x.Column == "") == (x.Columns == ""):
		d.Wrong(path, "expected one of column, a name, and columns, a name with {wave}, {role} or {item} in it")
	case (x.Construct == "") == (x.Instrument == ""):
		d.Wrong(path, "expected one of construct, for scores, and instrument, for answers to its items")
	case x.Construct != "" && (x.Item != "" || x.Items != nil):
		d.Wrong(path, "items belong to an instrument")
	}
	unknown := strings.NewReplacer("{wave}", "", "{role}", "", "{item}", "").Replace(x.Columns)
	if strings.ContainsAny(unknown, "{}") {
		d.Wrong(path+".columns", "only {wave}, {role} and {item} may stand in braces")
	}
	if x.Columns != "" && unknown == x.Columns {
		d.Wrong(path+".columns", "there is none of {wave}, {role} and {item} in it; a single column is given by column")
	}
	if x.Instrument != "" {
		if _, ok := parseRef(x.Instrument); !ok {
			d.Wrong(path+".instrument", "%q is not an instrument; expected code@version, such as ecr-rs@2011", yamltext.Clip(x.Instrument))
		}
		if x.each("{item}") == (x.Item != "") {
			d.Wrong(path, "expected one of item and a name with {item} in it, so that each column belongs to one item")
		}
	}
	if x.each("{item}") && x.Construct != "" {
		d.Wrong(path+".columns", "a construct has no items; expected instrument instead of construct, or no {item}")
	}
	if x.Items != nil && !x.each("{item}") {
		d.Wrong(path+".items", "items say what stands for {item}, which is not in the name")
	}
	if x.each("{role}") && x.Role != "" {
		d.Wrong(path+".role", "the role is in the name already")
	}
	if x.each("{wave}") && d.Has(path+".wave") {
		d.Wrong(path+".wave", "the wave is in the name already")
	}
	if x.Waves != nil && !x.each("{wave}") {
		d.Wrong(path+".waves", "waves say over which waves {wave} runs, which is not in the name")
	}
}

// checkOccasion checks that either the rows or the columns say whose value it is and when, not both or neither.
func (m *Mapping) checkOccasion(x Measure, path string) {
	d := m.doc
	named := x.Role != "" || x.each("{role}")
	switch {
	case m.Role != nil && named:
		d.Wrong(path, "the rows name the role already (key role)")
	case m.Role == nil && !named:
		d.Wrong(path, "nothing says whose values these are; expected role, {role} in the name, or a column of roles (key role)")
	}
	timed := x.each("{wave}") || d.Has(path+".wave")
	switch {
	case timed && m.Diary != nil:
		d.Wrong(path, "the rows name a day of a diary; a measure of a wave belongs to another mapping")
	case timed && m.Wave != nil:
		d.Wrong(path, "the rows name the wave already (key wave)")
	case m.Diary != nil && x.Construct != "":
		d.Wrong(path, "a diary holds answers to instruments; expected instrument instead of construct")
	}
}

func (x Measure) each(placeholder string) bool { return strings.Contains(x.Columns, placeholder) }

func parseRef(s string) (domain.InstrumentRef, bool) {
	code, version, ok := strings.Cut(s, "@")
	ok = ok && domain.CheckCode("", code) == nil && domain.CheckCode("", version) == nil
	return domain.InstrumentRef{Code: code, Version: version}, ok
}

func (m *Mapping) isMissing(cell string) bool {
	if cell == "" {
		return true
	}
	if m.Missing == nil {
		return cell == "NA"
	}
	return slices.Contains(m.Missing, cell)
}

func (m *Mapping) consentVersion() string {
	if m.Consent == "" {
		return defaultConsent
	}
	return m.Consent
}
