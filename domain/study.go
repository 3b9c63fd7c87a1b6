package domain

import (
	"maps"
	"reflect"
	"slices"
	"sort"
	"strings"
)

// Study is one investigation: its plan and its instruments. It is the fold of the study's own
// stream; couples have streams of their own.
type Study struct {
	Code        string
	Title       string
	Zone        string // of the study's site
	Simulation  *Simulation
	Protocol    Protocol // the version in force; Version 0 before the first is published
	Instruments map[InstrumentRef]Instrument
	Models      map[string]ChangeModel // that the study follows, by name
	Judges      map[string]Judge
	Seeds       map[string]uint64 // from which chance decides who codes what, by scheme

	places map[string]PlaceTaken // in the order of randomisation
	taken  map[string]int        // places of it, by stratum
	seed   []byte                // from which arms are drawn; nil before SeedRandomisation
}

// Simulation marks a study whose data a program made, and says what was put in. A study that
// has one is labelled synthetic wherever it appears.
type Simulation struct {
	Seed    uint64       `json:"seed"`
	Effects []TrueEffect `json:"effects"`
}

// TrueEffect is an effect that a simulator put into the data it made.
type TrueEffect struct {
	Outcome   string  `json:"outcome"`
	Predictor string  `json:"predictor"`
	Path      string  `json:"path"` // "actor" or "partner"
	Value     float64 `json:"value"`
}

// Exists reports whether the study has been created.
func (s *Study) Exists() bool { return s.Code != "" }

// Apply folds one event of the study's stream. It is total: an event that says nothing about the
// study changes nothing.
func (s *Study) Apply(e Event) {
	switch e := e.(type) {
	case StudyCreated:
		s.Code, s.Title, s.Zone, s.Simulation = e.Code, e.Title, e.Zone, e.Simulation
	case InstrumentRegistered:
		if s.Instruments == nil {
			s.Instruments = map[InstrumentRef]Instrument{}
		}
		s.Instruments[e.Instrument.Ref()] = e.Instrument
	case ProtocolPublished:
		s.Protocol = e.Protocol
	case ModelRegistered:
		set(&s.Models, e.Model.Name, e.Model)
	case ModelRetired:
		delete(s.Models, e.Name)
	case JudgeEnlisted, JudgeRetired, JudgeAcquainted, JudgeOnLeave, JudgeAssessed, JudgeSuspended, CodingSeeded:
		s.applyJudge(e)
	case PlaceTaken:
		set(&s.places, e.Unit, e)
		set(&s.taken, e.Stratum, e.Number)
	case RandomisationSeeded:
		s.seed = e.Seed
	}
}

// Ref returns the reference under which a protocol names the instrument.
func (in Instrument) Ref() InstrumentRef { return InstrumentRef{in.Code, in.Version} }

// StudyConstructs lists everything the study measures, sorted by code: the scales of its
// instruments and the constructs recorded from outside. Where several instruments measure one construct, its range spans
// theirs and its title is that of the first by code and version.
func (s *Study) StudyConstructs() []Construct {
	byCode := map[string]Construct{}
	for _, r := range s.refs() {
		in := s.Instruments[r]
		for _, sc := range in.Scales {
			lo, hi := in.ScaleRange(sc)
			k, known := byCode[sc.Code]
			if known {
				lo, hi = min(lo, *k.Min), max(hi, *k.Max)
			} else {
				k = Construct{Code: sc.Code, Title: sc.Title, HigherIs: sc.HigherIs}
			}
			k.Min, k.Max = &lo, &hi
			byCode[sc.Code] = k
		}
	}
	for _, k := range s.Protocol.Constructs {
		byCode[k.Code] = k
	}
	list := make([]Construct, 0, len(byCode))
	for _, k := range byCode {
		list = append(list, k)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Code < list[j].Code })
	return list
}

// refs lists the instruments, in one order.
func (s *Study) refs() []InstrumentRef {
	return slices.SortedFunc(maps.Keys(s.Instruments), func(a, b InstrumentRef) int { return strings.Compare(a.String(), b.String()) })
}

// StudyCreated: a study came into being.
type StudyCreated struct {
	Code       string      `json:"code"`
	Title      string      `json:"title"`
	Zone       string      `json:"zone"`
	Simulation *Simulation `json:"simulation,omitempty"` // nil: real data
}

