package web

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	tab "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
)

// astray is how wrong the clock of the phone is in these tests: the server never asks it what time it is.
const astray = -5 * time.Hour

// stopwatch sets the clock of the phone, and stops it.
func (p *phone) stopwatch(at time.Time) {
	p.t.Helper()
	script := fmt.Sprintf("Date.now = () => %d", at.Add(astray).UnixMilli())
	p.do(call(tab.AddScriptToEvaluateOnNewDocument, tab.AddScriptToEvaluateOnNewDocumentParams{Source: script}))
	p.script(script)
}

// both sets the clocks of the server and of the phone.
func (p *phone) both(at time.Time) {
	p.s.clock.set(at)
	p.stopwatch(at)
}

// goOffline is a phone that has seen the page of today at an instant, kept the forms of that and of the next evening, and lost its connection.
func goOffline(t *testing.T, at time.Time) (*study, *phone) {
	t.Helper()
	s, p := evening(t)
	p.both(at)
	p.open("/me")
	p.keeps()
	p.served("en")
	p.offline(true)
	return s, p
}

// served waits until the worker of a language answers for the server. The page itself may be one from before.
func (p *phone) served(language string) {
	p.t.Helper()
	require.Eventually(p.t, func() bool {
		return await[bool](p, fmt.Sprintf(`const w = (await navigator.serviceWorker.ready).active; return w.state === "activated" && w.scriptURL.endsWith("lang=%s")`, language))
	}, waitTime, pollTime)
}

// keeps lets the page keep the forms that there are now, in place of those from before.
func (p *phone) keeps() {
	p.t.Helper()
	await[bool](p, `await (await import(document.querySelector("script").src.replace("app.js", "kept.js"))).keep(document.body.dataset.owner); return true`)
}

// online gives the connection back, and waits until the page that stands for all without one has given way.
func (p *phone) online() {
	p.t.Helper()
	p.offline(false)
	p.wait(`document.body && document.body.dataset.page !== "offline"`)
}

// hasKept waits until so many forms are kept.
func (p *phone) hasKept(forms int) {
	p.t.Helper()
	require.Eventually(p.t, func() bool { return p.count("kept") == forms }, waitTime, pollTime)
}

// opensKept opens the diary from the page that is shown without a connection, in a page that was not there before.
func (p *phone) opensKept() {
	p.t.Helper()
	p.open("/me")
	p.tap(diaryLink)
	p.wait(`document.getElementById("form")?.classList.contains("stepping")`)
	p.ready()
}

// offered lists the forms that the page offers.
func (p *phone) offered() []string {
	p.t.Helper()
	return value[[]string](p, `[...document.querySelectorAll("section.now")].map((s) => s.innerText.replace(/\n+/g, " | "))`)
}

// begins answers the first questions, and waits until that is kept.
func (p *phone) begins(questions, value int) {
	p.t.Helper()
	for n := 1; n <= questions; n++ {
		p.shows(fmt.Sprintf("Question %d of 7", n))
		p.tap(fmt.Sprintf(`fieldset:not([hidden]) input[value="%d"]`, value))
	}
	p.shows(fmt.Sprintf("Question %d of 7", questions+1))
	require.Eventually(p.t, func() bool {
		return await[int](p, `const { get } = await import(document.querySelector("script").src.replace("app.js", "store.js"));
			return Object.keys((await get("drafts", document.body.dataset.owner, document.getElementById("form").dataset.id))?.answers ?? {}).length`) == p.answered()
	}, waitTime, pollTime)
}

// answered is how many questions have an answer.
func (p *phone) answered() int {
	p.t.Helper()
	return value[int](p, `document.querySelectorAll("#form input:checked").length`)
}

