package prompting

import (
	"context"
	"fmt"
	"net/mail"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"asem/domain"
	"asem/events"
)

var sender = mail.Address{Name: "Journal", Address: "journal@example.org"}

// Whatever clocks, zones, people, servers and crashes do: each reminder is handed over once unless it was certainly not taken, only while what it is about
// can be answered and was not, never at night, and never after a withdrawal.
func TestRemindersAreSentOnceInTheirWindowAndNeverAfterAWithdrawal(t *testing.T) {
	l := newLab(t)
	run, sent, again := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		study := fmt.Sprintf("S%d", run)
		enrolled := drawEnrolment(t)
		l.clock.hurry = false
		l.clock.set(enrolled.Start(time.UTC).Add(-20 * time.Hour))
		l.study(t, study, drawProtocol(t))
		l.couple(t, study, "1", enrolled, rapid.SampledFrom(zones).Draw(t, "zone"), rapid.SampledFrom(zones).Draw(t, "zone"))
		l.clock.hurry = true // waiting in the midst of a letter takes no time

		taken := map[string]Outcome{}
		box := &tray{clock: l.clock}
		box.open = func() error {
			if rapid.IntRange(0, 5).Draw(t, "open") == 0 {
				return errGone
			}
			return nil
		}
		box.send = func(letter Letter) Result {
			now := l.clock.Now()
			past := l.past(t, study, "1")
			who, ok := past.Couple.Participant(letter.To.Role)
			require.True(t, ok, "nobody is there any more")
			var prompt domain.Prompt
			for _, p := range past.Couple.Prompts(letter.To.Role) {
				if p.Code == letter.ID {
					prompt = p
				}
			}
			require.False(t, prompt.Sent.IsZero(), "handed over before it was recorded")
			last, before := taken[letter.ID]
			require.False(t, before && last != NotNow, "handed over again although it was %s", last)
			if before {
				again++
			}
			o := offerOf(past, letter.To.Role, prompt.Occasion)
			require.True(t, o.Asked && !o.Done && !o.Missed && !now.Before(o.Window.Opens) && now.Before(o.Window.Ends), "%v at %s", o, now)
			zone := who.ZoneAt(now)
			require.True(t, decent(o, now, zone), "at %s", now.In(zone))
			y, m, d := now.In(zone).Date()
			today := domain.NewDate(y, m, d)
			for _, day := range []domain.Date{who.WithdrawnOn, who.SeparatedOn, past.Couple.SeparatedOn} {
				require.True(t, day.IsZero() || today.Before(day), "on %s after leaving on %s", today, day)
			}
			scope := domain.ScopeQuestionnaires
			if prompt.Occasion.Burst != "" {
				scope = domain.ScopeDiary
			}
			require.Contains(t, who.Consents, scope)
			require.Equal(t, who.Email, letter.To.Email)
			taken[letter.ID] = Outcome(rapid.SampledFrom([]int{0, 0, 0, 0, 1, 2, 2, 3}).Draw(t, "outcome"))
			sent++
			return Result{Outcome: taken[letter.ID], Stage: "answer"}
		}

		s := l.scheduler(box)
		s.Conversations = 1
		at, err := s.Checkpoint(context.Background())
		require.NoError(t, err)
		end := l.clock.Now().AddDate(0, 0, 45)
		for steps := 0; l.clock.Now().Before(end) && steps < 120; steps++ {
			at = l.follow(t, s, at)
			settleDown(t, s)
			s.mu.Lock()
			_, next, ok := s.queue.first()
			s.mu.Unlock()
			if !ok {
				break
			}
			now := l.clock.Now()
			r := domain.Role(rapid.SampledFrom([]string{"A", "B"}).Draw(t, "role"))
			switch rapid.IntRange(0, 40).Draw(t, "what") {
			case 0, 1, 2: // nobody runs the program for a while
				next = now.Add(time.Duration(rapid.IntRange(1, 96*60).Draw(t, "outage")) * time.Minute)
			case 3, 4: // it is started anew
				s = l.scheduler(box)
				at, err = s.Checkpoint(context.Background())
				require.NoError(t, err)
			case 5, 6, 7, 8, 9, 10:
				for _, o := range l.past(t, study, "1").Agenda(r) {
					if o.Open(now) {
						_ = l.try(answer(study, "1", r, o.Occasion, now))
					}
				}
			case 11, 12:
				_ = l.try(domain.MoveParticipant{Study: study, Couple: "1", Role: r, Zone: rapid.SampledFrom(zones).Draw(t, "to"), At: now})
			case 13:
				_ = l.try(domain.WithdrawConsent{Study: study, Couple: "1", Role: r, Scope: domain.ScopeDiary})
			case 14, 15:
				_ = l.try(domain.GiveConsent{Study: study, Couple: "1", Role: r, Scope: domain.ScopeDiary, Version: "1", At: now})
			case 16:
				_ = l.try(domain.ChangeContact{Study: study, Couple: "1", Role: r, Email: rapid.SampledFrom([]string{"", "new@example.org"}).Draw(t, "address")})
			case 17:
				y, m, d := now.Date()
				_ = l.try(domain.WithdrawParticipant{Study: study, Couple: "1", Role: r, On: domain.NewDate(y, m, d).AddDays(rapid.IntRange(0, 3).Draw(t, "in"))})
			case 18:
				_ = l.try(domain.EraseParticipant{Study: study, Couple: "1", Role: r})
			case 19:
				y, m, d := now.Date()
				_ = l.try(domain.ReportSeparation{Study: study, Couple: "1", Role: r, On: domain.NewDate(y, m, d)})
			case 20: // clocks are set back by a little
				next = now.Add(-time.Duration(rapid.IntRange(1, 30).Draw(t, "back")) * time.Minute)
			}
			l.clock.set(next)
		}
		// The ledger tells the end of everything that was handed over.
		for _, r := range []domain.Role{"A", "B"} {
			for _, p := range l.past(t, study, "1").Couple.Prompts(r) {
				if last, ok := taken[p.Code]; ok {
					want := map[Outcome][]string{Accepted: {""}, Refused: {domain.PromptRefused}, NotNow: {domain.PromptUnreached, domain.PromptNotNeeded}, Uncertain: {domain.PromptUncertain}}[last]
					require.Contains(t, want, p.Reason)
					require.Equal(t, last == Accepted, !p.Accepted.IsZero())
				} else {
					require.True(t, p.Accepted.IsZero())
				}
			}
		}
	})
	assert.Greater(t, sent, 50, "otherwise this tried nothing")
	assert.Positive(t, again)
}

