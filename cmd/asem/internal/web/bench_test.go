package web

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/cmd/asem/internal/media"
	"asem/domain"
	"asem/projections"
)

// press presses keys one after the other.
func (p *phone) press(keys ...string) {
	p.t.Helper()
	for _, k := range keys {
		p.do(chromedp.KeyEvent(k))
	}
}

// audited asks axe-core, whose script ASEM_AXE names, what is wrong with a page for people who use it in another way; without it nothing is asked.
func (p *phone) audited(page string) {
	p.t.Helper()
	if dir := os.Getenv("ASEM_SCREENSHOTS"); dir != "" {
		png, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
		require.NoError(p.t, err)
		require.NoError(p.t, os.WriteFile(filepath.Join(dir, strings.ReplaceAll(page, " ", "-")+".png"), png, 0o600))
	}
	path := os.Getenv("ASEM_AXE")
	if path == "" {
		return
	}
	script, err := os.ReadFile(path)
	require.NoError(p.t, err)
	value[bool](p, string(script)+`; window.audit = ""; axe.run().then((r) => { window.audit = "done " + r.violations.map((v) => v.id + ": " + v.nodes.map((n) => n.html).join(" | ")).join("\n"); }); true`)
	p.wait(`window.audit.startsWith("done")`)
	assert.Equal(p.t, "done ", value[string](p, `window.audit`), page)
}

// frameInPicture reads the number that the recording shows in its bars.
const frameInPicture = `(() => { const v = document.getElementById("video"), c = document.createElement("canvas"); c.width = 96; c.height = 32; const g = c.getContext("2d"); g.drawImage(v, 0, 0, 96, 32);
let n = 0; for (let i = 0; i < 12; i++) if (g.getImageData(8 * i + 4, 16, 1, 1).data[0] > 127) n += 1 << i; return n; })()`