func TestOpenedWithoutAConnection(t *testing.T) {
	axe := axeCore(t)
	s, p := goOffline(t, on(1, 18, 5))
	p.stopwatch(on(1, 20, 5))
	p.do(chromedp.Navigate("about:blank")) // it was closed
	p.open("/me")
	p.shows("No connection. What you answer is saved on this phone and sent later.")
	assert.Equal(t, []string{"Diary | Tuesday 3 March | Open until Wednesday 4 March, 03:00 | Start"}, p.offered(), "that of the next day is not open yet")
	assert.Equal(t, "Journal", value[string](p, `document.title`))
	if axe != "" {
		assert.Empty(t, p.violations(axe))
	}
	assert.Empty(t, value[[]string](p, smallTargets))
	p.look("kept-today")

	p.tap(diaryLink)
	p.wait(`document.getElementById("form")?.classList.contains("stepping")`)
	p.shows("No connection. What you answer is saved on this phone and sent later.")
	if axe != "" {
		assert.Empty(t, p.violations(axe))
	}
	p.look("kept-form")
	p.answerAll(4)
	p.stopwatch(on(1, 20, 8))
	p.tap("button.send")
	p.shows("Saved on this phone")
	p.look("kept-saved")
	p.do(chromedp.Reload())
	p.shows("Saved on this phone")
	p.open("/me")
	p.shows("1 entry is saved on this phone and not yet received.")
	assert.Empty(t, p.offered(), "what waits is not asked again")
	p.look("kept-waiting")
	assert.NotContains(t, s.events(), "form.started")

	// In the next morning the session is long over.
	p.expected = append(p.expected, "401")
	require.NoError(t, s.access.EndSessions(t.Context(), s.person("A")))
	p.both(on(2, 9, 0))
	p.online()
	p.wait(`location.pathname === "/in"`) // by itself
	p.signIn("A")
	require.Eventually(t, func() bool { return len(s.entries("A")) == 1 }, waitTime, pollTime)
	p.shows("1 of 14")
	sent, started := of[domain.DiarySubmitted](s), of[domain.FormStarted](s)
	require.Len(t, sent, 1)
	require.Len(t, started, 1)
	opened, filled := on(1, 20, 5).UTC(), on(1, 20, 8).UTC()
	assert.Equal(t, []time.Time{opened, filled, opened}, []time.Time{sent[0].StartedAt, sent[0].FilledAt, started[0].At})
	assert.Equal(t, domain.TimingOnTime, sent[0].Timing)
	p.hasKept(1) // that of this evening
	assert.Empty(t, await[[]string](p, `const of = []; for (const n of await caches.keys()) for (const r of await (await caches.open(n)).keys()) of.push(new URL(r.url).pathname);
		return of.filter((p) => !p.startsWith("/assets/") && p !== "/me/offline")`), "nothing personal where it is not encrypted")
}

func TestAWindowThatEndsWithoutAConnection(t *testing.T) {
	_, p := goOffline(t, on(1, 18, 5))
	for _, c := range []struct {
		at    time.Time
		shown []string
	}{
		{on(2, 4, 0), []string{"Diary | Tuesday 3 March | Still possible until Wednesday 4 March, 11:00 | Start"}},
		{on(2, 12, 0), []string{}},
		{on(2, 18, 30), []string{"Diary | Wednesday 4 March | Open until Thursday 5 March, 03:00 | Start"}},
		{on(3, 12, 0), []string{}},
	} {
		p.stopwatch(c.at)
		p.open("/me")
		assert.Equal(t, c.shown, p.offered(), c.at)
		if len(c.shown) == 0 {
			p.shows("This page needs a connection")
		}
	}
	p.stopwatch(on(1, 19, 0))
	p.opensKept()
	p.stopwatch(on(2, 12, 0))
	p.do(chromedp.Reload())
	p.shows("This page needs a connection")
}