var monday = domain.NewDate(2026, time.May, 4)

// mondayLab is a study whose couples were enrolled on Monday, at eight in the morning of it; all live by UTC.
func mondayLab(t *testing.T, couples int, reminders ...domain.Reminder) *lab {
	t.Helper()
	l := newLab(t)
	l.clock.set(monday.At(8, time.UTC))
	l.study(t, "S", twoWaves(reminders...))
	for i := range couples {
		l.couple(t, "S", fmt.Sprint(i+1), monday, "Etc/UTC", "Etc/UTC")
	}
	return l
}

// begun is a scheduler that has begun and has nothing more to do now.
func begun(t *testing.T, l *lab, channels ...Channel) *Scheduler {
	t.Helper()
	s := l.scheduler(channels...)
	_, err := s.Checkpoint(t.Context())
	require.NoError(t, err)
	settleDown(t, s)
	return s
}

// until lets time pass up to a moment, and everything be done when it is due.
func (l *lab) until(t *testing.T, end time.Time, s *Scheduler) {
	t.Helper()
	for {
		settleDown(t, s)
		s.mu.Lock()
		_, next, ok := s.queue.first()
		s.mu.Unlock()
		if !ok || next.After(end) {
			l.clock.set(end)
			settleDown(t, s)
			return
		}
		l.clock.set(next)
	}
}

