package domain

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"time"
)

// Role names a place in the unit under study: "A" and "B" in a couple.
type Role string

// The two places in a couple. In a study of distinguishable partners the protocol gives them a
// meaning (A: wife, B: husband); with exchangeable partners the letters carry none.
const (
	RoleA Role = "A"
	RoleB Role = "B"
)

// RoleLabel gives a role the word that the study uses for it.
type RoleLabel struct {
	Role  Role   `json:"role"`
	Label string `json:"label"`
}

// Protocol is the plan of a study as data. It is versioned: a couple's observations refer to the
// waves of the version in force when they were made, and waves keep their index over versions.
type Protocol struct {
	Version      int         `json:"version"`
	Roles        []RoleLabel `json:"roles"`        // two for a couple
	Exchangeable bool        `json:"exchangeable"` // partners are interchangeable: no role has a meaning
	// TimeUnitMonths is the unit of the analysis variable "time", in months: 1 counts months
	// from enrolment, 12 years.
	TimeUnitMonths  float64         `json:"timeUnitMonths"`
	Waves           []Wave          `json:"waves"`
	Diaries         []DiaryBurst    `json:"diaries,omitempty"`
	Tasks           []Task          `json:"tasks,omitempty"`
	Schemes         []CodingScheme  `json:"schemes,omitempty"`
	Constructs      []Construct     `json:"constructs,omitempty"` // measured outside asem, recorded as scores
	AfterSeparation AfterSeparation `json:"afterSeparation"`

	// How participants are asked; see asking.go.
	Languages      []string       `json:"languages,omitempty"` // in which they are asked; the first where nobody chose. None: "en"
	Sites          []Site         `json:"sites,omitempty"`
	Consents       []ConsentForm  `json:"consents,omitempty"`
	Showings       []Showing      `json:"showings,omitempty"`
	Notes          []NotePrompt   `json:"notes,omitempty"`
	Reminders      []Reminder     `json:"reminders,omitempty"`
	Arms           []Arm          `json:"arms,omitempty"`
	Randomise      *Randomisation `json:"randomise,omitempty"` // nil: nobody is
	ChangeEvents   []ChangeEvent  `json:"changeEvents,omitempty"`
	Compensation   *Compensation  `json:"compensation,omitempty"`   // nil: none
	KeepVideosDays int            `json:"keepVideosDays,omitempty"` // after the interaction; 0: as long as the study
	Analyses       []ChangeModel  `json:"analyses,omitempty"`       // the preregistered plan
}

// AfterSeparation says what a separation means for what is asked later.
type AfterSeparation string

// The rules: each partner goes on alone, or nothing more is asked.
const (
	ContinueAfterSeparation AfterSeparation = "continue"
	StopAfterSeparation     AfterSeparation = "stop"
)

// Wave is one measurement of both partners.
type Wave struct {
	Index          int             `json:"index"` // from 1, without gaps
	Label          string          `json:"label"`
	Month          float64         `json:"month"`          // months from enrolment; a fraction counts days of a 30.4375-day month
	OpensDaysEarly int             `json:"opensDaysEarly"` // the window opens so many days before the nominal day
	ClosesDaysLate int             `json:"closesDaysLate"` // and closes at the end of the day so many days after it
	GraceDays      int             `json:"graceDays"`      // answers are taken, as late, so many days longer
	Instruments    []InstrumentRef `json:"instruments,omitempty"`
	Origin
	Arms []string `json:"arms,omitempty"` // who is asked; empty: everybody
}

// InstrumentRef names one version of an instrument.
type InstrumentRef struct {
	Code    string `json:"code"`
	Version string `json:"version"`
}

func (r InstrumentRef) String() string { return r.Code + "@" + r.Version }

// DiaryBurst is a run of consecutive diary days.
type DiaryBurst struct {
	Code        string          `json:"code"`
	StartMonth  float64         `json:"startMonth"` // months from its origin, as Wave.Month
	StartDay    int             `json:"startDay"`   // and so many days later
	Days        int             `json:"days"`
	OpensHour   int             `json:"opensHour"`  // by the participant's wall clock, on the day itself
	ClosesHour  int             `json:"closesHour"` // counted from the day's midnight: 27 is three in the following night
	GraceHours  int             `json:"graceHours"` // answers are taken, as late, so many hours longer
	Instruments []InstrumentRef `json:"instruments"`
	Origin
	Arms []string `json:"arms,omitempty"` // who is asked; empty: everybody
}

// Task is something that partners do together in a session: an interaction that is recorded for coding, or an activity. Tasks of a wave are held in
// the order in which they stand.
type Task struct {
	Code        string            `json:"code"`
	Title       string            `json:"title"`
	Wave        int               `json:"wave"`
	Minutes     int               `json:"minutes,omitempty"`     // how long; 0: not set
	Text        map[string]string `json:"text,omitempty"`        // what partners are told, by language
	Unrecorded  bool              `json:"unrecorded,omitempty"`  // an activity of which there is no recording
	ClipSeconds int               `json:"clipSeconds,omitempty"` // the recording is cut into clips of this length; 0: it is one clip
	Schemes     []string          `json:"schemes,omitempty"`     // by which its clips are rated; empty: by all
	Arms        []string          `json:"arms,omitempty"`        // who does it; empty: everybody
}

