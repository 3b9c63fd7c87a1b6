package web

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"asem/domain"
)

// phone is a browser on the screen of a phone. What a page complains about on its console fails the test.
type phone struct {
	t   testing.TB
	ctx context.Context
	s   *study

	mu         sync.Mutex
	complaints []string
	expected   []string // parts of complaints that a test means to cause
}

// The browser is one for all tests; each has a context of its own in it, as if it were a browser that has never been here.
var (
	startBrowser  sync.Once
	browserFound  string
	browserRuns   context.Context
	stopBrowser   = func() {}
	browserFailed error
)

func TestMain(m *testing.M) {
	code := m.Run()
	stopBrowser()
	os.Exit(code)
}

func theBrowser(t testing.TB) context.Context {
	t.Helper()
	startBrowser.Do(func() {
		for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
			if p, err := exec.LookPath(name); err == nil {
				browserFound = p
				break
			}
		}
		if browserFound == "" {
			return
		}
		profile, err := os.MkdirTemp("", "asem-browser")
		if err != nil {
			browserFailed = err
			return
		}
		options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(browserFound), chromedp.Flag("no-sandbox", true), chromedp.Flag("disable-gpu", true), chromedp.Flag("lang", "en"),
			chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.UserDataDir(profile))
		allocator, end := chromedp.NewExecAllocator(context.Background(), options...)
		ctx, close := chromedp.NewContext(allocator)
		browserRuns, stopBrowser = ctx, func() {
			close()
			end()
			_ = os.RemoveAll(profile)
		}
		browserFailed = chromedp.Do(ctx) // starts it
	})
	if browserFound == "" {
		const message = "no Chromium is installed; install the package chromium to test pages in a browser"
		if os.Getenv("ASEM_REQUIRE_BROWSER") == "1" {
			t.Fatal(message)
		}
		t.Skip(message)
	}
	require.NoError(t, browserFailed)
	return browserRuns
}

type step = chromedp.Action[chromedp.Void]

func (s *study) phone() *phone {
	t := s.t
	t.Helper()
	browser := theBrowser(t)
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 4*time.Minute)
	t.Cleanup(cancel)
	p := &phone{t: t, ctx: ctx, s: s}
	p.listen(ctx)
	t.Cleanup(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, c := range p.complaints {
			if !slices.ContainsFunc(p.expected, func(part string) bool { return strings.Contains(c, part) }) {
				t.Errorf("the page complains: %s", c)
			}
		}
	})
	p.do(chromedp.EmulateViewport(360, 740))
	return p
}

func (p *phone) listen(ctx context.Context) {
	require.NoError(p.t, chromedp.Listen(ctx, func(ev any) {
		p.mu.Lock()
		defer p.mu.Unlock()
		switch ev := ev.(type) {
		case *log.EventEntryAdded:
			if ev.Entry.Level == log.EntryLevelError {
				p.complaints = append(p.complaints, ev.Entry.Text+" "+ev.Entry.URL)
			}
		case *runtime.EventExceptionThrown:
			text := ev.ExceptionDetails.Text
			if ev.ExceptionDetails.Exception != nil {
				text += " " + ev.ExceptionDetails.Exception.Description
			}
			p.complaints = append(p.complaints, text)
		}
	}))
}

// tab is another tab of the same browser.
func (p *phone) tab() *phone {
	p.t.Helper()
	ctx, cancel := chromedp.NewContext(p.ctx)
	p.t.Cleanup(cancel)
	other := &phone{t: p.t, ctx: ctx, s: p.s}
	other.do(chromedp.EmulateViewport(360, 740))
	return other
}

func (p *phone) do(steps ...step) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, steps...); err != nil {
		p.fail(err)
	}
}

func (p *phone) fail(err error) {
	p.t.Helper()
	where, _ := chromedp.Run(p.ctx, chromedp.Evaluate[string](`location.pathname + " " + document.body.innerText.slice(0, 1500)`))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.t.Fatalf("%v\non %s\nconsole: %v", err, where, p.complaints)
}

// value returns the value of an expression of the page.
func value[T any](p *phone, expression string) T {
	p.t.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		p.fail(fmt.Errorf("%s: %w", expression, err))
	}
	return v
}

// script runs statements in the page.
func (p *phone) script(statements string) { value[bool](p, "(() => {"+statements+"; return true})()") }

// wait waits until an expression of the page is true.
func (p *phone) wait(expression string) {
	p.t.Helper()
	deadline := time.Now().Add(45 * time.Second)
	for {
		ctx, cancel := context.WithTimeout(p.ctx, 10*time.Second)
		v, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`Boolean(`+expression+`)`))
		cancel()
		if err == nil && v {
			return
		}
		if time.Now().After(deadline) {
			p.fail(fmt.Errorf("waited in vain for %s: %w", expression, err))
		}
		time.Sleep(15 * time.Millisecond)
	}
}

func (p *phone) text() string { return value[string](p, "document.body.innerText") }

// shows waits until a text stands on the page.
func (p *phone) shows(text string) {
	p.t.Helper()
	p.wait(fmt.Sprintf("document.body?.innerText.includes(%q)", text))
}

// within does something, and gives up after a while.
func (p *phone) within(d time.Duration, what step) error {
	ctx, cancel := context.WithTimeout(p.ctx, d)
	defer cancel()
	return chromedp.Do(ctx, what)
}

// open goes to a page and waits until its scripts are ready.
func (p *phone) open(path string) {
	p.t.Helper()
	var err error
	for range 4 { // the page before may have been on its way to another one, and a busy browser now and then forgets to say that it has arrived
		err = p.within(20*time.Second, chromedp.Navigate(p.s.base+path))
		if err == nil || !strings.Contains(err.Error(), "ERR_ABORTED") && !errors.Is(err, context.DeadlineExceeded) {
			break
		}
	}
	if err != nil {
		p.fail(err)
	}
	p.ready()
}

