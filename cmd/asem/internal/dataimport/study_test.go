package dataimport

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
	"asem/events"
	"asem/events/sqlite"
)

// house is a log with its executor.
type house struct {
	*events.Executor
	log events.Log
}

func newHouse(t *testing.T) house {
	t.Helper()
	log, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "log.db"))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, log.Close()) })
	return house{events.NewExecutor(log), log}
}

func (h house) head(t *testing.T) events.Position {
	t.Helper()
	head, err := h.log.Head(t.Context())
	require.NoError(t, err)
	return head
}

func (h house) study(t *testing.T, code string) domain.Study {
	t.Helper()
	past, err := h.log.ReadStream(t.Context(), events.StudyStream(code), 0, 0)
	require.NoError(t, err)
	var s domain.Study
	for _, env := range past {
		e, err := events.Decode(env)
		require.NoError(t, err)
		s.Apply(e)
	}
	return s
}

func (h house) take(t *testing.T, m *Mapping, src Source) (domain.Receipt, error) {
	t.Helper()
	b, err := Extend(h.study(t, m.Study), m, src)
	require.NoError(t, err)
	r, err := h.ExecuteAll(t.Context(), b.ID, b.Orders)
	return r, b.Explain(err)
}

func TestASecondImportAddsNothing(t *testing.T) {
	h := newHouse(t)
	m, src := Acitelli()
	first, err := h.take(t, m, src)
	require.NoError(t, err)
	// The study, its protocol, and for each couple the enrolment, two partners who join, two consents and four scores of two partners.
	assert.Equal(t, 2+148*(1+2+2+8), first.Events)
	head := h.head(t)

	again, err := h.take(t, m, src)
	require.NoError(t, err)
	assert.True(t, again.Duplicate)
	assert.Equal(t, first.Position, again.Position)

	// A mapping with another comment, or the same rows in another order, is another batch that says nothing new.
	other := mapping(t, string(acitelliMapping)+"# again\n")
	_, err = h.take(t, other, src)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(src.Data)), "\n")
	lines[1], lines[200] = lines[200], lines[1]
	_, err = h.take(t, m, file(lines...))
	require.NoError(t, err)
	assert.Equal(t, head, h.head(t))
}

func TestOneBadRowKeepsAllOut(t *testing.T) {
	h := newHouse(t)
	_, err := Extend(domain.Study{}, mapping(t, scoresMapping), file("couple,role,wave,love", "1,h,1,3", "2,h,1,99"))
	require.Error(t, err)
	assert.Zero(t, h.head(t))
}

// A later file brings a wave, a construct, an instrument and a couple more.
func TestExtendingAStudy(t *testing.T) {
	h := newHouse(t)
	_, err := h.take(t, mapping(t, scoresMapping), file("couple,role,wave,love", "1,h,1,3", "1,w,1,4"))
	require.NoError(t, err)
	before := h.study(t, "S1")

	// Everything that the study has may be left out.
	_, err = h.take(t, mapping(t, "study: S1\ncouple: c\nenrolled: {date: 2020-02-29}\nmeasures: [{columns: \"love_{role}{wave}\", waves: [2], construct: love}]\n"),
		file("c,love_h2,love_w2", "1,5,6", "2,7,"))
	require.NoError(t, err)
	assert.Equal(t, before.Protocol, h.study(t, "S1").Protocol, "nothing new in the protocol")

	more := `study: S1
waves: [{month: 0}, {month: 6, label: Wave 2}, {month: 12}]
couple: c
enrolled: {date: 2020-02-29}
constructs: {hope: {}}
role: {column: r}
wave: {column: w}
measures:
  - {column: hope, construct: hope}
  - {columns: "{item}", instrument: csi-4@2007}
`
	_, err = h.take(t, mapping(t, more), file("c,r,w,hope,c01,c05,c07,c10", "1,h,3,-1.5,6,5,5,5", "3,w,1,2,,,,"))
	require.NoError(t, err)
	after := h.study(t, "S1")
	assert.Equal(t, 2, after.Protocol.Version)
	assert.Len(t, after.Protocol.Waves, 3)
	assert.Equal(t, []domain.InstrumentRef{{Code: "csi-4", Version: "2007"}}, after.Protocol.Waves[2].Instruments)
	assert.Empty(t, after.Protocol.Waves[0].Instruments, "a wave asks what the file has answers to")
	_, known := after.Protocol.Construct("hope")
	assert.True(t, known)
	assert.Contains(t, after.Instruments, domain.InstrumentRef{Code: "csi-4", Version: "2007"})
	assert.Equal(t, domain.Protocol{Version: 1}.Version, before.Protocol.Version, "the study that was passed in is not changed")
	assert.Len(t, before.Protocol.Constructs, 2)
}

