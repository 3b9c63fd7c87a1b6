package studyfile

import "asem/domain"

// file is a plan as it is written. Where a field has the type of the domain, its keys are the names that the protocol has in JSON.
type file struct {
	Study           studyPart              `yaml:"study"`
	Languages       []string               `yaml:"languages,omitempty"`
	Roles           []domain.RoleLabel     `yaml:"roles,omitempty"`
	Exchangeable    bool                   `yaml:"exchangeable,omitempty"`
	AfterSeparation domain.AfterSeparation `yaml:"afterSeparation"`
	TimeUnitMonths  *float64               `yaml:"timeUnitMonths,omitempty"` // absent: 1
	Sites           []domain.Site          `yaml:"sites,omitempty"`
	Consents        []domain.ConsentForm   `yaml:"consents,omitempty"`
	Instruments     []string               `yaml:"instruments,omitempty"` // code@version, or a YAML file beside this one
	OwnInstruments  []domain.Instrument    `yaml:"ownInstruments,omitempty"`
	Constructs      []domain.Construct     `yaml:"constructs,omitempty"`
	Waves           []wave                 `yaml:"waves"`
	Diaries         []diary                `yaml:"diaries,omitempty"`
	Showings        []domain.Showing       `yaml:"showings,omitempty"`
	Notes           []domain.NotePrompt    `yaml:"notes,omitempty"`
	Reminders       []reminder             `yaml:"reminders,omitempty"`
	Tasks           []domain.Task          `yaml:"tasks,omitempty"`
	Schemes         []domain.CodingScheme  `yaml:"schemes,omitempty"`
	Arms            []domain.Arm           `yaml:"arms,omitempty"`
	Randomise       *domain.Randomisation  `yaml:"randomise,omitempty"`
	ChangeEvents    []domain.ChangeEvent   `yaml:"changeEvents,omitempty"`
	Compensation    *compensation          `yaml:"compensation,omitempty"`
	Analyses        []analysis             `yaml:"analyses,omitempty"`
}

type studyPart struct {
	Code  string `yaml:"code"`
	Title string `yaml:"title"`
	Zone  string `yaml:"zone"`
}

// wave is a [domain.Wave]; its index is its place in the list.
type wave struct {
	Label       string   `yaml:"label,omitempty"`
	At          string   `yaml:"at"`              // see parseMoment
	Month       *float64 `yaml:"month,omitempty"` // nominal, where at is a session or a date
	Grace       string   `yaml:"grace,omitempty"` // "7 days"
	Instruments []string `yaml:"instruments,omitempty"`
	Arms        []string `yaml:"arms,omitempty"`
}

// diary is a [domain.DiaryBurst], or several.
type diary struct {
	Code        string   `yaml:"code"`
	Starts      string   `yaml:"starts"` // "1 day after session 3"; see parseStart
	Days        int      `yaml:"days"`
	Open        string   `yaml:"open"`            // see parseHours
	Grace       string   `yaml:"grace,omitempty"` // "9 hours"
	Instruments []string `yaml:"instruments"`
	Arms        []string `yaml:"arms,omitempty"`
	Repeat      *repeat  `yaml:"repeat,omitempty"`
}

// repeat makes several diaries of one.
type repeat struct {
	Times       int     `yaml:"times"`
	EveryMonths float64 `yaml:"everyMonths"`
}

// reminder is a [domain.Reminder].
type reminder struct {
	Waves  bool   `yaml:"waves,omitempty"`
	Diary  string `yaml:"diary,omitempty"`
	After  string `yaml:"after,omitempty"`  // "2 days" of a wave, "2 hours" of a diary day
	At     string `yaml:"at,omitempty"`     // "18:00"; waves only
	Jitter string `yaml:"jitter,omitempty"` // "45 minutes"
}

// compensation is a [domain.Compensation], with amounts as people write them.
type compensation struct {
	Currency string `yaml:"currency"`
	Wave     string `yaml:"wave,omitempty"` // "20.00"
	DiaryDay string `yaml:"diaryDay,omitempty"`
}

// analysis is a [domain.ChangeModel] with the keys of a spec for asem fit.
type analysis struct {
	Name         string             `yaml:"name"`
	Data         string             `yaml:"data"` // "waves" or "diary"
	Kind         string             `yaml:"kind"`
	Outcome      string             `yaml:"outcome"`
	Exchangeable bool               `yaml:"exchangeable,omitempty"`
	Time         string             `yaml:"time,omitempty"` // absent: time of waves, day of diaries
	Fixed        string             `yaml:"fixed,omitempty"`
	Random       string             `yaml:"random,omitempty"`
	Contrasts    string             `yaml:"contrasts,omitempty"`
	Predictors   []string           `yaml:"predictors,omitempty"`
	Reliability  map[string]float64 `yaml:"reliability,omitempty"`
	Pooled       bool               `yaml:"pooled,omitempty"`
	Waves        []float64          `yaml:"waves,omitempty"`
	Missing      string             `yaml:"missing,omitempty"` // "row" or "pair"
	Residual     *residual          `yaml:"residual,omitempty"`
	Method       string             `yaml:"method,omitempty"`
	DF           string             `yaml:"df,omitempty"`
	Level        float64            `yaml:"level,omitempty"`
}

type residual struct {
	Variance     string `yaml:"variance,omitempty"`
	CrossPartner bool   `yaml:"cross_partner,omitempty"`
	Serial       string `yaml:"serial,omitempty"`
}
