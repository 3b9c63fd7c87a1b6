package dataimport

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"asem/cmd/asem/internal/yamltext"
	"asem/domain"
)

// plan is what a mapping means for a study: the protocol that the file needs, and what each column holds.
type plan struct {
	study       *domain.Study // as it is; does not exist before the first import
	protocol    domain.Protocol
	publish     bool                // the protocol differs from the one in force
	register    []domain.Instrument // those the study does not have yet
	instruments map[domain.InstrumentRef]domain.Instrument
	burst       domain.DiaryBurst // zero unless the file is a diary
	targets     []target
}

// target is what one column holds.
type target struct {
	column     string
	role       domain.Role // empty: the row says
	wave       int         // 0: the row says
	construct  domain.Construct
	instrument domain.InstrumentRef // zero for a construct
	item       domain.Item
	path       string // of the measure, in the mapping
}

// what names the target in a sentence.
func (t target) what() string {
	if t.instrument != (domain.InstrumentRef{}) {
		return "item " + t.item.ID + " of " + t.instrument.String()
	}
	return "construct " + t.construct.Code
}

// planner joins a mapping with the study as it is.
type planner struct {
	*Mapping
	yamltext.Problems
	plan
}

func (pl *planner) wrong(path, format string, args ...any) {
	pl.At(pl.doc.Where(path), format, args...)
}

// newPlan works out what the mapping means for a study. Every contradiction between the two is a problem.
func (m *Mapping) newPlan(study *domain.Study) (*plan, error) {
	pl := &planner{Mapping: m, plan: plan{study: study, instruments: map[domain.InstrumentRef]domain.Instrument{}}}
	pl.agree()
	if study.Protocol.Version == 0 {
		pl.fresh()
	} else {
		pl.extend()
	}
	if pl.Any() {
		return nil, pl.Err(m.doc.Name)
	}
	pl.constructs()
	pl.diary()
	pl.findInstruments()
	for i, x := range m.Measures {
		pl.expand(x, yamltext.Element("measures", i))
	}
	pl.finish()
	return &pl.plan, pl.Err(m.doc.Name)
}

// agree checks what the mapping says of the study itself.
func (pl *planner) agree() {
	if !pl.study.Exists() {
		if pl.Title == "" {
			pl.wrong("title", "the study does not exist yet, so that its title is needed (key title)")
		}
		if pl.Zone == "" {
			pl.wrong("zone", "the study does not exist yet, so that the time zone of its site is needed (key zone), such as Europe/Berlin")
		}
		return
	}
	if pl.Study != pl.study.Code {
		pl.wrong("study", "the mapping is for study %s, not for %s", yamltext.Clip(pl.Study), pl.study.Code)
	}
	if pl.Title != "" && pl.Title != pl.study.Title {
		pl.wrong("title", "the study exists under another title; leave the title out, or give the new study a code of its own")
	}
	if pl.Zone != "" && pl.Zone != pl.study.Zone {
		pl.wrong("zone", "the study exists with zone %s", pl.study.Zone)
	}
}

// extend starts from the protocol in force, with which the mapping must agree where it repeats it.
func (pl *planner) extend() {
	now := pl.study.Protocol
	pl.protocol = now
	pl.protocol.Waves = slices.Clone(now.Waves)
	pl.protocol.Constructs = slices.Clone(now.Constructs)
	pl.protocol.Diaries = slices.Clone(now.Diaries)
	if pl.TimeUnitMonths != nil && *pl.TimeUnitMonths != now.TimeUnitMonths {
		pl.wrong("timeUnitMonths", "the study exists with a time unit of %g months", now.TimeUnitMonths)
	}
	switch {
	case pl.Exchangeable && !now.Exchangeable:
		pl.wrong("exchangeable", "the partners of the study that exists are not exchangeable")
	case pl.Roles != nil && now.Exchangeable:
		pl.wrong("roles", "the partners of the study that exists are exchangeable; write exchangeable: true instead of roles")
	case pl.Roles != nil && !slices.Equal(pl.roleLabels(), now.Roles):
		pl.wrong("roles", "the study exists with other roles; expected %s", rolesInWords(now.Roles))
	}
	for i, w := range pl.Waves {
		path := yamltext.Element("waves", i)
		switch {
		case w.Month == nil:
			pl.wrong(path, "the month of the wave is missing")
		case i >= len(now.Waves):
			pl.protocol.Waves = append(pl.protocol.Waves, w.wave(i+1))
		case !w.agrees(now.Waves[i]):
			pl.wrong(path, "the study exists with another wave %d, at month %g", i+1, now.Waves[i].Month)
		}
	}
}

