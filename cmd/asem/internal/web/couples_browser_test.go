package web

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"

	"asem/domain"
)

// Every page of those who look after couples can be used on a phone and by everybody, and with the keyboard alone.
func TestEveryPageOfCoordinatorsAndClinicians(t *testing.T) {
	axe := axeCore(t)
	s := newStudy(t, func(p *domain.Protocol) {
		p.ChangeEvents = []domain.ChangeEvent{{Code: "softening", Title: "Softening", Source: "coded"}}
	})
	s.agreed("A", "B")
	harm := 2
	s.do(domain.SubmitQuestionnaire{Study: "S", Couple: "C1", Role: "A", Wave: 1, Instrument: domain.InstrumentRef{Code: "kinds", Version: "1"}, Answers: []domain.Answer{{Item: "k_harm", Value: &harm}}, FilledAt: s.clock.now()},
		domain.WriteNote{Study: "S", Couple: "C1", Role: "A", Occasion: domain.Occasion{Wave: 1}, Prompt: "words", Text: "A few words of my own.\nAnd some more.", WrittenAt: s.clock.now()},
		domain.SchedulePrompt{Study: "S", Couple: "C1", Role: "B", Prompt: "p1", Occasion: domain.Occasion{Wave: 1}, Channel: "email", At: s.clock.now()},
		domain.SendPrompt{Study: "S", Couple: "C1", Role: "B", Prompt: "p1", At: s.clock.now()},
		domain.SettlePrompt{Study: "S", Couple: "C1", Role: "B", Prompt: "p1", At: s.clock.now(), Reason: domain.PromptRefused})
	s.do(domain.HoldSession{Study: "S", Couple: "C1", Number: 1, On: enrolled.AddDays(1)})
	for _, code := range []string{"002", "003", "004"} {
		s.do(domain.EnrolCouple{Study: "S", Couple: code, EnrolledOn: enrolled, Participants: []domain.NewParticipant{{Role: "A", Code: code + "a"}, {Role: "B", Code: code + "b"}}})
	}
	s.clock.set(on(2, 20, 0))
	p := s.phone()
	open := func(path string) {
		t.Helper()
		p.patiently(chromedp.Navigate(s.base + path))
	}
	look := func(name string) {
		t.Helper()
		p.wait(`document.readyState === "complete"`) // with its styles
		assert.Empty(t, value[[]string](p, smallStaffTargets), name)
		assert.LessOrEqual(t, value[float64](p, runsOff), 0.0, "%s runs off the side", name)
		if axe != "" {
			assert.Empty(t, p.violations(axe), name)
		}
		p.look("staff-" + name)
	}
	p.as(s.member("ana", domain.ActorCoordinator))
	for _, page := range []struct{ name, path string }{{"couples", "/couples"}, {"couples-due", "/couples?show=due"}, {"enrol", "/enrol"}, {"invitations", "/invitations"}} {
		open(s.staffPath(page.path))
		look(page.name)
	}
	open(s.staffPath("/couples"))
	p.tap(`tbody a`)
	p.wait(`document.querySelectorAll("details").length > 5`)
	look("couple")
	p.script(`document.querySelectorAll("details").forEach((d) => { d.open = true })`)
	look("couple-open")
	open(s.staffPath("/enrol"))
	p.do(chromedp.Focus("#code")) // and on with the keyboard alone
	for range 30 {
		if value[string](p, `document.activeElement.textContent`) == "Enrol and make letters" {
			break
		}
		p.do(chromedp.KeyEvent("\t"))
	}
	p.do(chromedp.KeyEvent("\r"))
	p.wait(`document.querySelectorAll(".letter").length === 2`)
	look("letters")
	open(s.staffPath("/nothing-here"))
	look("missing")

	p.as(s.member("cleo", domain.ActorClinician))
	open(s.staffPath("/concerns"))
	look("concerns")
	p.tap(`.concerns button`)
	p.wait(`document.body.innerText.includes("on record")`)
	look("concern")
	p.expected = append(p.expected, "404")
}

// smallStaffTargets lists what can be touched and is smaller than 44 px, but for links within a sentence or a cell, which WCAG 2.2 lets be.
const smallStaffTargets = `[...document.querySelectorAll("button, input:not([type=hidden]), select, summary, nav a, .button")].filter((e) => e.checkVisibility()).map((e) => {
	const r = (e.closest("label.tick") ?? e).getBoundingClientRect();
	return r.width < 43.99 || r.height < 43.99 ? e.outerHTML.slice(0, 120) + " " + r.width.toFixed(1) + "x" + r.height.toFixed(1) : "";
}).filter(Boolean)`
