package main

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/pquerna/otp/totp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
)

// A coder of the demo sets up the account, watches a real video of an encrypted file frame by frame, rates it and submits.
func TestACoderOfTheDemoRatesAVideo(t *testing.T) {
	var setup string
	base, _, _, _ := serveDemoWith(t, func(data string) {
		require.NoError(t, storage{Data: data}.with(context.Background(), func(h *house) error {
			if err := h.demoVideos(t.Context(), slog.New(slog.DiscardHandler), "DEMO"); err != nil {
				return err
			}
			u, link, err := h.access.AddUser(t.Context(), "cody", "DEMO", domain.ActorCoder)
			if err != nil {
				return err
			}
			setup = link
			return h.demoTraining(t.Context(), "DEMO", u.User)
		}))
	})
	ctx := browser(t)
	do(t, ctx, chromedp.EmulateViewport(1280, 720), chromedp.Navigate(setupLink(base, setup)))
	settles(t, ctx, `document.querySelector("#secret")`)
	once, err := totp.GenerateCode(textOf(t, ctx, "#secret"), time.Now())
	require.NoError(t, err)
	do(t, ctx, chromedp.SendKeys(css("#password"), staffPassword), chromedp.SendKeys(css("#again"), staffPassword), chromedp.SendKeys(css("#once"), once+kb.Enter))
	settles(t, ctx, `location.pathname === "/staff"`)
	do(t, ctx, chromedp.Navigate(base+"/code"))
	settles(t, ctx, `document.querySelector("main a[href^='/code/']")`)
	assert.NotRegexp(t, `00[1-4]`, textOf(t, ctx, "main"), "which couple it is stands nowhere")
	do(t, ctx, chromedp.Click(css("main a[href^='/code/']")))
	settles(t, ctx, `document.querySelector("main form button.primary")`)
	do(t, ctx, chromedp.Click(css("main form button.primary")))
	settles(t, ctx, `document.querySelector("#video")?.readyState >= 2 && document.documentElement.dataset.sought`)
	assert.Greater(t, eval[float64](t, ctx, `document.querySelector("#video").videoWidth`), 0.0)
	n := eval[int](t, ctx, `document.querySelectorAll("td[data-cell] input").length`)
	require.Equal(t, 6, n)
	for range n { // each key goes on to the next field; the protocol of the browser would type the text besides
		eval[bool](t, ctx, `document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key: "5", bubbles: true, cancelable: true })) || true`)
	}
	settles(t, ctx, `[...document.querySelectorAll("td[data-cell] input")].every((e) => e.value === "5")`)
	screenshots(t, ctx, "bench")
	do(t, ctx, chromedp.EmulateViewport(1280, 720), chromedp.Click(css("#submit")))
	settles(t, ctx, `location.pathname === "/code" && document.body.innerText.includes("1")`)
}