// fresh sets the first version of the protocol.
func (pl *planner) fresh() {
	if len(pl.Waves) == 0 {
		pl.wrong("waves", "the study has no protocol yet, so that its waves are needed (key waves), each with its month from enrolment")
	}
	if pl.Roles == nil && !pl.Exchangeable {
		pl.wrong("roles", "the study has no protocol yet; expected roles, such as {A: wife, B: husband}, or exchangeable: true")
	}
	unit := 1.0
	if pl.TimeUnitMonths != nil {
		unit = *pl.TimeUnitMonths
	}
	pl.protocol = domain.Protocol{Roles: pl.roleLabels(), Exchangeable: pl.Exchangeable, TimeUnitMonths: unit, AfterSeparation: domain.ContinueAfterSeparation}
	for i, w := range pl.Waves {
		if w.Month == nil {
			pl.wrong(yamltext.Element("waves", i), "the month of the wave is missing")
			continue
		}
		pl.protocol.Waves = append(pl.protocol.Waves, w.wave(i+1))
	}
}

// roleLabels lists the roles as a protocol has them. Exchangeable partners have labels without meaning.
func (m *Mapping) roleLabels() []domain.RoleLabel {
	a, b := m.Roles["A"], m.Roles["B"]
	if m.Exchangeable {
		a, b = "A", "B"
	}
	return []domain.RoleLabel{{Role: domain.RoleA, Label: a}, {Role: domain.RoleB, Label: b}}
}

func rolesInWords(roles []domain.RoleLabel) string {
	words := make([]string, len(roles))
	for i, r := range roles {
		words[i] = string(r.Role) + ": " + r.Label
	}
	return "{" + strings.Join(words, ", ") + "}"
}

// wave returns the wave of the protocol that the spec describes.
func (w WaveSpec) wave(index int) domain.Wave {
	or := func(n *int) int {
		if n == nil {
			return 0
		}
		return *n
	}
	label := w.Label
	if label == "" {
		label = "Wave " + strconv.Itoa(index)
	}
	return domain.Wave{Index: index, Label: label, Month: *w.Month, OpensDaysEarly: or(w.OpensDaysEarly), ClosesDaysLate: or(w.ClosesDaysLate), GraceDays: or(w.GraceDays)}
}

// agrees reports whether what the spec says is so in a wave that exists.
func (w WaveSpec) agrees(with domain.Wave) bool {
	same := func(n *int, m int) bool { return n == nil || *n == m }
	return *w.Month == with.Month && (w.Label == "" || w.Label == with.Label) &&
		same(w.OpensDaysEarly, with.OpensDaysEarly) && same(w.ClosesDaysLate, with.ClosesDaysLate) && same(w.GraceDays, with.GraceDays)
}

func (pl *planner) constructs() {
	for _, code := range slices.Sorted(maps.Keys(pl.Constructs)) {
		k := pl.Constructs[code]
		now, known := pl.protocol.Construct(code)
		switch {
		case !known:
			pl.protocol.Constructs = append(pl.protocol.Constructs, domain.Construct{Code: code, Title: k.Title, Min: k.Min, Max: k.Max, HigherIs: k.HigherIs})
		case !k.agrees(now):
			pl.wrong("constructs."+code, "the study has construct %s with another title, range or direction", code)
		}
	}
}

// agrees reports whether what the construct says is so in one that exists.
func (k Construct) agrees(with domain.Construct) bool {
	same := func(a, b *float64) bool { return a == nil || (b != nil && *a == *b) }
	return same(k.Min, with.Min) && same(k.Max, with.Max) && (k.Title == "" || k.Title == with.Title) && (k.HigherIs == "" || k.HigherIs == with.HigherIs)
}

func (pl *planner) diary() {
	b := pl.Diary
	if b == nil {
		return
	}
	want := domain.DiaryBurst{Code: b.Code, StartMonth: b.StartMonth, StartDay: b.StartDay, Days: b.Days, OpensHour: b.OpensHour, ClosesHour: 24, GraceHours: b.GraceHours}
	if b.ClosesHour != nil {
		want.ClosesHour = *b.ClosesHour
	}
	now, known := pl.protocol.Diary(b.Code)
	if !known {
		pl.burst = want
		pl.protocol.Diaries = append(pl.protocol.Diaries, want)
		return
	}
	want.Instruments = now.Instruments
	if pl.doc.Has("diary.days") && !sameBurst(want, now) {
		pl.wrong("diary", "the study has diary %s with other days or hours; leave them out to use it as it is", b.Code)
	}
	pl.burst = now
	if b.Column != "" && (now.Anchor == domain.AnchorJoining || now.Anchor == domain.AnchorSession) {
		pl.wrong("diary.column", "diary %s begins with a session or with each partner's joining, and the file does not tell when that was; expected a column of dates (key date) instead of the days' numbers", b.Code)
	}
}