func reasons(l *lab, t *testing.T, couple string, r domain.Role) (list []string) {
	t.Helper()
	prompts := l.past(t, "S", couple).Couple.Prompts(r)
	slices.SortFunc(prompts, func(a, b domain.Prompt) int { return a.At.Compare(b.At) })
	for _, p := range prompts {
		switch {
		case !p.Accepted.IsZero():
			list = append(list, "accepted")
		case !p.Failed.IsZero():
			list = append(list, p.Reason)
		case !p.Sent.IsZero():
			list = append(list, "sent")
		default:
			list = append(list, "scheduled")
		}
	}
	return list
}

func TestReminderOfAWaveAndADiaryGoThroughTheLedger(t *testing.T) {
	l := mondayLab(t, 1, someReminders...)
	box := &tray{clock: l.clock}
	s := begun(t, l, box)
	l.until(t, monday.At(24*3, time.UTC), s)
	// Until Wednesday night: the wave on Tuesday, and two for the diary days of Tuesday and Wednesday.
	assert.Equal(t, []string{"accepted", "accepted", "accepted", "accepted", "accepted", "scheduled"}, append(reasons(l, t, "1", "A")[:5:5], "scheduled"))
	assert.Len(t, box.taken(), 10)
	l.do(t, answer("S", "1", "A", domain.Occasion{Burst: "d", Day: monday.AddDays(3)}, monday.At(3*24+19, time.UTC)))
	l.until(t, monday.At(24*4, time.UTC), s)
	assert.Equal(t, []string{domain.PromptNotNeeded, domain.PromptNotNeeded}, reasons(l, t, "1", "A")[5:7], "A has answered")
	assert.Equal(t, []string{"accepted", "accepted"}, reasons(l, t, "1", "B")[5:7])
	for _, b := range box.taken() {
		assert.Equal(t, "https://journal.example.org", b.Link)
	}
}

// What ended without an answer is closed, for each alone; whoever agreed only later was not asked.
func TestWhatEndedIsClosed(t *testing.T) {
	l := mondayLab(t, 1)
	l.do(t, domain.EnrolCouple{Study: "S", Couple: "late", EnrolledOn: monday, Participants: []domain.NewParticipant{{Role: "A", Code: "la"}, {Role: "B", Code: "lb"}}})
	s := begun(t, l)
	l.do(t, answer("S", "1", "A", domain.Occasion{Wave: 1}, monday.At(12, time.UTC)), answer("S", "1", "B", domain.Occasion{Burst: "d", Day: monday.AddDays(2)}, monday.At(2*24+20, time.UTC)))
	l.until(t, monday.AddDays(10).At(1, time.UTC), s)
	l.do(t, domain.GiveConsent{Study: "S", Couple: "late", Role: "A", Scope: domain.ScopeQuestionnaires, Version: "1", At: l.clock.Now()})
	s.touch(Couple{"S", "late"})
	l.until(t, monday.AddDays(20).At(0, time.UTC), s)
	missed := func(couple string, r domain.Role) (waves, days int) {
		for _, o := range l.past(t, "S", couple).Agenda(r) {
			if o.Missed && o.Wave > 0 {
				waves++
			} else if o.Missed {
				days++
			}
		}
		return waves, days
	}
	for _, c := range []struct {
		couple      string
		role        domain.Role
		waves, days int
	}{{"1", "A", 0, 7}, {"1", "B", 1, 6}, {"late", "A", 0, 0}, {"late", "B", 0, 0}} {
		waves, days := missed(c.couple, c.role)
		assert.Equal(t, []int{c.waves, c.days}, []int{waves, days}, "%s %s", c.couple, c.role)
	}
	before := l.count(t, "diary.missed")
	begun(t, l)
	assert.Equal(t, before, l.count(t, "diary.missed"), "once is enough")
	assert.Zero(t, l.count(t, "prompt.scheduled"), "where nothing can be sent nothing is planned")
}

