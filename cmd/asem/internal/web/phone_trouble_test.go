package web

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
)

// evening is a study on the evening of the first diary day, when a person whose language is English is signed in on a phone.
func evening(t *testing.T) (*study, *phone) {
	t.Helper()
	t.Parallel()
	s := newStudy(t, func(p *domain.Protocol) { p.Waves = p.Waves[1:]; p.Waves[0].Index = 1; p.Notes = nil })
	s.agreed("A", "B")
	s.clock.set(on(1, 20, 14))
	p := s.phone()
	p.signIn("A")
	return s, p
}

// answerAll gives an answer to every question of the diary that is open, up to the button to send.
func (p *phone) answerAll(value int) {
	p.t.Helper()
	p.wait(`document.getElementById("form")?.classList.contains("stepping")`)
	for {
		shown := p.current()
		if shown == "send" {
			return
		}
		p.tap(fmt.Sprintf(`#questions > :not([hidden]) input[value="%d"]`, value))
		p.wait(fmt.Sprintf(`document.querySelector("#questions > :not([hidden])").id !== %q`, shown))
	}
}

// current is the id of the question that is shown.
func (p *phone) current() string {
	return value[string](p, `document.querySelector("#questions > :not([hidden])").id`)
}

func TestOfflineAtSubmitThenBackOnline(t *testing.T) {
	s, p := evening(t)
	p.wait(`navigator.serviceWorker?.controller`) // it has been here before
	p.tap(diaryLink)
	p.answerAll(4)
	p.offline(true)
	p.tap("button.send")
	p.shows("Saved on this phone")
	p.look("saved-on-phone")
	assert.Empty(t, s.entries("A"))
	_, _, waiting := p.kept()
	assert.Equal(t, 1, waiting)

	// The tab is closed and opened again without a connection: the page of the worker, and the answers are still there.
	p.do(chromedp.Navigate(s.base + "/me"))
	p.shows("This page needs a connection")
	p.look("offline")

	// Back online in the next morning: what counts is when it was filled in.
	s.clock.set(on(2, 9, 0))
	p.offline(false)
	p.open("/me")
	p.wait(`!document.body.innerText.includes("not yet received")`)
	require.Eventually(t, func() bool { return len(s.entries("A")) == 1 }, waitTime, pollTime)
	assert.Equal(t, domain.TimingOnTime, s.entries("A")[0].Timing)
	_, drafts, waiting := p.kept()
	assert.Zero(t, drafts+waiting, "what has arrived is kept no longer")
}

func TestBackOnlineWhileThePageIsOpen(t *testing.T) {
	s, p := evening(t)
	p.tap(diaryLink)
	p.answerAll(4)
	p.offline(true)
	p.tap("button.send")
	p.shows("Saved on this phone")
	p.offline(false)
	p.received()
	assert.Len(t, s.entries("A"), 1)
}

func TestDoubleSubmit(t *testing.T) {
	s, p := evening(t)
	p.tap(diaryLink)
	p.answerAll(4)
	p.script(`const b = document.querySelector("button.send"); b.click(); b.click(); b.click()`)
	p.received()
	assert.Len(t, s.entries("A"), 1)
}

func TestTwoTabs(t *testing.T) {
	s, p := evening(t)
	other := p.tab()
	p.expected = append(p.expected, "409") // the conflict is in the console too
	other.open("/me")
	p.tap(diaryLink)
	p.answerAll(4)
	other.tap(diaryLink)
	other.wait(`document.getElementById("form")?.classList.contains("stepping")`)
	if value[string](other, `document.querySelector("#questions > :not([hidden])").id`) == "send" { // the draft of the other tab is here as well
		other.do(chromedp.Click(chromedp.CSS(".bottom .back")))
	}
	p.tap("button.send")
	p.received()
	s.clock.set(on(1, 20, 20))
	other.script(`for (const i of document.querySelectorAll('input[value="2"]')) i.checked = true; document.getElementById("form").requestSubmit()`)
	other.shows("You sent this before")
	other.shows("20:14")
	other.look("kept")
	require.Len(t, s.entries("A"), 1)
	assert.Equal(t, 4, *s.entries("A")[0].Answers[0].Value)
}

func TestSessionExpiresInMidForm(t *testing.T) {
	s, p := evening(t)
	p.expected = append(p.expected, "401")
	p.tap(diaryLink)
	p.answerAll(4)
	require.NoError(t, s.access.EndSessions(t.Context(), s.person("A")))
	p.tap("button.send")
	p.shows("Your answers are kept on this page")
	p.look("expired")
	p.script(fmt.Sprintf(`document.getElementById("code").value = %q; document.getElementById("pin").value = %q`, s.codes["A"].Code, s.codes["A"].PIN))
	p.tap("form.card button.primary")
	p.received()
	assert.Len(t, s.entries("A"), 1)
	p.open("/me")
	_, _, waiting := p.kept()
	assert.Zero(t, waiting)
}