// A coder rates a clip of two minutes by keyboard alone in each kind of unit; a trace of a few seconds of it, as it is followed in its own time.
func TestWorkbenchByKeyboard(t *testing.T) {
	s := newStudy(t, schemesOfEachKind)
	s.video = serveVideo(recording(t, 120))
	s.agreed("A", "B")
	s.film("C1", 120_000)
	s.another("C2")
	s.film("C2", 4000)
	ana, bo := s.member("ana", domain.ActorCoordinator), s.member("bo", domain.ActorCoder)
	judge := s.userOf("bo")
	ana.post(s.staffPath("/coding?scheme=clip"), url.Values{"do": {"enlist"}, "judge": {judge}})
	for _, scheme := range []string{"clip", "interval", "event", "turn", "trace"} {
		require.Contains(t, ana.post(s.staffPath("/coding?scheme="+scheme), url.Values{"do": {"plan"}}).body, "assignments were made")
	}
	p := s.phone()
	p.do(chromedp.EmulateViewport(1280, 720))
	p.as(bo)
	open := func(scheme, couple string) projections.CodingWork {
		for _, w := range s.coding().Of(judge) {
			if w.Scheme == scheme && w.Couple == couple {
				p.do(chromedp.Navigate(s.base + "/code/" + w.ID))
				p.wait(`document.querySelector("[autofocus]") === document.activeElement`)
				p.press(kb.Enter)
				p.ready()
				p.wait(`document.getElementById("video").readyState >= 2`)
				return w
			}
		}
		t.Fatalf("there is no assignment of %s", scheme)
		return projections.CodingWork{}
	}
	submitted := func(w projections.CodingWork) projections.CodingWork {
		t.Helper()
		p.press("q")
		p.shows("Your ratings were submitted")
		w, _ = s.coding().Assignment(w.ID)
		require.False(t, w.Submitted.IsZero())
		return w
	}

	w := open("clip", "C1")
	assert.True(t, value[bool](p, `document.documentElement.scrollWidth <= 1280`), "it fits")
	assert.Equal(t, judge, value[string](p, `document.querySelector(".mark").textContent`), "the watermark")
	p.audited("rating a clip")
	p.press("?")
	p.wait(`document.getElementById("help").open`)
	p.audited("the list of keys")
	p.press(kb.Escape)
	p.press("7", "6", "5", "x") // the last place is not rated
	p.press("u")                // which is taken back
	p.press("3")
	w = submitted(w)
	var got []float64
	for _, r := range w.Ratings {
		got = append(got, r.Value)
	}
	assert.ElementsMatch(t, []float64{7, 6, 5, 3}, got)

	w = open("interval", "C1")
	p.press("-", "3", "2", kb.ArrowUp, "n", "0", "1", "p", "x", "n", "n", "-", "1", "3", "2")
	p.press("p", "p", "p")
	assert.Equal(t, 8, value[int](p, `document.querySelectorAll("[data-cell]").length`))
	for range 8 {
		p.press("n", kb.ArrowUp)
	}
	w = submitted(w)
	assert.Len(t, w.Ratings, 8)

	w = open("event", "C1")
	for range 5 {
		p.press(kb.ArrowRight)
	}
	p.press("m", kb.ArrowRight, kb.ArrowRight, ".", "m", "6")
	p.audited("rating events")
	p.press("n", "m", kb.ArrowRight, "m", "2", "m", kb.ArrowRight, "m", "4", "u", "u")
	w = submitted(w)
	require.Len(t, w.Ratings, 2)
	assert.Equal(t, 6.0, w.Ratings[0].Value)
	assert.InDelta(t, 5000, w.Ratings[0].StartMs, 60)
	assert.InDelta(t, 7040, w.Ratings[0].EndMs, 60)
	assert.NotEqual(t, w.Ratings[0].Target, w.Ratings[1].Target)

	w = open("turn", "C1")
	p.press("m", kb.ArrowRight, "m", "5", "m", kb.ArrowRight, "m", "7")
	w = submitted(w)
	require.Len(t, w.Ratings, 2)
	assert.Equal(t, []int{1, 2}, []int{w.Ratings[0].Unit, w.Ratings[1].Unit})

	w = open("trace", "C2")
	p.audited("a trace")
	p.press("2", " ")
	p.wait(`Number(document.documentElement.dataset.filled) >= 6`)
	p.press("-", "4")
	p.wait(`Number(document.documentElement.dataset.filled) === 16`)
	w = submitted(w)
	require.Len(t, w.Traces, 1)
	require.Len(t, w.Traces[0].Values, 16)
	assert.Equal(t, 2.0, w.Traces[0].Values[1])
	assert.Equal(t, -4.0, w.Traces[0].Values[15])
	p.audited("the list of clips")
	p.as(ana)
	p.do(chromedp.Navigate(s.base + s.staffPath("/coding?scheme=interval")))
	p.shows("Agreement up to now")
	p.audited("the coordinator's page")
	p.do(chromedp.Navigate(s.base + clipLink.FindStringSubmatch(ana.get(s.staffPath("/coding?scheme=interval")).body)[1]))
	p.shows("What the judges gave")
	p.audited("adjudication")
}

// cut keeps a recording of a couple, with a clip k1 from within.
func (s *study) cut(couple string, seconds, fromMs, toMs int) {
	s.t.Helper()
	film, err := os.ReadFile(recording(s.t, seconds))
	require.NoError(s.t, err)
	s.do(domain.RecordInteraction{Study: "S", Couple: couple, Interaction: "t1", Task: "talk", DurationMs: seconds * 1000, HeldAt: s.clock.now()},
		domain.CutClip{Study: "S", Couple: couple, Clip: "k1", Interaction: "t1", StartMs: fromMs, EndMs: toMs})
	_, err = s.videos.Keep(s.t.Context(), domain.Actor{Role: domain.ActorCoordinator, Subject: "test"}, media.Couple{Study: "S", Code: couple}, "t1",
		media.Facts{DurationMs: seconds * 1000, RateNum: 25, RateDen: 1, Width: 96, Height: 32, Codec: "vp8"}, bytes.NewReader(film))
	require.NoError(s.t, err)
}