// Construct is something measured: "avoidance", "satisfaction".
type Construct struct {
	Code     string   `json:"code"`
	Title    string   `json:"title,omitempty"`
	Min      *float64 `json:"min,omitempty"` // nil: not bounded
	Max      *float64 `json:"max,omitempty"`
	HigherIs string   `json:"higherIs,omitempty"` // in words: "more avoidant"
}

var codePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// CheckCode refuses a code that could not stand in a stream name, a URL or a file name.
func CheckCode(path, code string) error {
	if !codePattern.MatchString(code) {
		return refuse(Invalid, path, "%q is not a code; expected 1 to 64 letters, digits, dots, dashes or underscores, starting with a letter or digit", code)
	}
	return nil
}

// checks gathers every problem of an input, so that a person sees all at once.
type checks []error

func (c *checks) add(err error) {
	if err != nil {
		*c = append(*c, err)
	}
}

func (c *checks) that(ok bool, path, format string, args ...any) {
	if !ok {
		c.add(refuse(Invalid, path, format, args...))
	}
}

// within adds the refusals that err joins, with their paths below another.
func (c *checks) within(path string, err error) {
	switch e := err.(type) { //nolint:errorlint // what checks.err joined
	case nil:
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			c.within(path, one)
		}
	case *Error:
		below := *e
		below.Path = path + "." + e.Path
		c.add(&below)
	default:
		c.add(err)
	}
}

func (c *checks) err() error { return errors.Join(*c...) }