// What only the study knows comes back with the place in the file.
func TestExplain(t *testing.T) {
	h := newHouse(t)
	long := mapping(t, longMapping)
	const head = "couple,role,time,love,csi_a,csi_b,csi_c,csi_d"
	_, err := h.take(t, long, file(head, "1,husband,1,3,6,5,4,3", "2,wife,0,4,,,,"))
	require.NoError(t, err)
	at := h.head(t)

	_, err = h.take(t, long, file(head, "1,husband,1,3.5,6,5,4,2", "2,wife,0,4,,,,", "3,wife,0,4,,,,"))
	require.Error(t, err)
	assert.Equal(t, []string{
		"data.csv:2: csi-4 of wave 2 was answered before; a wrong answer is corrected, not sent again",
		"data.csv:2 column love: the score of role A at wave 2 was recorded before with another value; a wrong score is corrected, not recorded again",
	}, strings.Split(err.Error(), "\n"))
	assert.Equal(t, domain.Conflict, domain.CodeOf(err))
	assert.Equal(t, at, h.head(t), "nothing of the file is stored")

	_, err = h.take(t, mapping(t, strings.Replace(longMapping, "2020-02-29", "2020-03-01", 1)), file(head, "2,wife,0,4,,,,"))
	assert.EqualError(t, err, "data.csv:2 column couple: couple 2 is enrolled already")

	// A wife who gave no consent in asem, where the mapping relies on hers.
	_, err = h.take(t, mapping(t, longMapping+"consent: existing\n"), file(head, "9,wife,0,4,,,,"))
	assert.EqualError(t, err, "data.csv:2 column love: there is no consent to questionnaires in role B")

	b, err := Orders(long, file(head, "1,husband,1,3,6,5,4,3"))
	require.NoError(t, err)
	assert.NoError(t, b.Explain(nil))
	lost := errors.New("the line is down")
	assert.Equal(t, lost, b.Explain(lost))
	odd := events.OrderErrors{{Index: 99, Err: &domain.Error{Code: domain.Conflict, Message: "odd"}}, {Index: 0, Err: lost}}
	assert.EqualError(t, b.Explain(odd), "odd\nmap.yaml:1:8: the line is down")
}

// A study made in the meantime refuses the protocol, at its place in the mapping.
func TestAStudyMadeInTheMeantime(t *testing.T) {
	h := newHouse(t)
	b, err := Orders(mapping(t, scoresMapping), file("couple,role,wave,love", "1,h,1,3"))
	require.NoError(t, err)
	_, err = h.take(t, mapping(t, strings.Replace(scoresMapping, "A small study", "Another", 1)), file("couple,role,wave,love", "1,h,1,3"))
	require.NoError(t, err)
	_, err = h.ExecuteAll(t.Context(), b.ID, b.Orders)
	assert.EqualError(t, b.Explain(err), "map.yaml:1:8: study S1 exists already")
}

