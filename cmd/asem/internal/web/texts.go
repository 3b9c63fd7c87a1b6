package web

import "fmt"

// texts are what participants read on the pages of this package, by key.
var texts = map[string]string{
	"signin.title":        "Sign in",
	"signin.code":         "Code",
	"signin.code.hint":    "Nine letters and digits, from your card.",
	"signin.pin":          "PIN",
	"signin.pin.hint":     "Six digits.",
	"signin.submit":       "Sign in",
	"signin.or":           "Or by e-mail",
	"signin.email":        "E-mail address",
	"signin.email.submit": "Send me a link",
	"signin.sent":         "Look into your mailbox",
	"signin.sent.text":    "If this address is known here, a link is on its way to it. It works once, within 15 minutes.",
	"signin.sent.again":   "Nothing came? Look into the spam folder, or use your code and PIN.",
	"signin.back":         "Back to sign-in",
	"signin.link":         "Sign in",
	"signin.link.text":    "Press the button to go on. The link then works no more.",
	"signin.link.submit":  "Go on",
	"signin.link.old":     "This link works no more. It may have been used already, or is older than 15 minutes. Ask for a new one, or use your code and PIN.",
	"signin.mistyped":     "The code has a typing mistake. It has nine letters and digits, for example 234-678-9AC; it has no O, I, L, U, 0, 1 or 5.",
	"signin.refused":      "Code and PIN do not fit. Please look at your card and try again.",
	"signin.limited":      "There were too many attempts. Please wait ten minutes and try again.",
	"signin.email.bad":    "This is no e-mail address. It should look like name@example.org.",
	"signin.expired":      "You are signed out. Please sign in and send it again.",
	"signin.out":          "You are signed out.",
}

// english is the language of the pages until others are there.
type english struct{}

func (english) Tag() string { return "en" }
func (english) Dir() string { return "ltr" }

// T returns the text with a key.
func (english) T(key string) string {
	t, ok := texts[key]
	if !ok {
		panic(fmt.Sprintf("web: there is no text %q", key)) // a template or handler of ours; tests load them all
	}
	return t
}