func (p *phone) ready() {
	p.t.Helper()
	p.wait(`document.documentElement.dataset.ready`)
}

// tap touches the middle of what a selector finds, once it is shown and nothing lies over it.
func (p *phone) tap(selector string) {
	p.t.Helper()
	find := fmt.Sprintf(`(() => {
		const e = document.querySelector(%q);
		if (!e?.checkVisibility() || e.disabled) return [];
		e.scrollIntoView({ block: "center", behavior: "instant" });
		const r = e.getBoundingClientRect(), x = r.x + r.width / 2, y = r.y + r.height / 2;
		const there = document.elementFromPoint(x, y);
		return e === there || e.contains(there) ? [x, y] : [];
	})()`, selector)
	for begin := time.Now(); ; time.Sleep(15 * time.Millisecond) {
		at, err := chromedp.Run(p.ctx, chromedp.Evaluate[[]float64](find))
		if err == nil && len(at) == 2 {
			p.do(chromedp.MouseClickXY(at[0], at[1]))
			return
		}
		if time.Since(begin) > 45*time.Second {
			p.fail(fmt.Errorf("nothing to tap at %s: %w", selector, err))
		}
	}
}

// signIn signs in on the page.
func (p *phone) signIn(r domain.Role) {
	p.t.Helper()
	c := p.s.codes[r]
	p.open("/in")
	p.script(fmt.Sprintf(`document.getElementById("code").value = %q; document.getElementById("pin").value = %q`, c.Code, c.PIN))
	p.tap("form.card button")
	p.wait(`location.pathname.startsWith("/me")`)
	p.ready()
}

// offline takes the connection away, from the pages and from their worker, or gives it back.
func (p *phone) offline(yes bool) {
	p.t.Helper()
	p.s.down.Store(yes)
	p.expected = append(p.expected, "ERR_EMPTY_RESPONSE", "ERR_CONNECTION", "ERR_SOCKET", "ERR_INTERNET_DISCONNECTED", "ERR_FAILED")
	p.do(call(network.OverrideNetworkState, network.OverrideNetworkStateParams{Offline: yes, DownloadThroughput: -1, UploadThroughput: -1}))
}

func call[P, R any](m cdp.Command[P, R], params P) step {
	return func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, target, m, params)
		return chromedp.Void{}, err
	}
}

func withoutScript(yes bool) step {
	return call(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: yes})
}

// look writes the page at the width of a phone and of a desktop into the folder that ASEM_SCREENSHOTS names, if it names one.
func (p *phone) look(name string) {
	p.t.Helper()
	if os.Getenv("ASEM_SCREENSHOTS") == "" {
		return
	}
	p.picture(name + "-phone")
	p.do(chromedp.EmulateViewport(1280, 800))
	p.picture(name + "-desktop")
	p.do(chromedp.EmulateViewport(360, 740))
}

func (p *phone) picture(name string) {
	p.t.Helper()
	dir := os.Getenv("ASEM_SCREENSHOTS")
	if dir == "" {
		return
	}
	time.Sleep(200 * time.Millisecond) // until nothing moves
	png, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	require.NoError(p.t, err)
	require.NoError(p.t, os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600))
}

// patiently does something again until it works: while a page gives way to the next its parts are gone.
func (p *phone) patiently(what step) {
	p.t.Helper()
	var err error
	for begin := time.Now(); time.Since(begin) < waitTime; time.Sleep(pollTime) {
		ctx, cancel := context.WithTimeout(p.ctx, 10*time.Second)
		err = chromedp.Do(ctx, what)
		cancel()
		if err == nil {
			return
		}
	}
	p.t.Fatal(err)
}

// await returns what a promise of the page comes to.
func await[T any](p *phone, body string) T {
	p.t.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[T]("(async () => {"+body+"})()", chromedp.EvalAwaitPromise))
	if err != nil {
		p.fail(fmt.Errorf("%s: %w", body, err))
	}
	return v
}

// kept counts what the browser keeps: keys, drafts and what waits to be sent.
func (p *phone) kept() (keys, drafts, queue int) {
	p.t.Helper()
	return p.count("keys"), p.count("drafts"), p.count("queue")
}

// all returns what is kept in a store, as what it comes to in a script.
func all(store string) string {
	return fmt.Sprintf(`await new Promise((ok, no) => {
		const [name, stores] = %[1]q === "kept" ? ["forms", ["kept"]] : ["journal", ["keys", "drafts", "queue"]];
		const open = indexedDB.open(name, 1);
		open.onupgradeneeded = () => stores.forEach((s) => open.result.createObjectStore(s));
		open.onsuccess = () => { const r = open.result.transaction(%[1]q).objectStore(%[1]q).getAll(); r.onsuccess = () => { open.result.close(); ok(r.result); }; r.onerror = no; };
		open.onerror = no;
	})`, store)
}

// count is how many things the browser keeps in a store.
func (p *phone) count(store string) int {
	p.t.Helper()
	return await[int](p, "return ("+all(store)+").length")
}

// How long tests wait for what happens in the background, and how often they look.
const (
	waitTime = 45 * time.Second
	pollTime = 20 * time.Millisecond
)

// as gives the browser the session of a client.
func (p *phone) as(c *client) {
	p.t.Helper()
	at, err := url.Parse(p.s.base)
	require.NoError(p.t, err)
	for _, k := range c.Jar.Cookies(at) {
		p.do(call(network.SetCookie, network.SetCookieParams{Name: k.Name, Value: k.Value, URL: p.s.base}))
	}
}