// What was answered in one session is not shown without a connection to whoever has the phone then.
func TestEarlierAnswersAreNotShownWithoutAConnection(t *testing.T) {
	s, p := evening(t)
	p.both(on(1, 20, 0))
	p.open("/me")
	p.keeps()
	p.served("en")
	p.tap(diaryLink)
	p.wait(`document.getElementById("form")?.classList.contains("stepping")`)
	p.begins(3, 6)
	p.offline(true)

	// The tab was put away and comes back: it is the same opening.
	p.do(chromedp.Reload())
	p.ready()
	p.shows("Question 4 of 7")
	assert.Equal(t, 3, p.answered())

	// Opened anew it is empty, also once something was answered in it, and when that is loaded again.
	p.opensKept()
	assert.Zero(t, p.answered())
	p.begins(1, 2)
	p.do(chromedp.Reload())
	p.ready()
	p.shows("Question 2 of 7")
	assert.Equal(t, 1, p.answered())

	// Half an hour later the same opening is empty as well.
	p.stopwatch(on(1, 20, 31))
	p.do(chromedp.Reload())
	p.ready()
	p.shows("Question 1 of 7")
	assert.Zero(t, p.answered())

	// And so it is once the phone has heard that the session is over.
	p.begins(2, 2)
	require.NoError(t, s.access.EndSessions(t.Context(), s.person("A")))
	p.offline(false)
	other := p.tab()
	other.open("/in")
	require.Eventually(t, func() bool { return await[bool](p, "return ("+all("drafts")+").every((d) => d.ended)") }, waitTime, pollTime)
	p.offline(true)
	p.do(chromedp.Reload())
	p.ready()
	p.shows("Question 1 of 7")
	assert.Zero(t, p.answered())

	// All of it is there for its owner.
	p.offline(false)
	p.signIn("A")
	p.tap(diaryLink)
	p.shows("Your answers from before are still here")
	assert.Equal(t, 3, p.answered())
	assert.Equal(t, []string{"2", "2", "6"}, value[[]string](p, `[...document.querySelectorAll("#form input:checked")].map((i) => i.value)`), "of the same question the last")
}

func TestLeavingWithoutAConnection(t *testing.T) {
	_, p := goOffline(t, on(1, 20, 0))
	p.opensKept()
	p.begins(2, 3)
	p.script(`document.getElementById("exit").click()`)
	p.wait(`location.protocol === "chrome-error:"`) // where it leads there is no connection either
	p.open("/me")
	p.shows("This page needs a connection")
	_, drafts, _ := p.kept()
	assert.Zero(t, drafts+p.count("kept"))
	for range 4 {
		p.script(`history.back()`)
		p.wait(`document.readyState === "complete"`)
		assert.Zero(t, p.answered())
		assert.NotContains(t, p.text(), "Today I")
	}

	// The session ends as soon as the server can be told.
	p.offline(false)
	p.open("/me")
	p.wait(`location.pathname === "/in"`)
	require.Eventually(t, func() bool { return value[bool](p, `document.documentElement.hidden === false`) }, waitTime, pollTime)
	require.Eventually(t, func() bool {
		return await[bool](p, `return (await fetch("/me", { redirect: "manual" })).type === "opaqueredirect"`)
	}, waitTime, pollTime)
}

func TestKeptFormsAreOfOnePerson(t *testing.T) {
	s, p := evening(t)
	p.hasKept(2)
	p.served("en")
	mine := value[string](p, `document.querySelector("a[data-form]").dataset.form`)
	p.expected = append(p.expected, "status of 4")

	// The session of one ends, and the partner signs in on the same phone.
	require.NoError(t, s.access.EndSessions(t.Context(), s.person("A")))
	p.signIn("B")
	p.hasKept(2)
	theirs := value[string](p, `document.querySelector("a[data-form]").dataset.form`)
	p.offline(true)
	p.open("/me/f/" + mine)
	p.shows("This page needs a connection")
	p.open("/me")
	assert.Equal(t, []string{"/me/f/" + theirs}, value[[]string](p, `[...document.querySelectorAll("section.now a")].map((a) => a.pathname)`))

	// Even if the partner has seen no page from which forms are kept.
	p.online()
	p.signIn("A")
	p.hasKept(2)
	p.wait(fmt.Sprintf(`document.querySelector("a[data-form]").dataset.form === %q`, mine))
	require.NoError(t, s.access.EndSessions(t.Context(), s.person("A")))
	p.as(s.signedIn("B"))
	p.open("/me/help")
	p.hasKept(0)

	// Signing out removes them.
	p.open("/me")
	p.hasKept(2)
	p.open("/me/out")
	p.tap("#signout button")
	p.shows("You are signed out")
	p.hasKept(0)
}