// After days without the program nobody is flooded: what is too late is not sent, and of what is not, only the last about each thing.
func TestNoFloodAfterAnOutage(t *testing.T) {
	l := mondayLab(t, 3, domain.Reminder{Diary: "d", AfterHours: 1}, domain.Reminder{Diary: "d", AfterHours: 2})
	box := &tray{clock: l.clock}
	s := begun(t, l, box)
	l.until(t, monday.At(24+10, time.UTC), s) // those of Tuesday stand in the ledger
	assert.Equal(t, 12, l.count(t, "prompt.scheduled"))
	l.clock.set(monday.AddDays(4).At(20, time.UTC).Add(10 * time.Minute))
	s = begun(t, l, box)
	assert.Equal(t, []string{domain.PromptOverdue, domain.PromptOverdue, "accepted"}, reasons(l, t, "1", "A")[:3])
	assert.Len(t, box.taken(), 6, "one for each person: the one of ten minutes ago")
	l.clock.set(monday.AddDays(5).At(20, time.UTC).Add(61 * time.Minute))
	begun(t, l, box)
	assert.Len(t, box.taken(), 6, "an hour later nothing is made up for")

	// Two that are less than an hour apart, both still in time: only the last goes out.
	l = mondayLab(t, 1, domain.Reminder{Waves: true, AfterDays: 1, Hour: 12, Jitter: 0}, domain.Reminder{Waves: true, AfterDays: 1, Hour: 12, Jitter: 0, AfterHours: 1})
	box = &tray{clock: l.clock}
	s = begun(t, l, box)
	l.until(t, monday.At(24, time.UTC), s)
	l.clock.set(monday.At(36, time.UTC))
	settleDown(t, s)
	assert.Len(t, box.taken(), 2)
	assert.Equal(t, 2, l.count(t, "prompt.failed"))
}

// A crash between claim and letter, or in the midst of one, loses the letter and never sends it twice; the ledger says that nobody knows.
func TestACrashAfterTheClaimNeverSendsTwice(t *testing.T) {
	l := mondayLab(t, 1, domain.Reminder{Waves: true, AfterDays: 1, Hour: 12})
	box := &tray{clock: l.clock}
	stuck := make(chan struct{})
	reached := make(chan struct{}, 2)
	box.send = func(Letter) Result { // the process is gone while it talks
		reached <- struct{}{}
		<-stuck
		return Result{Outcome: Uncertain}
	}
	dead := begun(t, l, box)
	l.clock.set(monday.At(36, time.UTC))
	for {
		c, wait := dead.next()
		if wait > 0 {
			break
		}
		require.NoError(t, dead.attend(t.Context(), c))
	}
	<-reached
	require.Equal(t, 2, l.count(t, "prompt.sent"))

	second := &tray{clock: l.clock}
	s := begun(t, l, second)
	assert.Equal(t, []string{"sent"}, reasons(l, t, "1", "A"), "another may still be at it")
	l.until(t, monday.At(36, time.UTC).Add(doubt), s)
	assert.Empty(t, second.taken())
	assert.Equal(t, []string{domain.PromptUncertain}, reasons(l, t, "1", "A"))
	l.until(t, monday.AddDays(12).At(0, time.UTC), s)
	assert.Empty(t, second.taken())
	close(stuck)
	dead.done.Wait()
	assert.Equal(t, []string{domain.PromptUncertain}, reasons(l, t, "1", "A"), "what is settled stays so")
	assert.Zero(t, l.count(t, "prompt.accepted"))
}

// Two replicas that both take themselves for the leader send everything once between them.
func TestTwoReplicasSendOnce(t *testing.T) {
	const couples = 12
	l := mondayLab(t, couples, domain.Reminder{Waves: true, AfterDays: 1, Hour: 12}, domain.Reminder{Diary: "d", AfterHours: 1})
	boxes := []*tray{{clock: l.clock}, {clock: l.clock}}
	var running sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	begin := func(box *tray) *Scheduler {
		s := l.scheduler(box)
		s.limit.SetLimit(1e9)
		_, err := s.Checkpoint(ctx)
		require.NoError(t, err)
		running.Go(func() { s.Run(ctx) })
		return s
	}
	both := []*Scheduler{begin(boxes[0]), begin(boxes[1])}
	for _, hour := range []int{35, 36, 43} {
		l.clock.set(monday.At(hour, time.UTC))
		for _, s := range both {
			s.wake()
		}
		require.Eventually(t, func() bool {
			a, b := both[0].State(), both[1].State()
			return a.Due+a.UnderWay+b.Due+b.UnderWay == 0
		}, 20*time.Second, 20*time.Millisecond)
		time.Sleep(50 * time.Millisecond) // whoever was between two steps
	}
	require.Eventually(t, func() bool { return l.count(t, "prompt.accepted") == 4*couples }, 20*time.Second, 50*time.Millisecond)
	stop()
	running.Wait()
	seen := map[string]int{}
	for _, box := range boxes {
		for _, letter := range box.taken() {
			seen[letter.ID]++
		}
	}
	assert.Len(t, seen, 4*couples)
	for id, n := range seen {
		assert.Equal(t, 1, n, id)
	}
	assert.Equal(t, 4*couples, l.count(t, "prompt.sent"))
}