func sameBurst(a, b domain.DiaryBurst) bool {
	return a.Origin == b.Origin && a.StartMonth == b.StartMonth && a.StartDay == b.StartDay && a.Days == b.Days && a.OpensHour == b.OpensHour && a.ClosesHour == b.ClosesHour && a.GraceHours == b.GraceHours
}

// findInstruments finds the instruments that the mapping names: in the study, or among those that ship.
func (pl *planner) findInstruments() {
	for i, x := range pl.Measures {
		ref, ok := parseRef(x.Instrument)
		if !ok {
			continue
		}
		if _, known := pl.instruments[ref]; known {
			continue
		}
		if in, ok := pl.study.Instruments[ref]; ok {
			pl.instruments[ref] = in
			continue
		}
		in, ok := domain.Key(ref.Code, ref.Version)
		if !ok {
			pl.wrong(yamltext.Element("measures", i)+".instrument", "there is no instrument %s; expected one that ships, or one brought into the study before by asem instrument import%s",
				ref, yamltext.DidYouMean(ref.String(), pl.instrumentNames()))
			continue
		}
		pl.instruments[ref] = in
		pl.register = append(pl.register, in)
	}
	slices.SortFunc(pl.register, func(a, b domain.Instrument) int { return strings.Compare(a.Ref().String(), b.Ref().String()) })
}

func (pl *planner) instrumentNames() []string {
	var names []string
	for r := range pl.study.Instruments {
		names = append(names, r.String())
	}
	for _, in := range domain.Keys() {
		names = append(names, in.Ref().String())
	}
	slices.Sort(names)
	return names
}

// maxColumns bounds how many columns a mapping may name; a spreadsheet holds 16,384.
const maxColumns = 100_000

// expand lists the columns of a measure.
func (pl *planner) expand(x Measure, path string) {
	for _, role := range pl.rolesOf(x, path) {
		for _, wave := range pl.wavesOf(x, path) {
			if len(pl.targets) > maxColumns {
				pl.wrong(path, "the mapping names more than %d columns", maxColumns)
				return
			}
			t := target{role: role.Role, wave: wave, path: path}
			name := func(item string) string {
				if x.Column != "" {
					return x.Column
				}
				return strings.NewReplacer("{role}", role.Label, "{wave}", strconv.Itoa(wave), "{item}", item).Replace(x.Columns)
			}
			if x.Construct != "" {
				pl.addConstruct(t, x.Construct, name(""))
				continue
			}
			pl.addItems(t, x, name)
		}
	}
}

// rolesOf lists the roles that a measure runs over; the zero role stands for what the row says.
func (pl *planner) rolesOf(x Measure, path string) []domain.RoleLabel {
	switch {
	case x.each("{role}"):
		return pl.protocol.Roles
	case x.Role == "":
		return []domain.RoleLabel{{}}
	}
	r, ok := pl.role(x.Role)
	if !ok {
		pl.wrong(path+".role", "%q is not a role; expected one of %s", yamltext.Clip(x.Role), rolesInWords(pl.protocol.Roles))
		return nil
	}
	return []domain.RoleLabel{r}
}

// role finds a role by its letter or its label.
func (p *plan) role(name string) (domain.RoleLabel, bool) {
	i := slices.IndexFunc(p.protocol.Roles, func(r domain.RoleLabel) bool { return string(r.Role) == name || r.Label == name })
	if i < 0 {
		return domain.RoleLabel{}, false
	}
	return p.protocol.Roles[i], true
}