func TestKeptFormInTwoTabs(t *testing.T) {
	s, p := goOffline(t, on(1, 20, 0))
	p.expected = append(p.expected, "409")
	p.opensKept()
	other := p.tab()
	other.stopwatch(on(1, 20, 0))
	other.do(call(network.OverrideNetworkState, network.OverrideNetworkStateParams{Offline: true, DownloadThroughput: -1, UploadThroughput: -1}))
	other.opensKept()
	p.answerAll(4)
	p.tap("button.send")
	p.shows("Saved on this phone")
	other.answerAll(2)
	other.tap("button.send")
	other.shows("Saved on this phone")
	_, _, waiting := p.kept()
	assert.Equal(t, 2, waiting)
	p.both(on(1, 20, 30))
	p.offline(false)
	p.wait(`document.body?.dataset.page === "sent"`)
	p.ready()
	_, _, waiting = p.kept()
	assert.Zero(t, waiting)
	assert.Len(t, s.entries("A"), 1, "one of them counts")
	assert.Len(t, of[domain.DiarySubmitted](s), 1)
}

func TestSentFromAnotherPhoneMeanwhile(t *testing.T) {
	s, p := goOffline(t, on(1, 20, 0))
	p.expected = append(p.expected, "409")
	p.opensKept()
	p.answerAll(4)
	p.tap("button.send")
	p.shows("Saved on this phone")
	p.open("/me")

	s.down.Store(false)
	other := s.signedIn("A")
	diary := other.get("/me").forms()[0]
	other.post("/me/f/"+diary, other.get("/me/f/"+diary).filled(nil))
	p.offline(false)
	p.shows("One entry could not be taken")
	require.Len(t, s.entries("A"), 1)
	assert.Equal(t, 1, *s.entries("A")[0].Answers[0].Value, "what came first")
	p.hasKept(1)
}

// What needs a private moment is not on the phone at all.
func TestAWaveWithoutAConnection(t *testing.T) {
	t.Parallel()
	s := newStudy(t)
	s.agreed("A")
	p := s.phone()
	p.signIn("A")
	p.hasKept(1)
	p.served("en")
	p.offline(true)
	p.open("/me")
	assert.Equal(t, []string{"Questionnaire | Part 1 of 3 | Open through Thursday 12 March | Start"}, p.offered())
	p.tap(diaryLink)
	p.answerAll(5)
	p.tap("button.send")
	p.shows("Saved on this phone")
	p.tap("#state + a")
	p.shows("1 entry is saved on this phone")
	assert.Empty(t, p.offered())
	p.offline(false)
	p.shows("Part 2 of 3")
	assert.Len(t, s.entries("A"), 1)
	p.tap(diaryLink)
	p.shows("Is this a good moment?")
}

func TestHebrewAndGermanWithoutAConnection(t *testing.T) {
	axe := axeCore(t)
	s, p := evening(t)
	p.served("en")
	for _, c := range []struct{ tag, dir, says string }{{"he", "rtl", "אין חיבור"}, {"de", "ltr", "Keine Verbindung"}} {
		s.do(domain.ChooseLanguage{Study: "S", Couple: "C1", Role: "A", Language: c.tag})
		p.open("/me")
		p.keeps()
		p.served(c.tag)
		p.offline(true)
		p.open("/me")
		p.shows(c.says)
		assert.Equal(t, c.dir, value[string](p, "document.documentElement.dir"))
		assert.LessOrEqual(t, value[float64](p, runsOff), 0.0)
		if axe != "" {
			assert.Empty(t, p.violations(axe))
		}
		p.look(c.tag + "-kept-today")
		p.tap(diaryLink)
		p.wait(`document.getElementById("form")?.classList.contains("stepping")`)
		assert.Equal(t, []string{c.tag, c.dir}, value[[]string](p, "[document.documentElement.lang, document.documentElement.dir]"))
		assert.LessOrEqual(t, value[float64](p, runsOff), 0.0)
		p.look(c.tag + "-kept-form")
		p.do(chromedp.EmulateViewport(180, 370))
		assert.LessOrEqual(t, value[float64](p, runsOff), 0.0)
		p.do(chromedp.EmulateViewport(360, 740))
		p.online()
	}
}
