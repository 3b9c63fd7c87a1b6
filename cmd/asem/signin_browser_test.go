package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/pquerna/otp/totp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/cmd/asem/internal/access"
)

// withoutScript turns JavaScript off in the page.
func withoutScript(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
	_, err := cdp.Call(ctx, target, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	return chromedp.Void{}, err
}

// fits asserts that the page does not run off the side of a phone and that what is touched is large enough.
func fits(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	do(t, ctx, chromedp.EmulateViewport(360, 740))
	assert.LessOrEqual(t, eval[float64](t, ctx, "document.documentElement.scrollWidth"), 360.0, name)
	assert.GreaterOrEqual(t, eval[float64](t, ctx, `Math.min(...[...document.querySelectorAll("button, .button, input, .list a")].filter((e) => e.offsetParent).map((e) => e.getBoundingClientRect().height))`), 44.0, name)
	assert.Empty(t, eval[string](t, ctx, `[...document.querySelectorAll("input:not([type=hidden])")].filter((e) => !e.labels.length).map((e) => e.name).join()`), "%s: every field has a label", name)
	do(t, ctx, chromedp.EmulateViewport(1280, 900))
}

// settles waits until an expression of the page is true, over pages that are being loaded meanwhile.
func settles(t *testing.T, ctx context.Context, expression string) {
	t.Helper()
	require.Eventually(t, func() bool {
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+expression+") && document.readyState === 'complete'"))
		return err == nil && ok
	}, 60*time.Second, 20*time.Millisecond, expression)
}

// From the link that asem user add prints to the second sign-in, with script and without.
func TestStaffSetUpAndSignInInABrowser(t *testing.T) {
	base, _, _, data := serveDemo(t)
	for name, scripts := range map[string]bool{"ana": true, "bo": false} {
		t.Run(name, func(t *testing.T) {
			said := must(t, "user", "add", "--data", data, "--study", "DEMO", "--role", "researcher", "--name", name, "--url", base)
			link := base + "/staff/setup" + setupCodeIn.FindString(said)
			ctx := browser(t)
			do(t, ctx, chromedp.EmulateViewport(1280, 900))
			if scripts {
				do(t, ctx, chromedp.Navigate(base+"/staff/setup"))
				screenshots(t, ctx, "setup")
				fits(t, ctx, "setup")
				do(t, ctx, chromedp.Navigate(base+"/"), chromedp.Navigate(link))
				settles(t, ctx, `document.querySelector("#secret")`)
				assert.Empty(t, eval[string](t, ctx, "location.hash"), "the code leaves the address at once")
				screenshots(t, ctx, "enrol")
				fits(t, ctx, "enrol")
			} else {
				do(t, ctx, withoutScript, chromedp.Navigate(base+"/staff/setup"), chromedp.SendKeys(css("#setup"), link+kb.Enter))
			}
			settles(t, ctx, `document.querySelector("#secret")`)
			secret := textOf(t, ctx, "#secret")
			assert.Contains(t, textOf(t, ctx, "#uri"), "otpauth://totp/asem:"+name+"?")
			once, err := totp.GenerateCode(secret, time.Now())
			require.NoError(t, err)
			do(t, ctx, chromedp.SendKeys(css("#password"), staffPassword), chromedp.SendKeys(css("#again"), staffPassword), chromedp.SendKeys(css("#once"), once+kb.Enter))
			settles(t, ctx, `location.pathname === "/staff"`)
			assert.Contains(t, textOf(t, ctx, "main"), "Your part: researcher.")
			assert.Contains(t, textOf(t, ctx, "header"), name)
			if scripts {
				screenshots(t, ctx, "staff")
				fits(t, ctx, "staff")
				// The query page takes the session.
				do(t, ctx, chromedp.Click(css(`a[href="/query"]`)))
				settles(t, ctx, `document.querySelector("#who")?.textContent.includes("may read DEMO")`)
				assert.True(t, eval[bool](t, ctx, `document.querySelector("#signin").hidden`))
				do(t, ctx, script(`document.querySelector("#editor").value = "{ study(code: \"DEMO\") { title } }"`), chromedp.Click(css("#run")), waitFor(`document.querySelector("#result").textContent.includes("title")`))
				do(t, ctx, chromedp.Navigate(base+"/staff"))
			}
			do(t, ctx, chromedp.Click(css("header button")))
			settles(t, ctx, `document.querySelector("main").textContent.includes("You are signed out.")`)
			if scripts {
				fits(t, ctx, "staff-in")
				screenshots(t, ctx, "staff-in")
			}

			// By keyboard alone, first with the one-time password that was used.
			signIn := func(once string) {
				do(t, ctx, chromedp.Focus(css("#name")), chromedp.KeyEvent(name+kb.Tab+staffPassword+kb.Tab+once+kb.Enter))
			}
			signIn(once)
			settles(t, ctx, `document.querySelector("[role=alert]")?.textContent.includes("do not fit")`)
			once, err = totp.GenerateCode(secret, time.Now().Add(30*time.Second)) // a clock that is ahead
			require.NoError(t, err)
			signIn(once)
			settles(t, ctx, `document.querySelector("main").textContent.includes("Your part: researcher.")`)
		})
	}
}

func TestParticipantsSignInInABrowser(t *testing.T) {
	base, _, _, data := serveDemo(t)
	var c access.Credential
	doorOf(t, data, func(a *access.Store) {
		var err error
		c, err = a.IssueCode(t.Context(), access.Participant{Study: "DEMO", Couple: "001", Role: "A"})
		require.NoError(t, err)
	})
	ctx := browser(t)
	do(t, ctx, chromedp.EmulateViewport(360, 740), withoutScript, chromedp.Navigate(base+"/in"))
	fits(t, ctx, "signin")
	screenshots(t, ctx, "signin")
	assert.Equal(t, "Journal", eval[string](t, ctx, "document.title"), "nothing of the study for whoever looks at the tabs")
	wrong := strings.Replace(c.PIN, c.PIN[:1], string('0'+(c.PIN[0]-'0'+1)%10), 1)
	do(t, ctx, chromedp.Focus(css("#code")), chromedp.KeyEvent(strings.ToLower(c.Code.String())+kb.Tab+wrong+kb.Enter))
	settles(t, ctx, `document.querySelector("[role=alert]")?.textContent.includes("do not fit")`)
	fits(t, ctx, "refused")
	assert.Empty(t, eval[string](t, ctx, `document.querySelector("#code").value + document.querySelector("#pin").value`), "nothing is left in the page")
	assert.Empty(t, eval[string](t, ctx, "document.cookie"))
}