func TestDiariesIntoAStudy(t *testing.T) {
	h := newHouse(t)
	first := header + "diary: {code: evening, days: 7, column: day}\nrole: {column: role}\nmeasures: [{column: x, instrument: csi-4@2007, item: c01}]\n"
	_, err := h.take(t, mapping(t, first), file("couple,role,day,x", "1,h,1,3", "1,w,1,4"))
	require.NoError(t, err)
	again := "study: S1\ncouple: couple\nenrolled: {date: 2020-02-29}\ndiary: {code: evening, column: day}\nrole: {column: role}\nmeasures: [{column: x, instrument: csi-4@2007, item: c01}]\n"
	r, err := h.take(t, mapping(t, again), file("couple,role,day,x", "1,h,7,3"))
	require.NoError(t, err)
	assert.Equal(t, 1, r.Events, "the burst is used as it is")
	_, err = Extend(h.study(t, "S1"), mapping(t, strings.Replace(first, "days: 7", "days: 9", 1)), file("couple,role,day,x", "1,h,9,3"))
	assert.Equal(t, []string{"map.yaml:11:8: the study has diary evening with other days or hours; leave them out to use it as it is"}, messages(t, err))
}

// Where a diary is counted from what a file cannot tell, days come as dates; a date of the calendar tells the numbers too.
func TestDiariesThatAreNotCountedFromEnrolment(t *testing.T) {
	h := newHouse(t)
	first := header + "diary: {code: evening, days: 7, column: day}\nrole: {column: role}\nmeasures: [{column: x, instrument: csi-4@2007, item: c01}]\n"
	_, err := h.take(t, mapping(t, first), file("couple,role,day,x", "1,h,1,3", "1,w,1,4"))
	require.NoError(t, err)
	from := func(o domain.Origin) {
		p := h.study(t, "S1").Protocol
		p.Version, p.Diaries = p.Version+1, slices.Clone(p.Diaries)
		p.Diaries[0].Origin = o
		_, err := h.Execute(t.Context(), domain.Order{ID: uuid.NewString(), Command: domain.PublishProtocol{Study: "S1", Protocol: p}})
		require.NoError(t, err)
	}
	const rest = "}\nrole: {column: role}\nmeasures: [{column: x, instrument: csi-4@2007, item: c01}]\n"
	numbered, dated := "study: S1\ncouple: couple\nenrolled: {date: 2020-02-29}\ndiary: {code: evening, column: day"+rest, "study: S1\ncouple: couple\nenrolled: {date: 2020-02-29}\ndiary: {code: evening, date: day"+rest

	from(domain.Origin{Anchor: domain.AnchorCalendar, On: domain.NewDate(2021, 1, 4)})
	b, err := Extend(h.study(t, "S1"), mapping(t, numbered), file("couple,role,day,x", "1,h,2,3"))
	require.NoError(t, err)
	assert.Equal(t, domain.NewDate(2021, 1, 5), commands[domain.SubmitDiary](b.Orders)[0].Day)
	_, err = Extend(h.study(t, "S1"), mapping(t, dated), file("couple,role,day,x", "1,h,2021-01-12,3"))
	assert.Equal(t, []string{"data.csv:2 column day: the day is not one of diary evening; for this couple it runs from 2021-01-04 to 2021-01-10"}, messages(t, err))

	from(domain.Origin{Anchor: domain.AnchorSession, Session: 3})
	_, err = Extend(h.study(t, "S1"), mapping(t, numbered), file("couple,role,day,x", "1,h,2,3"))
	assert.Equal(t, []string{"map.yaml:4:32: diary evening begins with a session or with each partner's joining, and the file does not tell when that was; expected a column of dates (key date) instead of the days' numbers"}, messages(t, err))
	r, err := h.take(t, mapping(t, dated), file("couple,role,day,x", "1,h,2021-03-01,3"))
	require.NoError(t, err)
	assert.Equal(t, 1, r.Events, "when the session was is not known yet")
	_, err = h.Execute(t.Context(), domain.Order{ID: uuid.NewString(), Command: domain.HoldSession{Study: "S1", Couple: "1", Number: 3, On: domain.NewDate(2021, 3, 1)}})
	require.NoError(t, err)
	_, err = h.take(t, mapping(t, dated), file("couple,role,day,x", "1,h,2021-03-08,3"))
	assert.ErrorContains(t, err, "2021-03-08 is not a day of diary evening; expected 2021-03-01 to 2021-03-07")
}