// lateLog lets something happen right after a reminder was claimed.
type lateLog struct {
	events.Log
	after func()
}

func (l *lateLog) Append(ctx context.Context, a events.Append) (events.Receipt, error) {
	r, err := l.Log.Append(ctx, a)
	for _, w := range a.Writes {
		for _, e := range w.Events {
			if e.Type == "prompt.sent" && l.after != nil {
				l.after()
			}
		}
	}
	return r, err
}

// Whoever leaves or answers between the claim and the letter gets none.
func TestTheLetterIsNotSentToWhoeverHasJustLeftOrAnswered(t *testing.T) {
	now := monday.At(36, time.UTC)
	for name, c := range map[string]struct {
		just domain.Command
		sent int
	}{
		"withdrew":                         {domain.WithdrawParticipant{Study: "S", Couple: "1", Role: "A", On: monday.AddDays(1)}, 0},
		"withdrew consent":                 {domain.WithdrawConsent{Study: "S", Couple: "1", Role: "A", Scope: domain.ScopeQuestionnaires}, 0},
		"separated":                        {domain.ReportSeparation{Study: "S", Couple: "1", Role: "A", On: monday}, 0},
		"answered":                         {answer("S", "1", "A", domain.Occasion{Wave: 1}, now), 0},
		"was erased":                       {domain.EraseParticipant{Study: "S", Couple: "1", Role: "A"}, 0},
		"took the address out":             {domain.ChangeContact{Study: "S", Couple: "1", Role: "A"}, 0},
		"and the partner withdrew":         {domain.WithdrawParticipant{Study: "S", Couple: "1", Role: "B", On: monday.AddDays(1)}, 1},
		"and the partner was erased":       {domain.EraseParticipant{Study: "S", Couple: "1", Role: "B"}, 1},
		"and the partner said it was over": {domain.ReportSeparation{Study: "S", Couple: "1", Role: "B", On: monday}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			l := mondayLab(t, 1, domain.Reminder{Waves: true, AfterDays: 1, Hour: 12})
			l.do(t, domain.ChangeContact{Study: "S", Couple: "1", Role: "B"})
			box := &tray{clock: l.clock}
			s := l.scheduler(box)
			once := sync.Once{}
			s.Exec = events.NewExecutor(&lateLog{l.log, func() { once.Do(func() { l.do(t, c.just) }) }})
			_, err := s.Checkpoint(t.Context())
			require.NoError(t, err)
			settleDown(t, s)
			l.clock.set(now)
			settleDown(t, s)
			assert.Len(t, box.taken(), c.sent)
			assert.Equal(t, 1, l.count(t, "prompt.sent"))
			if c.sent == 0 && name != "was erased" {
				assert.Equal(t, []string{domain.PromptNotNeeded}, reasons(l, t, "1", "A"))
			}
			l.until(t, monday.AddDays(12).At(0, time.UTC), s)
			assert.Len(t, box.taken(), c.sent)
		})
	}
}

