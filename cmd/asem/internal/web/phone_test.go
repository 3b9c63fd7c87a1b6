package web

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
)

// diaryLink is what leads to the diary of a day on the page of what is open.
const diaryLink = `section.now:has(h2) a.primary`

// fillDiary answers the daily core from the page of what is open, and returns how many taps it took.
func (p *phone) fillDiary(value int) (taps int) {
	p.t.Helper()
	p.wait(`[...document.querySelectorAll("section.now")].some((s) => s.querySelector("h2").textContent === "Diary")`)
	p.script(`[...document.querySelectorAll("section.now")].find((s) => s.querySelector("h2").textContent === "Diary").querySelector("a").id = "diary"`)
	p.tap("#diary")
	taps++
	p.wait(`document.getElementById("form")?.classList.contains("stepping")`)
	for n := 1; n <= 7; n++ {
		p.wait(fmt.Sprintf(`document.querySelector(".along output").textContent === "Question %d of 7"`, n))
		p.tap(fmt.Sprintf(`fieldset:not([hidden]) input[value="%d"]`, value))
		taps++
	}
	p.shows("Ready to send")
	p.tap("#send button.primary")
	return taps + 1
}

func TestFourteenDaysOnAPhone(t *testing.T) {
	s := newStudy(t)
	s.agreed("A", "B")
	p := s.phone()
	p.signIn("A")
	for day := 1; day <= 14; day++ {
		s.clock.set(on(day, 20, 14))
		p.open("/me")
		taps := p.fillDiary(day%7 + 1)
		assert.Less(t, taps, 15)
		p.shows("Received at 20:14")
		if day == 1 {
			t.Logf("the daily core took %d taps", taps)
			p.look("received")
		}
	}
	entries := s.entries("A")
	require.Len(t, entries, 14)
	for i, e := range entries {
		assert.Equal(t, domain.TimingOnTime, e.Timing)
		for _, a := range e.Answers {
			require.NotNil(t, a.Value)
			assert.Equal(t, (i+1)%7+1, *a.Value)
		}
	}
	p.open("/me")
	p.shows("14 of 14")
	p.look("today-progress")
	p.open("/me/own")
	p.look("own")
	p.script(`document.querySelector("details").open = true`)
	p.look("own-open")
}

func TestAWaveOnAPhone(t *testing.T) {
	s := newStudy(t)
	s.agreed("A")
	p := s.phone()
	p.signIn("A")
	p.look("today")
	p.tap(diaryLink)
	p.ready()
	p.look("scale")
	for range 4 {
		before := value[string](p, `document.querySelector(".along output").textContent`)
		p.tap(`fieldset:not([hidden]) input[value="5"]`)
		p.wait(fmt.Sprintf(`document.querySelector(".along output").textContent !== %q`, before))
	}
	p.look("ready-to-send")
	p.tap("#send button.primary")
	p.shows("Go on to the next part")

	// Asked first whether it is a good moment; what does not apply is not shown.
	p.tap("a.primary")
	p.shows("Is this a good moment?")
	p.look("moment")
	p.tap("a.primary")
	p.wait(`document.getElementById("form")?.classList.contains("stepping")`)
	p.shows("Question 1 of 1")
	p.look("gate")
	p.tap(`fieldset:not([hidden]) input[value="1"]`)
	p.shows("Question 2 of 11")
	p.look("list")
	p.do(chromedp.NavigateBack())
	p.shows("Question 1 of 11")
	p.tap(`fieldset:not([hidden]) input[value="0"]`)
	p.shows("Ready to send")
	p.tap("#send button.primary")
	p.shows("Go on to the next part")

	p.tap("a.primary")
	p.wait(`document.getElementById("form")?.classList.contains("stepping")`)
	for _, value := range []string{"1", "3", "2", "-1", "10"} {
		p.look("kind-" + value)
		p.tap(`fieldset:not([hidden]) input[value="` + value + `"]`)
		time.Sleep(250 * time.Millisecond)
	}
	p.shows("Question 6 of 8")
	p.look("number")
	p.do(chromedp.SendKeys(chromedp.CSS(`input[type=number]`), "95"))
	p.tap(".bottom .primary")
	p.tap(`fieldset:not([hidden]) input[value="1"]`)
	p.shows("Question 8 of 8")
	p.look("words")
	p.do(chromedp.SendKeys(chromedp.CSS(`textarea`), "nothing else"))
	p.tap(".bottom .primary")
	p.shows("Ready to send")
	p.tap("#send button.primary")
	p.shows("you can talk to someone at any time")
	p.look("received-help")
	require.Len(t, s.entries("A"), 3)
	past, err := s.exec.Past(t.Context(), "S", "C1")
	require.NoError(t, err)
	require.Len(t, past.Couple.Notes("A"), 1)
	a, _ := past.Couple.Answer("A", domain.Occasion{Wave: 1}, "kinds", "k_minutes")
	assert.Equal(t, 95, *a.Value)
	// The back button leads out of what was sent.
	assert.Equal(t, "/me", value[string](p, "location.pathname")[:3])
}