// InstrumentRegistered: the study may use this version of an instrument, with this scoring key.
type InstrumentRegistered struct {
	Instrument Instrument `json:"instrument"`
}

// ProtocolPublished: the plan of the study, from now on.
type ProtocolPublished struct {
	Protocol Protocol `json:"protocol"`
}

func (StudyCreated) isEvent()         {}
func (InstrumentRegistered) isEvent() {}
func (ProtocolPublished) isEvent()    {}

// CreateStudy begins a study.
type CreateStudy struct {
	Study      string
	Title      string
	Zone       string
	Simulation *Simulation
}

func (c CreateStudy) Target() Target { return Target{Study: c.Study} }

func (c CreateStudy) decide(p Past) ([]Event, error) {
	if p.Study.Exists() {
		same := p.Study.Title == c.Title && p.Study.Zone == c.Zone && reflect.DeepEqual(p.Study.Simulation, c.Simulation)
		if same {
			return nil, nil
		}
		return nil, refuse(Conflict, "study", "study %s exists already", c.Study)
	}
	var k checks
	k.add(CheckCode("study", c.Study))
	k.that(c.Title != "", "title", "the title is empty")
	k.add(checkZone("zone", c.Zone))
	if err := k.err(); err != nil {
		return nil, err
	}
	return []Event{StudyCreated{c.Study, c.Title, c.Zone, c.Simulation}}, nil
}

// RegisterInstrument lets a study use a version of an instrument. Wording and key of a version
// never change: a changed instrument is a new version.
type RegisterInstrument struct {
	Study      string
	Instrument Instrument
}

func (c RegisterInstrument) Target() Target { return Target{Study: c.Study} }

func (c RegisterInstrument) decide(p Past) ([]Event, error) {
	if err := p.needStudy(); err != nil {
		return nil, err
	}
	if err := c.Instrument.Validate(); err != nil {
		return nil, err
	}
	ref := c.Instrument.Ref()
	if old, ok := p.Study.Instruments[ref]; ok {
		if reflect.DeepEqual(old, c.Instrument) {
			return nil, nil
		}
		return nil, refuse(Conflict, "instrument", "instrument %s is registered with other content; give the changed one a version of its own", ref)
	}
	return []Event{InstrumentRegistered{c.Instrument}}, nil
}

// PublishProtocol puts a version of the plan in force. Version numbers grow by one; waves that a
// version before had keep their index and month, for observations refer to them.
type PublishProtocol struct {
	Study    string
	Protocol Protocol
}

func (c PublishProtocol) Target() Target { return Target{Study: c.Study} }

func (c PublishProtocol) decide(p Past) ([]Event, error) {
	if err := p.needStudy(); err != nil {
		return nil, err
	}
	now, next := p.Study.Protocol, c.Protocol
	if reflect.DeepEqual(now, next) {
		return nil, nil
	}
	var k checks
	k.add(next.Validate())
	k.that(next.Version == now.Version+1, "version", "the version is %d; the one in force is %d, so %d was expected", next.Version, now.Version, now.Version+1)
	for i, w := range now.Waves {
		k.that(i < len(next.Waves) && next.Waves[i].Month == w.Month, "waves", "wave %d was at month %v; observations may refer to it, so it must stay", w.Index, w.Month)
	}
	if now.Version > 0 {
		k.that(reflect.DeepEqual(now.Roles, next.Roles) && now.Exchangeable == next.Exchangeable, "roles", "the roles of a study cannot change between versions")
	}
	need := func(refs []InstrumentRef, what string) {
		for _, r := range refs {
			_, ok := p.Study.Instruments[r]
			k.that(ok, what, "instrument %s is not registered in study %s", r, c.Study)
		}
	}
	for _, w := range next.Waves {
		need(w.Instruments, "waves")
	}
	for _, d := range next.Diaries {
		need(d.Instruments, "diaries")
	}
	p.Study.checkShowings(next, &k)
	if now.Randomise != nil {
		k.that(reflect.DeepEqual(now.Randomise, next.Randomise) && reflect.DeepEqual(now.Arms, next.Arms), "arms", "couples may have been randomised to the arms by this plan, so it must stay")
	}
	if err := k.err(); err != nil {
		return nil, err
	}
	return []Event{ProtocolPublished{next}}, nil
}