// What a person gets, and when, is the same whatever the partner does and however the partner's mail fares.
func TestWhatAPersonGetsTellsNothingOfThePartner(t *testing.T) {
	type got struct {
		letter Letter
		at     time.Time
	}
	run := func(t *testing.T, partner ...domain.Command) (list []got) {
		l := mondayLab(t, 1, someReminders...)
		box := &tray{clock: l.clock}
		s := begun(t, l, box)
		trouble := false
		for _, c := range partner {
			if c == nil {
				trouble = true
				continue
			}
			l.do(t, c)
		}
		box.send = func(letter Letter) Result {
			if trouble && letter.To.Role == "B" {
				return Result{NotNow, "recipient", 450}
			}
			return Result{Accepted, "answer", 250}
		}
		l.until(t, monday.AddDays(3).At(0, time.UTC), s)
		for i, letter := range box.taken() {
			if letter.To.Role == "A" {
				list = append(list, got{letter, box.at[i]})
			}
		}
		return list
	}
	alone := run(t)
	require.Len(t, alone, 5)
	at := monday.At(30, time.UTC)
	for name, partner := range map[string][]domain.Command{
		"answers":         {answer("S", "1", "B", domain.Occasion{Wave: 1}, at)},
		"withdraws":       {domain.WithdrawParticipant{Study: "S", Couple: "1", Role: "B", On: monday}},
		"is erased":       {domain.EraseParticipant{Study: "S", Couple: "1", Role: "B"}},
		"moves":           {domain.MoveParticipant{Study: "S", Couple: "1", Role: "B", Zone: "Asia/Tokyo", At: at}},
		"has no address":  {domain.ChangeContact{Study: "S", Couple: "1", Role: "B"}},
		"other language":  {domain.ChooseLanguage{Study: "S", Couple: "1", Role: "B", Language: "he"}},
		"says it is over": {domain.ReportSeparation{Study: "S", Couple: "1", Role: "B", On: monday}},
	} {
		assert.Equal(t, alone, run(t, partner...), name)
	}
}

func TestLettersAreSpreadOverMinutes(t *testing.T) {
	l := mondayLab(t, 20, domain.Reminder{Waves: true, AfterDays: 1, Hour: 12})
	box := &tray{clock: l.clock}
	s := l.scheduler(box)
	s = New(func() Config { c := s.Config; c.PerMinute = 12; return c }())
	_, err := s.Checkpoint(t.Context())
	require.NoError(t, err)
	settleDown(t, s)
	l.clock.set(monday.At(36, time.UTC))
	l.clock.hurry = true
	settleDown(t, s)
	require.Len(t, box.taken(), 40)
	took := slices.MaxFunc(box.at, time.Time.Compare).Sub(monday.At(36, time.UTC))
	assert.GreaterOrEqual(t, took, 39*5*time.Second, "twelve a minute")
}

// A server that is away burns no reminder: they wait, and go out when it is there again in time.
func TestReminderWaitsForAServerThatIsAway(t *testing.T) {
	l := mondayLab(t, 2, domain.Reminder{Waves: true, AfterDays: 1, Hour: 12})
	away := true
	box := &tray{clock: l.clock, open: func() error {
		if away {
			return errGone
		}
		return nil
	}}
	s := begun(t, l, box)
	l.until(t, monday.At(36, time.UTC).Add(40*time.Minute), s)
	assert.True(t, s.State().Channels[0].Away)
	assert.Zero(t, l.count(t, "prompt.sent"))
	away = false
	l.until(t, monday.At(36, time.UTC).Add(41*time.Minute), s)
	assert.False(t, s.State().Channels[0].Away)
	assert.Equal(t, 4, l.count(t, "prompt.accepted"))

	l = mondayLab(t, 1, domain.Reminder{Waves: true, AfterDays: 1, Hour: 12})
	away, box.clock = true, l.clock
	s = begun(t, l, box)
	l.until(t, monday.At(38, time.UTC), s)
	assert.Equal(t, []string{domain.PromptUnreached}, reasons(l, t, "1", "A"))
}