// wavesOf lists the waves that a measure runs over; 0 stands for what the row says.
func (pl *planner) wavesOf(x Measure, path string) []int {
	all := len(pl.protocol.Waves)
	switch {
	case x.each("{wave}") && x.Waves == nil:
		waves := make([]int, all)
		for i := range waves {
			waves[i] = i + 1
		}
		return waves
	case x.each("{wave}"):
		for i, w := range x.Waves {
			if _, ok := pl.protocol.Wave(w); !ok {
				pl.wrong(yamltext.Element(path+".waves", i), "there is no wave %d; expected 1 to %d", w, all)
				return nil
			}
		}
		return x.Waves
	case pl.doc.Has(path + ".wave"):
		if _, ok := pl.protocol.Wave(x.Wave); !ok {
			pl.wrong(path+".wave", "there is no wave %d; expected 1 to %d", x.Wave, all)
			return nil
		}
		return []int{x.Wave}
	case pl.Wave != nil || pl.Diary != nil:
		return []int{0}
	case all == 1:
		return []int{1}
	}
	pl.wrong(path, "nothing says of which of the %d waves these values are; expected wave, {wave} in the name, or a column of waves (key wave)", all)
	return nil
}

func (pl *planner) addConstruct(t target, code, column string) {
	k, ok := pl.protocol.Construct(code)
	if !ok {
		names := make([]string, len(pl.protocol.Constructs))
		for i, k := range pl.protocol.Constructs {
			names[i] = k.Code
		}
		pl.wrong(t.path+".construct", "there is no construct %q; describe it under constructs%s", yamltext.Clip(code), yamltext.DidYouMean(code, names))
		return
	}
	t.construct, t.column = k, column
	pl.targets = append(pl.targets, t)
}

func (pl *planner) addItems(t target, x Measure, name func(string) string) {
	ref, _ := parseRef(x.Instrument)
	in, ok := pl.instruments[ref]
	if !ok {
		return // told already
	}
	items := map[string]string{x.Item: x.Item} // what stands for {item} -> item
	switch {
	case x.Items != nil:
		items = x.Items
	case x.each("{item}"):
		items = map[string]string{}
		for _, it := range in.Items {
			items[it.ID] = it.ID
		}
	}
	ids := make([]string, len(in.Items))
	for i, it := range in.Items {
		ids[i] = it.ID
	}
	for _, stands := range slices.Sorted(maps.Keys(items)) {
		id := items[stands]
		it, ok := in.Item(id)
		if !ok {
			at := t.path + ".item"
			if x.Items != nil {
				at = t.path + ".items." + stands
			}
			pl.wrong(at, "%s has no item %q%s", ref, yamltext.Clip(id), yamltext.DidYouMean(id, ids))
			continue
		}
		t := t
		t.instrument, t.item = ref, it
		t.column = name(stands)
		pl.targets = append(pl.targets, t)
	}
}

// ask lets a wave ask an instrument.
func (p *plan) ask(wave int, ref domain.InstrumentRef) {
	w := &p.protocol.Waves[wave-1]
	w.Instruments = with(w.Instruments, ref)
}

// askDaily lets the diary ask an instrument.
func (p *plan) askDaily(ref domain.InstrumentRef) {
	i := slices.IndexFunc(p.protocol.Diaries, func(d domain.DiaryBurst) bool { return d.Code == p.burst.Code })
	p.protocol.Diaries[i].Instruments = with(p.protocol.Diaries[i].Instruments, ref)
}

// with returns the list with a reference in it. The list is not written to: it may belong to the study.
func with(list []domain.InstrumentRef, ref domain.InstrumentRef) []domain.InstrumentRef {
	if slices.Contains(list, ref) {
		return list
	}
	return append(slices.Clip(list), ref)
}

// finish holds the columns and the protocol against the rules.
func (pl *planner) finish() {
	type holds struct {
		role            domain.Role
		wave            int
		construct, item string
		instrument      domain.InstrumentRef
	}
	seen := map[holds]target{}
	for _, t := range pl.targets {
		h := holds{t.role, t.wave, t.construct.Code, t.item.ID, t.instrument}
		if first, twice := seen[h]; twice {
			pl.wrong(t.path, "columns %s and %s both hold %s, of the same role and wave", yamltext.Clip(first.column), yamltext.Clip(t.column), t.what())
			continue
		}
		seen[h] = t
		if pl.Diary != nil {
			pl.askDaily(t.instrument)
		}
	}
	if pl.Any() {
		return
	}
	trial := pl.protocol
	trial.Version = pl.study.Protocol.Version + 1
	for _, r := range yamltext.Refusals(trial.Validate()) {
		pl.wrong(r.Path, "%s", r.Message)
	}
}

// settle gives the protocol its version, once it is known which wave asks what: the one in force if nothing is new.
func (p *plan) settle() {
	p.publish = p.study.Protocol.Version == 0 || !reflect.DeepEqual(p.protocol, p.study.Protocol)
	if p.publish {
		p.protocol.Version = p.study.Protocol.Version + 1
	}
}