func TestBackButtonAndDraft(t *testing.T) {
	s, p := evening(t)
	p.tap(diaryLink)
	p.wait(`document.getElementById("form")?.classList.contains("stepping")`)
	for n := 1; n <= 3; n++ {
		p.shows(fmt.Sprintf("Question %d of 7", n))
		p.tap(fmt.Sprintf(`fieldset:not([hidden]) input[value="%d"]`, n))
	}
	p.shows("Question 4 of 7")
	p.do(chromedp.NavigateBack())
	p.shows("Question 3 of 7")
	assert.Equal(t, "3", value[string](p, `document.querySelector("fieldset:not([hidden]) input:checked").value`))
	p.do(chromedp.NavigateBack())
	p.shows("Question 2 of 7")
	p.tap(".bottom .primary")
	p.shows("Question 3 of 7")

	// Closed in the middle and opened again: it goes on where it was.
	p.wait(`document.readyState === "complete"`)
	require.Eventually(t, func() bool { _, drafts, _ := p.kept(); return drafts == 1 }, waitTime, pollTime)
	p.open("/me")
	p.tap(diaryLink)
	p.shows("Your answers from before are still here")
	p.shows("Question 4 of 7")
	p.look("draft")
	p.answerAll(4)
	p.tap("button.send")
	p.received()

	// Nothing of the answers comes back.
	p.do(chromedp.NavigateBack())
	p.wait(`location.pathname === "/me"`)
	assert.Len(t, s.entries("A"), 1)
}

func TestScriptOff(t *testing.T) {
	s, p := evening(t)
	p.expected = append(p.expected, "favicon") // of the page to which leaving leads
	p.do(withoutScript(true), chromedp.Navigate(s.base+"/me"))
	wait := func(selector string) { p.patiently(chromedp.WaitVisible(chromedp.CSS(selector))) }
	wait(diaryLink)
	p.do(chromedp.Click(chromedp.CSS(diaryLink)))
	wait("fieldset:nth-of-type(7)")
	page, err := chromedp.Run(p.ctx, chromedp.OuterHTML(chromedp.CSS("#questions")))
	require.NoError(t, err)
	questions := regexp.MustCompile(`<fieldset class="question" id="([^"]+)"`).FindAllStringSubmatch(page, -1)
	require.Len(t, questions, 7, "all on one page")
	for _, q := range questions {
		p.do(chromedp.Click(chromedp.CSS(`[id="` + q[1] + `"] input[value="6"]`)))
	}
	p.do(chromedp.Click(chromedp.CSS("button.send")))
	wait(".big")
	text, err := chromedp.Run(p.ctx, chromedp.Text(chromedp.CSS("main")))
	require.NoError(t, err)
	assert.Contains(t, text, "Received at 20:14")
	require.Len(t, s.entries("A"), 1)
	assert.Equal(t, 6, *s.entries("A")[0].Answers[3].Value)

	// Leaving at once works as well.
	p.do(chromedp.Click(chromedp.CSS("#exit")))
	require.Eventually(t, func() bool {
		at, err := chromedp.Run(p.ctx, chromedp.Location())
		return err == nil && strings.HasSuffix(at, "/healthz")
	}, waitTime, pollTime)
	p.do(chromedp.Navigate(s.base + "/me"))
	wait("#pin")
}

func TestKeyboardOnly(t *testing.T) {
	s, p := evening(t)
	press := func(keys ...string) {
		for _, k := range keys {
			p.do(chromedp.KeyEvent(k))
		}
	}
	active := func() string { return value[string](p, `document.activeElement.textContent.trim()`) }
	for n := 0; active() != "Start"; n++ {
		require.Less(t, n, 8, "the way to the first form is short")
		press(kb.Tab)
	}
	assert.NotEqual(t, "none", value[string](p, `getComputedStyle(document.activeElement).outlineStyle`), "what has the focus can be seen")
	press(kb.Enter)
	p.wait(`document.getElementById("form")?.classList.contains("stepping")`)
	for n := 1; n <= 7; n++ {
		p.shows(fmt.Sprintf("Question %d of 7", n))
		for i := 0; !value[bool](p, `document.activeElement.type === "radio"`); i++ {
			require.Less(t, i, 8)
			press(kb.Tab)
		}
		press(" ", kb.ArrowRight, kb.ArrowRight) // moving chooses, and does not go on
		assert.Equal(t, "3", value[string](p, `document.activeElement.value`))
		p.shows(fmt.Sprintf("Question %d of 7", n))
		press(kb.Enter)
	}
	p.shows("Ready to send")
	assert.Equal(t, "send", value[string](p, `document.activeElement.id`), "the focus is where the page is")
	for i := 0; active() != "Send"; i++ {
		require.Less(t, i, 6)
		press(kb.Tab)
	}
	press(kb.Enter)
	p.received()
	assert.Len(t, s.entries("A"), 1)
}

