package dataimport

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"asem/cmd/asem/internal/yamltext"
	"asem/domain"
)

// Batch is a file as orders, to be carried out as one: all or nothing.
type Batch struct {
	// ID stands for the mapping and the file, byte for byte: carried out a second time under it, the same file
	// adds nothing.
	ID uuid.UUID
	// Orders create the study, register instruments and publish the protocol where needed, and then bring in couple by couple. They do not
	// depend on the order of rows or columns, nor on whether the file is wide or long.
	Orders  []domain.Order
	origins []origin // of the orders
	report  Report
}

// origin is where an order comes from: a row of the file, or a place in the mapping.
type origin struct {
	mapping string // place, in words; empty for a row
	line    int
	column  string  // empty: the row as a whole
	values  []value // that the order holds; a refusal names their item or construct
}

// importer is who the events of an import are by.
var importer = domain.Actor{Role: domain.ActorSystem, Subject: "import"}

// batches is the name space of batch ids.
var batches = uuid.MustParse("5c9b6c37-3e0c-4b0e-9d49-0f6f4f4f7f0a")

func batchID(mapping, file []byte) uuid.UUID {
	// The length keeps a byte that moves from one text to the other from making the same id.
	text := binary.BigEndian.AppendUint64(nil, uint64(len(mapping)))
	return uuid.NewSHA1(batches, slices.Concat(text, mapping, file))
}

// Orders turns a file into the orders that bring it into a study that does not exist yet. All problems of the file
// come joined, each an *[domain.Error] of code invalid that names the row, counted in lines of the file from 1, and the
// column; beyond 50 they are counted. No message repeats what stands in a cell.
func Orders(m *Mapping, file Source) (*Batch, error) { return Extend(domain.Study{}, m, file) }

// Extend is [Orders] for a study as it is. The mapping may leave out what the study has: title, zone, roles,
// waves, constructs. What it repeats must agree; what it adds becomes the next version of the protocol. A study that does not exist
// is created.
func Extend(study domain.Study, m *Mapping, file Source) (*Batch, error) {
	if m.doc == nil {
		return nil, yamltext.Invalid("", "the mapping was not read; it comes from ParseMapping")
	}
	plan, err := m.newPlan(&study)
	if err != nil {
		return nil, err
	}
	var p yamltext.Problems
	t := readTable(file, delimiters[m.Delimiter], &p)
	if t.header == nil || (len(t.rows) == 0 && p.Any()) {
		return nil, p.Err(file.Name)
	}
	r := newReader(m, plan, t)
	if r.Problems.Any() {
		return nil, r.Problems.Err(m.doc.Name)
	}
	r.Problems = p
	for _, row := range t.rows {
		r.read(row)
	}
	couples := slices.SortedFunc(maps.Values(r.couples), func(a, b *couple) int { return natural(a.code, b.code) })
	b := &builder{reader: r, batch: &Batch{ID: batchID(m.text, file.Data)}}
	plan.settle()
	b.study(couples)
	for _, c := range couples {
		b.couple(c)
	}
	if err := r.Problems.Err(file.Name); err != nil {
		return nil, err
	}
	b.batch.report = r.newReport(couples, b.batch)
	return b.batch, nil
}

// builder writes the orders.
type builder struct {
	*reader
	batch *Batch
}

func (b *builder) order(at time.Time, from origin, cmd domain.Command) {
	b.batch.Orders = append(b.batch.Orders, domain.Order{By: importer, At: at, Command: cmd})
	b.batch.origins = append(b.batch.origins, from)
}

// study writes the orders that make the study ready for the couples. They happen on the day on which the first of them joins.
func (b *builder) study(couples []*couple) {
	var first domain.Date
	for _, c := range couples {
		if first.IsZero() || c.enrolled.Before(first) {
			first = c.enrolled
		}
	}
	at := noon(first)
	from := func(path string) origin { return origin{mapping: b.doc.Where(path)} }
	if !b.plan.study.Exists() {
		b.order(at, from("study"), domain.CreateStudy{Study: b.Study, Title: b.Title, Zone: b.Zone})
	}
	for _, in := range b.register {
		b.order(at, from("measures"), domain.RegisterInstrument{Study: b.Study, Instrument: in})
	}
	if b.publish {
		b.order(at, from("waves"), domain.PublishProtocol{Study: b.Study, Protocol: b.protocol})
	}
}