func TestWithoutAnAddressTheLedgerSaysSo(t *testing.T) {
	l := mondayLab(t, 1, domain.Reminder{Waves: true, AfterDays: 1, Hour: 12})
	l.do(t, domain.ChangeContact{Study: "S", Couple: "1", Role: "A"})
	s := begun(t, l, &tray{clock: l.clock})
	l.until(t, monday.At(40, time.UTC), s)
	assert.Equal(t, []string{domain.PromptNoAddress}, reasons(l, t, "1", "A"))
	assert.Equal(t, []string{"accepted"}, reasons(l, t, "1", "B"))
}

// A reminder that a new version of the protocol has no more is not sent, and one that it brings forward is.
func TestTheProtocolInForceCounts(t *testing.T) {
	l := mondayLab(t, 1, domain.Reminder{Waves: true, AfterDays: 1, Hour: 12}, domain.Reminder{Waves: true, AfterDays: 1, Hour: 20})
	box := &tray{clock: l.clock}
	s := begun(t, l, box)
	at, err := l.log.Head(t.Context())
	require.NoError(t, err)
	l.until(t, monday.At(30, time.UTC), s)
	next := twoWaves(domain.Reminder{Waves: true, AfterDays: 1, Hour: 14})
	next.Version = 2
	l.do(t, domain.PublishProtocol{Study: "S", Protocol: next})
	l.follow(t, s, at)
	l.until(t, monday.At(47, time.UTC), s)
	assert.Equal(t, []string{domain.PromptNotNeeded, "accepted", domain.PromptNotNeeded}, reasons(l, t, "1", "A"))
	for _, at := range box.at {
		assert.Equal(t, 14, at.Hour())
	}
}

// The link in a letter is the person's own; without one the letter leads to the page.
func TestLinks(t *testing.T) {
	l := mondayLab(t, 1, domain.Reminder{Waves: true, AfterDays: 1, Hour: 12})
	box := &tray{clock: l.clock}
	s := begun(t, l, box)
	s.Linker = links(func(to Participant, prompt string) (string, error) {
		if to.Role == "B" {
			return "", errGone
		}
		return "https://journal.example.org/in/" + to.Study + to.Couple + string(to.Role) + prompt, nil
	})
	l.until(t, monday.At(37, time.UTC), s)
	for _, letter := range box.taken() {
		want := "https://journal.example.org"
		if letter.To.Role == "A" {
			want += "/in/S1A" + letter.ID
		}
		assert.Equal(t, want, letter.Link)
		assert.Contains(t, letter.Text, "\n"+want+"\n")
	}
	assert.Len(t, box.taken(), 2)
}

func TestIdentitiesOfSites(t *testing.T) {
	north := Identity{From: mail.Address{Address: "north@example.org"}, Name: "North", Subject: map[string]string{"en": "Hello from us"}}
	ids := Identities{Default: Identity{From: sender}, Of: map[string]Identity{"S/north": north, "T": {Name: "T lab"}}}
	assert.Equal(t, north, ids.For("S", "north"))
	assert.Equal(t, ids.Default, ids.For("S", "south"))
	assert.Equal(t, Identity{From: sender, Name: "T lab"}, ids.For("T", ""), "what is not said is as for everybody")

	l := newLab(t)
	l.clock.set(monday.At(8, time.UTC))
	p := twoWaves(domain.Reminder{Waves: true, AfterDays: 1, Hour: 12})
	p.Sites = []domain.Site{{Code: "south", Title: "South"}, {Code: "north", Title: "North"}}
	l.study(t, "S", p)
	l.do(t, domain.EnrolCouple{Study: "S", Couple: "1", Site: "north", EnrolledOn: monday, Participants: []domain.NewParticipant{{Role: "A", Code: "a"}, {Role: "B", Code: "b"}}},
		domain.GiveConsent{Study: "S", Couple: "1", Role: "A", Scope: domain.ScopeQuestionnaires, Version: "1"}, domain.ChangeContact{Study: "S", Couple: "1", Role: "A", Email: "a@example.org"})
	box := &tray{clock: l.clock}
	s := begun(t, l, box)
	s.From = ids
	l.until(t, monday.At(37, time.UTC), s)
	require.Len(t, box.taken(), 1)
	assert.Equal(t, north, box.taken()[0].From)
	assert.Equal(t, "Hello from us", box.taken()[0].Subject)
}