func TestLeavingAtOnce(t *testing.T) {
	s, p := evening(t)
	p.expected = append(p.expected, "favicon") // of the page to which it leads
	p.tap(diaryLink)
	p.wait(`document.getElementById("form")?.classList.contains("stepping")`)
	p.tap(`fieldset:not([hidden]) input[value="3"]`)
	p.shows("Question 2 of 7")
	p.tap("#exit")
	p.wait(`location.pathname === "/healthz"`)
	p.do(chromedp.NavigateBack())
	p.wait(`location.pathname !== "/healthz" && document.readyState === "complete"`)
	p.shows("Sign in")
	assert.NotContains(t, p.text(), "Today I")
	p.signIn("A")
	_, drafts, _ := p.kept()
	assert.Zero(t, drafts)
	assert.Empty(t, s.entries("A"))
}

func TestSigningOutClearsThePhone(t *testing.T) {
	s, p := evening(t)
	p.tap(diaryLink)
	p.answerAll(4)
	p.offline(true)
	p.tap("button.send")
	p.shows("Saved on this phone")
	require.NoError(t, s.access.EndSessions(t.Context(), s.person("A"))) // so that it cannot be sent
	p.expected = append(p.expected, "401")
	p.offline(false)

	// The partner uses the same phone: nothing is sent in the name of the partner, and nothing of it is shown.
	p.open("/in")
	p.signIn("B")
	p.wait(`document.getElementById("local")`)
	assert.NotContains(t, p.text(), "saved on this phone")
	assert.Empty(t, s.entries("B"))
	p.open("/me/out")
	assert.NotContains(t, p.text(), "not been received")
	p.tap("#signout button")
	p.shows("You are signed out")
	keys, drafts, waiting := p.kept()
	assert.Equal(t, []int{1, 1, 1}, []int{keys, drafts, waiting}, "what the other person has there stays")

	s.down.Store(false)
	p.signIn("A")
	require.Eventually(t, func() bool { return len(s.entries("A")) == 1 }, waitTime, pollTime, "it is sent as soon as its owner is back")
	p.open("/me/out")
	p.look("out")
	p.tap("#signout button")
	p.shows("You are signed out")
	keys, drafts, waiting = p.kept()
	assert.LessOrEqual(t, keys, 1) // that of the partner, if it was made
	assert.Zero(t, drafts+waiting)
	assert.Empty(t, await[[]string](p, `return (await caches.keys()).filter((n) => n.startsWith("journal-"))`))
}

func TestKeptThingsAreEncrypted(t *testing.T) {
	_, p := evening(t)
	p.hasKept(2)
	p.tap(diaryLink)
	p.answerAll(4)
	p.offline(true)
	p.tap("button.send")
	p.shows("Saved on this phone")
	stored := await[string](p, `const text = (x) => new TextDecoder("latin1").decode(x);
		const kept = [...`+all("queue")+`, ...`+all("drafts")+`, ...`+all("kept")+`];
		const key = (`+all("keys")+`)[0];
		let out = kept.map((k) => text(k.data)).join("");
		return JSON.stringify({ n: kept.length, clear: out.includes("asem-daily") || out.includes("Diary"), extractable: key.extractable, exported: await crypto.subtle.exportKey("raw", key).then(() => true, () => false), local: localStorage.length + sessionStorage.length })`)
	assert.JSONEq(t, `{"n":4,"clear":false,"extractable":false,"exported":false,"local":0}`, stored)
	p.offline(false)
}

func TestFormsOfWhoSitsHereNextAreRefused(t *testing.T) {
	s := newStudy(t)
	s.agreed("A", "B")
	s.clock.set(on(1, 20, 0))
	mine, theirs := s.signedIn("A"), s.signedIn("B")
	for _, f := range mine.get("/me").forms() {
		a := theirs.post("/me/f/"+f, mine.get("/me/f/"+f).filled(url.Values{}))
		assert.Equal(t, 409, a.status)
	}
	assert.Empty(t, s.entries("B"))
}