// couple writes the orders of one couple: it joins, consents, and answers from one occasion to the next.
func (b *builder) couple(c *couple) {
	roles, participants := b.participants(c)
	at := noon(c.enrolled)
	from := origin{line: c.line, column: b.table.columnName(b.reader.couple)}
	b.order(at, from, domain.EnrolCouple{Study: b.Study, Couple: c.code, EnrolledOn: c.enrolled, Participants: participants})
	if b.consentVersion() != existing {
		scope := domain.ScopeQuestionnaires
		if b.Diary != nil {
			scope = domain.ScopeDiary
		}
		for _, p := range participants {
			b.order(at, from, domain.GiveConsent{Study: b.Study, Couple: c.code, Role: p.Role, Scope: scope, Version: b.consentVersion()})
		}
	}
	when := slices.SortedFunc(maps.Keys(c.visits), func(x, y occasion) int {
		return cmp.Or(cmp.Compare(x.wave, y.wave), cmp.Compare(y.day.DaysUntil(x.day), 0), cmp.Compare(roles[x.who], roles[y.who]))
	})
	for _, o := range when {
		b.visit(c, roles[o.who], o, c.visits[o])
	}
}

// participants gives each partner a role and a code: the couple's code with the role's label, or with the person's where rows
// name persons, who then take the roles in the natural order of their labels.
func (b *builder) participants(c *couple) (roles map[string]domain.Role, list []domain.NewParticipant) {
	roles = map[string]domain.Role{}
	labels := make([]string, len(b.protocol.Roles))
	for i, r := range b.protocol.Roles {
		roles[string(r.Role)], labels[i] = r.Role, r.Label
	}
	column := b.reader.couple
	if b.Role != nil && b.Role.Person != "" {
		column = b.who
		persons := slices.SortedFunc(maps.Keys(c.persons), natural)
		if len(persons) > len(labels) {
			b.tooManyPersons(c)
			persons = persons[:len(labels)]
		}
		roles = map[string]domain.Role{}
		for i, p := range persons {
			roles[p], labels[i] = b.protocol.Roles[i].Role, p
		}
		if len(persons) == 1 {
			labels[1] = "partner-of-" + persons[0] // of whom the file says nothing
		}
	}
	for i, r := range b.protocol.Roles {
		code := c.code + "-" + labels[i]
		if domain.CheckCode("", code) != nil {
			b.At(b.table.at(c.line, b.table.columnName(column)), "a participant would have a code of %d letters, made of the codes of couple and role or person; expected at most 64", len(code))
			break
		}
		list = append(list, domain.NewParticipant{Role: r.Role, Code: code})
	}
	return roles, list
}

func (b *builder) tooManyPersons(c *couple) {
	lines := slices.Sorted(maps.Values(c.persons))
	b.At(b.table.at(lines[2], b.table.columnName(b.who)), "the couple has a third person here, after those of rows %d and %d; expected two", lines[0], lines[1])
}

// visit writes what one partner answered on one occasion: instruments first, then scores, each in alphabetical order.
func (b *builder) visit(c *couple, role domain.Role, o occasion, v *visit) {
	on := v.on
	if on.IsZero() {
		w, _ := b.protocol.Wave(o.wave)
		on = w.NominalDay(domain.Beginnings{Enrolled: c.enrolled})
	}
	at := noon(on)
	answers := map[domain.InstrumentRef][]domain.Answer{}
	from := origin{line: v.line, values: v.values}
	var scores []value
	for _, val := range v.values {
		t := val.target
		if t.instrument == (domain.InstrumentRef{}) {
			scores = append(scores, val)
			continue
		}
		n := int(val.x)
		answers[t.instrument] = append(answers[t.instrument], domain.Answer{Item: t.item.ID, Value: &n})
	}
	var entries []domain.DiaryEntry
	for _, ref := range slices.SortedFunc(maps.Keys(answers), func(x, y domain.InstrumentRef) int { return strings.Compare(x.String(), y.String()) }) {
		given := b.inOrder(ref, answers[ref])
		if b.Diary != nil {
			entries = append(entries, domain.DiaryEntry{Instrument: ref.Code, Version: ref.Version, Answers: given})
			continue
		}
		b.order(at, from, domain.SubmitQuestionnaire{Study: b.Study, Couple: c.code, Role: role, Wave: o.wave, Instrument: ref, Answers: given, FilledAt: at, Elsewhere: true})
	}
	if entries != nil {
		b.order(at, from, domain.SubmitDiary{Study: b.Study, Couple: c.code, Role: role, Burst: b.burst.Code, Day: o.day, Entries: entries, FilledAt: at, Elsewhere: true})
	}
	slices.SortFunc(scores, func(x, y value) int { return strings.Compare(x.target.construct.Code, y.target.construct.Code) })
	for _, s := range scores {
		code := s.target.construct.Code
		from.column = s.target.column
		b.order(at, from, domain.RecordScore{Study: b.Study, Couple: c.code, Role: role, Wave: o.wave, Construct: code, Value: s.x, MeasuredAt: at})
	}
}

// inOrder puts answers in the order of the instrument's items.
func (b *builder) inOrder(ref domain.InstrumentRef, answers []domain.Answer) []domain.Answer {
	place := map[string]int{}
	for i, it := range b.instruments[ref].Items {
		place[it.ID] = i
	}
	slices.SortFunc(answers, func(x, y domain.Answer) int { return cmp.Compare(place[x.Item], place[y.Item]) })
	return answers
}