// In a clip that was cut from within a recording twenty frames of twenty are those that were asked for, and a reload loses at most the last second.
func TestWorkbenchSeeksFramesAndKeepsDrafts(t *testing.T) {
	s := newStudy(t, schemesOfEachKind)
	s.agreed("A", "B")
	s.cut("C1", 24, 2000, 22_000)
	tools := s.videos.Tools
	s.videos.Tools = media.Tools{} // as if ffmpeg were not there
	ana, bo := s.member("ana", domain.ActorCoordinator), s.member("bo", domain.ActorCoder)
	judge := s.userOf("bo")
	ana.post(s.staffPath("/coding?scheme=clip"), url.Values{"do": {"enlist"}, "judge": {judge}})
	ana.post(s.staffPath("/coding?scheme=clip"), url.Values{"do": {"plan"}})
	path := benchLink.FindStringSubmatch(bo.get("/code").body)[1]
	bo.post(path, url.Values{"do": {"claim"}})
	p := s.phone()
	p.do(chromedp.EmulateViewport(1280, 720))
	p.as(bo)
	s.videos.Wait()
	p.do(chromedp.Navigate(s.base + path))
	p.shows("The clip cannot be shown")
	p.audited("a clip that cannot be shown")
	s.videos.Tools = tools
	s.clock.set(s.clock.now().Add(time.Minute))
	p.tap(`a[href="` + path + `"]`) // now it is being cut, and the page goes on by itself
	p.ready()
	p.wait(`document.getElementById("video")?.readyState >= 2`)
	assert.InDelta(t, 20, value[float64](p, `document.getElementById("video").duration`), 0.001, "the clip alone")
	hits, at := 0, 0
	for i := range 20 {
		key, by := kb.ArrowRight, 25
		if i%3 > 0 {
			key, by = ".", 1
		}
		if i%7 == 6 {
			key, by = ",", -1
		}
		at += by
		p.press(key)
		p.wait(fmt.Sprintf(`document.documentElement.dataset.sought === "%d" && !document.getElementById("video").seeking`, at))
		for range 40 { // the picture comes a moment after the seek
			if value[int](p, frameInPicture) == 50+at {
				hits++
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	assert.Equal(t, 20, hits, "frames that were sought and shown")

	p.press("7", "5")
	p.wait(`document.documentElement.dataset.saved >= "1"`)
	time.Sleep(700 * time.Millisecond)
	p.press("3")
	p.do(chromedp.Reload())
	p.ready()
	fields := value[[]string](p, `[...document.querySelectorAll("[data-cell] input")].map((x) => x.value)`)
	assert.Equal(t, []string{"7", "5"}, fields[:2])
	t.Logf("after the reload: %v", fields)

	// Another window is told, and does not write over this one.
	body := strings.NewReader(`{"version":0,"draft":{}}`)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.base+path+"/draft", body)
	require.NoError(t, err)
	assert.Equal(t, http.StatusConflict, bo.send(r).status)

	// Single keys can be switched off.
	p.press("?")
	p.tap("#on")
	p.press(kb.Escape)
	const now = `[...document.querySelectorAll("[data-cell]")].findIndex((c) => c.classList.contains("now"))`
	before := value[int](p, now)
	p.press("n")
	assert.Equal(t, before, value[int](p, now))
	p.press("?")
	p.tap("#on")
	p.press(kb.Escape, "n")
	assert.NotEqual(t, before, value[int](p, now))
}

// A trace is given with the pointer, by dragging and without, and with a game controller; it has no gap, though its last moment begins after the last picture of the clip.
func TestTracesByPointerAndController(t *testing.T) {
	s := newStudy(t, schemesOfEachKind)
	s.agreed("A", "B")
	ways := []struct {
		name        string
		high, low   func(p *phone)
		most, least float64
	}{
		{"dragging", func(p *phone) { p.drag("#lever", 1) }, func(p *phone) { p.drag("#lever", -1) }, 5, -5},
		{"buttons", func(p *phone) {
			for range 4 {
				p.tap(`[aria-label="Value now"] + button`)
			}
		}, func(p *phone) {
			for range 6 {
				p.tap(`button:has(+ [aria-label="Value now"])`)
			}
		}, 2, -1},
		{"controller", func(p *phone) { p.script(`window.stick = -1`) }, func(p *phone) { p.script(`window.stick = 0.5`) }, 5, -2.5},
	}
	for i := range ways {
		couple := fmt.Sprintf("C%d", i+1)
		if i > 0 {
			s.another(couple)
		}
		s.cut(couple, 5, 1000, 3260)
	}
	ana, bo := s.member("ana", domain.ActorCoordinator), s.member("bo", domain.ActorCoder)
	judge := s.userOf("bo")
	ana.post(s.staffPath("/coding?scheme=trace"), url.Values{"do": {"enlist"}, "judge": {judge}})
	require.Contains(t, ana.post(s.staffPath("/coding?scheme=trace"), url.Values{"do": {"plan"}}).body, "3 assignments were made")
	p := s.phone()
	p.do(chromedp.EmulateViewport(1280, 720), call(cdppage.AddScriptToEvaluateOnNewDocument, cdppage.AddScriptToEvaluateOnNewDocumentParams{
		Source: `navigator.getGamepads = () => [window.stick ? { connected: true, axes: [0, window.stick] } : null]`}))
	p.as(bo)
	const play, slower, faster = `#tools [title="Key: Space"]`, `#tools [title="Key: ["]`, `#tools [title="Key: ]"]`
	speed := func(button string) {
		for range 3 {
			p.tap(button)
		}
	}
	for i, w := range s.coding().Of(judge) {
		way := ways[i]
		bo.post("/code/"+w.ID, url.Values{"do": {"claim"}})
		p.open("/code/" + w.ID)
		p.wait(`document.getElementById("video").readyState >= 2`)
		held := func(v float64) { p.wait(fmt.Sprintf(`document.getElementById("held").textContent === "%.1f"`, v)) }
		way.high(p)
		held(way.most)
		speed(slower)
		p.tap(play)
		p.wait(`Number(document.documentElement.dataset.filled) >= 2`)
		p.tap(play)
		way.low(p)
		held(way.least)
		speed(faster)
		p.tap(play)
		p.wait(`Number(document.documentElement.dataset.filled) === 10`)
		p.wait(`document.getElementById("video").paused`)
		p.tap("#submit")
		p.shows("Your ratings were submitted")
		w, _ = s.coding().Assignment(w.ID)
		require.Len(t, w.Traces, 1, way.name)
		got := w.Traces[0].Values
		require.Len(t, got, 10, way.name)
		assert.Equal(t, []float64{way.most, way.least}, []float64{got[0], got[9]}, way.name)
	}
}

// drag presses on the middle of something, and moves to its right end (1) or its left (-1).
func (p *phone) drag(selector string, to float64) {
	p.t.Helper()
	at := value[[]float64](p, fmt.Sprintf(`(() => { const e = document.querySelector(%q); e.scrollIntoView({ block: "center", behavior: "instant" }); const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2, r.width / 2]; })()`, selector))
	p.do(chromedp.MouseEvent(chromedp.MousePressed, at[0], at[1], chromedp.ButtonLeft), chromedp.MouseEvent(chromedp.MouseMoved, at[0]+to*at[2]/2, at[1], chromedp.ButtonLeft),
		chromedp.MouseEvent(chromedp.MouseMoved, at[0]+to*at[2], at[1], chromedp.ButtonLeft), chromedp.MouseEvent(chromedp.MouseReleased, at[0]+to*at[2], at[1], chromedp.ButtonLeft))
}