// Validate reports every way in which the protocol contradicts itself.
func (p Protocol) Validate() error {
	var c checks
	c.that(p.Version >= 1, "version", "the version is %d; expected 1 or more", p.Version)
	c.that(len(p.Roles) == 2, "roles", "there are %d roles; a couple has two", len(p.Roles))
	seen := map[string]bool{}
	for i, r := range p.Roles {
		path := fmt.Sprintf("roles[%d]", i)
		c.add(CheckCode(path+".role", string(r.Role)))
		c.add(CheckCode(path+".label", r.Label))
		c.that(!seen["role "+string(r.Role)] && !seen["label "+r.Label], path, "role %q or label %q stands twice", r.Role, r.Label)
		seen["role "+string(r.Role)], seen["label "+r.Label] = true, true
	}
	c.that(finite(p.TimeUnitMonths) && p.TimeUnitMonths > 0, "timeUnitMonths", "the time unit is %v months; expected more than 0", p.TimeUnitMonths)
	c.that(len(p.Waves) > 0, "waves", "there is no wave; expected at least one")
	for i, w := range p.Waves {
		path := fmt.Sprintf("waves[%d]", i)
		c.that(w.Index == i+1, path+".index", "the index is %d; waves are numbered from 1 without gaps, so %d was expected", w.Index, i+1)
		c.that(finite(w.Month) && w.Month >= 0 && w.Month <= 1200, path+".month", "%v months from enrolment; expected 0 to 1200", w.Month)
		c.that(i == 0 || w.Month > p.Waves[i-1].Month, path+".month", "month %v does not come after the wave before it", w.Month)
		c.that(w.OpensDaysEarly >= 0 && w.ClosesDaysLate >= 0 && w.GraceDays >= 0, path, "a window cannot have a negative length")
	}
	for i, d := range p.Diaries {
		path := fmt.Sprintf("diaries[%d]", i)
		c.add(CheckCode(path+".code", d.Code))
		c.that(!seen["diary "+d.Code], path+".code", "diary %q stands twice", d.Code)
		seen["diary "+d.Code] = true
		c.that(d.Days >= 1 && d.Days <= 366, path+".days", "%d days; expected 1 to 366", d.Days)
		c.that(finite(d.StartMonth) && d.StartMonth >= 0 && d.StartDay >= 0, path, "a diary cannot start before what it is counted from")
		c.that(d.OpensHour >= 0 && d.OpensHour < d.ClosesHour && d.ClosesHour <= d.OpensHour+24, path,
			"the day is open from hour %d to %d; expected it to open at 0 or later and to close within 24 hours of that", d.OpensHour, d.ClosesHour)
		c.that(d.GraceHours >= 0, path+".graceHours", "a negative grace")
		c.that(d.Days == 1 || d.ClosesHour+d.GraceHours <= d.OpensHour+24, path+".graceHours",
			"a day could still be answered when the next one opens; expected at most %d", d.OpensHour+24-d.ClosesHour)
		c.that(len(d.Instruments) > 0, path+".instruments", "a diary asks nothing; expected at least one instrument")
	}
	for i, t := range p.Tasks {
		path := fmt.Sprintf("tasks[%d]", i)
		c.add(CheckCode(path+".code", t.Code))
		c.that(!seen["task "+t.Code], path+".code", "task %q stands twice", t.Code)
		seen["task "+t.Code] = true
		c.that(t.Wave >= 1 && t.Wave <= len(p.Waves), path+".wave", "there is no wave %d; expected 1 to %d", t.Wave, len(p.Waves))
		c.that(t.Minutes >= 0 && t.Minutes <= 24*60, path+".minutes", "%d minutes; expected 0 to %d", t.Minutes, 24*60)
		c.that(t.ClipSeconds >= 0, path+".clipSeconds", "clips of %d seconds; expected 0 or more", t.ClipSeconds)
		c.that(!t.Unrecorded || t.ClipSeconds == 0 && len(t.Schemes) == 0, path, "what is not recorded can be neither cut into clips nor rated")
		for j, s := range t.Schemes {
			_, ok := p.Scheme(s)
			c.that(ok, fmt.Sprintf("%s.schemes[%d]", path, j), "there is no coding scheme %q", s)
		}
	}
	for i, s := range p.Schemes {
		path := fmt.Sprintf("schemes[%d]", i)
		c.that(!seen["scheme "+s.Code], path+".code", "coding scheme %q stands twice", s.Code)
		seen["scheme "+s.Code] = true
		s.check(path, &c)
	}
	for i, k := range p.Constructs {
		path := fmt.Sprintf("constructs[%d]", i)
		c.add(CheckCode(path+".code", k.Code))
		c.that(!seen["construct "+k.Code], path+".code", "construct %q stands twice", k.Code)
		seen["construct "+k.Code] = true
		c.that(k.Min == nil || k.Max == nil || *k.Min < *k.Max, path, "the smallest value is not below the largest")
	}
	c.that(p.AfterSeparation == ContinueAfterSeparation || p.AfterSeparation == StopAfterSeparation, "afterSeparation",
		"%q is not a rule; expected %q or %q", p.AfterSeparation, ContinueAfterSeparation, StopAfterSeparation)
	c.that(p.KeepVideosDays >= 0, "keepVideosDays", "a negative number of days")
	p.checkAsking(&c)
	return c.err()
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// Wave returns the wave with an index.
func (p Protocol) Wave(index int) (Wave, bool) {
	if index < 1 || index > len(p.Waves) {
		return Wave{}, false
	}
	return p.Waves[index-1], true
}

// Diary returns the burst with a code.
func (p Protocol) Diary(code string) (DiaryBurst, bool) {
	return find(p.Diaries, func(d DiaryBurst) bool { return d.Code == code })
}

// Anchored reports whether anything is counted from something else than enrolment.
func (p Protocol) Anchored() bool {
	return slices.ContainsFunc(p.Waves, func(w Wave) bool { return w.Anchor != AnchorEnrolment }) ||
		slices.ContainsFunc(p.Diaries, func(d DiaryBurst) bool { return d.Anchor != AnchorEnrolment })
}

// Scheme returns the coding scheme with a code.
func (p Protocol) Scheme(code string) (CodingScheme, bool) {
	return find(p.Schemes, func(s CodingScheme) bool { return s.Code == code })
}

// Task returns the interaction task with a code.
func (p Protocol) Task(code string) (Task, bool) {
	return find(p.Tasks, func(t Task) bool { return t.Code == code })
}

// Construct returns the construct with a code, of those measured outside asem.
func (p Protocol) Construct(code string) (Construct, bool) {
	return find(p.Constructs, func(k Construct) bool { return k.Code == code })
}

func find[T any](list []T, is func(T) bool) (T, bool) {
	for _, x := range list {
		if is(x) {
			return x, true
		}
	}
	var none T
	return none, false
}

// Window is a stretch of time in which something can be answered.
type Window struct {
	Opens, Closes time.Time // on time from Opens until just before Closes
	Ends          time.Time // and late until just before Ends
}

// Timing is a fact about an answer: when it came, measured against its window.
type Timing string

// The timings. TimingUnrecorded is for data that another program collected.
const (
	TimingOnTime     Timing = "on_time"
	TimingLate       Timing = "late"
	TimingUnrecorded Timing = "unrecorded"
)

// timing places an instant in the window, or refuses it.
func (w Window) timing(path string, at time.Time) (Timing, error) {
	switch {
	case at.Before(w.Opens):
		return "", refuse(Conflict, path, "it opens on %s", w.Opens.Format(time.RFC3339))
	case at.Before(w.Closes):
		return TimingOnTime, nil
	case at.Before(w.Ends):
		return TimingLate, nil
	}
	return "", refuse(Conflict, path, "it closed on %s", w.Ends.Format(time.RFC3339))
}

const daysPerMonth = 30.4375 // 365.25 / 12

// monthsAfter counts whole months by the calendar and the rest in days.
func monthsAfter(d Date, months float64) Date {
	whole, part := math.Modf(months)
	return d.AddMonths(int(whole)).AddDays(int(math.Round(part * daysPerMonth)))
}
