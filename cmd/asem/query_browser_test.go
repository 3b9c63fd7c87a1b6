package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// browser starts an installed Chromium. What the page complains about on its console fails the test.
func browser(t *testing.T) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		const message = "no Chromium is installed; install the package chromium to test pages in a browser"
		if os.Getenv("ASEM_REQUIRE_BROWSER") == "1" {
			t.Fatal(message)
		}
		t.Skip(message)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.Flag("no-sandbox", true), chromedp.Flag("disable-gpu", true),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.UserDataDir(t.TempDir()))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 4*time.Minute)
	t.Cleanup(cancel)
	var mu sync.Mutex
	var complaints []string
	require.NoError(t, chromedp.Listen(ctx, func(ev any) {
		mu.Lock()
		defer mu.Unlock()
		switch ev := ev.(type) {
		case *log.EventEntryAdded:
			if ev.Entry.Level == log.EntryLevelError && !strings.Contains(ev.Entry.Text, "401") {
				complaints = append(complaints, ev.Entry.Text)
			}
		case *runtime.EventExceptionThrown:
			complaints = append(complaints, ev.ExceptionDetails.Text)
		}
	}))
	t.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		assert.Empty(t, complaints)
	})
	return ctx
}

type step = chromedp.Action[chromedp.Void]

// do runs steps in the browser.
func do(t *testing.T, ctx context.Context, steps ...step) {
	t.Helper()
	require.NoError(t, chromedp.Do(ctx, steps...))
}

// eval returns the value of an expression of the page.
func eval[T any](t *testing.T, ctx context.Context, expression string) T {
	t.Helper()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	require.NoError(t, err)
	return v
}

func textOf(t *testing.T, ctx context.Context, selector string) string {
	t.Helper()
	return eval[string](t, ctx, `document.querySelector("`+selector+`").textContent`)
}

// waitFor waits until an expression of the page is true.
func waitFor(expression string) step {
	return func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := chromedp.Poll[bool](expression, chromedp.WithPollingTimeout(20*time.Second))(ctx, t)
		return chromedp.Void{}, err
	}
}

// script runs a statement in the page.
func script(statement string) step {
	return func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := chromedp.Evaluate[bool](statement+"; true")(ctx, t)
		return chromedp.Void{}, err
	}
}

// screenshots writes the page at phone and desktop width into the folder that ASEM_SCREENSHOTS names, if it names one.
func screenshots(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	dir := os.Getenv("ASEM_SCREENSHOTS")
	if dir == "" {
		return
	}
	for device, size := range map[string][2]int64{"phone": {360, 740}, "desktop": {1280, 900}} {
		do(t, ctx, chromedp.EmulateViewport(size[0], size[1]))
		png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name+"-"+device+".png"), png, 0o600))
	}
	do(t, ctx, chromedp.EmulateViewport(1280, 900))
}

func css(selector string) chromedp.CSS { return chromedp.CSS(selector) }

func TestQueryPageInABrowser(t *testing.T) {
	base, token, _, _ := serveDemo(t) // before the browser, so that it outlives it
	ctx := browser(t)
	do(t, ctx, chromedp.EmulateViewport(1280, 900), chromedp.Navigate(base+"/query#token="+token), waitFor(`document.querySelector("#who").textContent.includes("DEMO")`))
	assert.Equal(t, base+"/query", eval[string](t, ctx, "location.href"), "the token leaves the address at once")

	// By keyboard alone: to the editor, a query typed, run with Ctrl+Enter.
	do(t, ctx, chromedp.Focus(css("#editor")), script(`document.querySelector("#editor").select()`), chromedp.KeyEvent(`{ study(code: "DEMO") { title synthetic } }`),
		chromedp.KeyEvent(kb.Enter, chromedp.KeyModifiers(chromedp.ModifierCtrl)), waitFor(`document.querySelector("#result").textContent.includes("synthetic")`))
	assert.Contains(t, textOf(t, ctx, "#result"), `"synthetic": true`)
	assert.Contains(t, textOf(t, ctx, "#status"), "cost")

	// Tab leaves the editor: it is no trap. Arrow keys move between the tabs.
	do(t, ctx, chromedp.KeyEvent(kb.Tab))
	assert.Equal(t, "variables", eval[string](t, ctx, "document.activeElement.id"))
	do(t, ctx, chromedp.Focus(css("#tab-examples")), chromedp.KeyEvent(kb.ArrowRight), waitFor(`document.querySelectorAll("#schema details").length > 20`),
		chromedp.SendKeys(css("#search"), "no such thing"), waitFor(`document.querySelector("#schema").textContent.includes("Nothing")`),
		script(`document.querySelector("#search").value = ""`), chromedp.SendKeys(css("#search"), "separatedOn"), waitFor(`document.querySelectorAll("#schema details").length === 1`))
	assert.Contains(t, textOf(t, ctx, "#schema"), "Couple")

	// Examples fill the editor, history remembers what was run, and the token is no part of it.
	do(t, ctx, chromedp.Click(css("#tab-examples")), chromedp.Click(css("#examples li:nth-child(4) button")))
	assert.Contains(t, eval[string](t, ctx, `document.querySelector("#editor").value`), "changeModel")
	do(t, ctx, chromedp.Click(css("#run")), waitFor(`document.querySelector("#result").textContent.includes("engineVersion")`), chromedp.Click(css("#tab-history")))
	assert.Contains(t, textOf(t, ctx, "#history"), "changeModel")
	assert.NotContains(t, eval[string](t, ctx, "JSON.stringify(localStorage)"), token)

	screenshots(t, ctx, "query")

	// A mistake is told in place.
	do(t, ctx, script(`document.querySelector("#variables").value = "{"`), chromedp.Click(css("#run")), waitFor(`document.querySelector("#status").textContent.includes("not JSON")`))

	// On a phone nothing runs off the side, and what is touched is large enough.
	for _, width := range []int64{360, 768, 1280} {
		do(t, ctx, chromedp.EmulateViewport(width, 740))
		assert.LessOrEqual(t, eval[float64](t, ctx, "document.documentElement.scrollWidth - document.documentElement.clientWidth"), 0.0, "at %d px", width)
		assert.GreaterOrEqual(t, eval[float64](t, ctx, `Math.min(...[...document.querySelectorAll("header button, .actions button, .tabs button, .list button, input")].filter((e) => e.offsetParent).map((e) => e.getBoundingClientRect().height))`), 44.0, "at %d px", width)
	}

	do(t, ctx, chromedp.Click(css("#signout")), waitFor(`!document.querySelector("#signin").hidden`))
	assert.Equal(t, "{}", eval[string](t, ctx, "JSON.stringify(sessionStorage)"))
	do(t, ctx, chromedp.SendKeys(css("#token"), "wrong"+kb.Enter), waitFor(`document.querySelector("#who").textContent.includes("not valid")`))
}

func TestQueryPageWithoutScript(t *testing.T) {
	base, _, _, _ := serveDemo(t)
	ctx := browser(t)
	off := func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, target, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return chromedp.Void{}, err
	}
	do(t, ctx, off, chromedp.Navigate(base+"/query"))
	shown, err := chromedp.Run(ctx, chromedp.Text(css("noscript")))
	require.NoError(t, err)
	assert.Contains(t, shown, "curl")
}
