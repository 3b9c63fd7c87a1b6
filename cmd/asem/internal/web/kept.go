package web

import (
	"net/http"
	"time"
)

// keptForms is what a phone keeps, so that forms can be opened while there is no connection. It is of one person, and holds no answers.
type keptForms struct {
	Owner string     `json:"owner"`
	Forms []keptForm `json:"forms"`
}

// keptForm is one of them. Times are milliseconds from now.
type keptForm struct {
	ID       string `json:"id"`
	Occasion int    `json:"occasion"` // parts of the same one come one after the other
	Title    string `json:"title"`
	Lead     string `json:"lead"`
	Until    string `json:"until"` // in words: until when it is in time
	Late     string `json:"late"`  // and until when it is taken late
	Opens    int64  `json:"opens"`
	Closes   int64  `json:"closes"`
	Ends     int64  `json:"ends"`
	Page     string `json:"page"` // without a command: each time it is opened makes one
}

// ahead is how long before it opens a form is given to a phone: who answers every evening then has that of the next.
const ahead = 24 * time.Hour

// kept gives the phone the forms that are open, or will soon be. Nobody has opened them by that, so it starts none.
func (v *visit) kept() {
	all := keptForms{v.opaque("owner"), []keptForm{}}
	for i, o := range v.past.Agenda(v.me.Role) {
		if v.gone() || o.Window.Opens.Sub(v.now) > ahead || !o.Open(later(v.now, o.Window.Opens)) {
			continue
		}
		for _, p := range parts(v.past, o) {
			if _, sent := v.entry(p); sent {
				continue
			}
			questions, ok := v.questions(p)
			if !ok || v.sensitive(p) { // what needs a private moment is not left on a phone; nor does what follows come before it
				break
			}
			page, err := v.page("form", "", v.formOf(p, questions, "", v.now))
			if err != nil {
				v.failed(err)
				return
			}
			from := func(at time.Time) int64 { return at.Sub(v.now).Milliseconds() }
			all.Forms = append(all.Forms, keptForm{ID: v.id(p), Occasion: i, Title: v.titleOf(p), Lead: v.leadOf(p), Until: v.until(o.Window, false, false), Late: v.until(o.Window, true, false),
				Opens: from(o.Window.Opens), Closes: from(o.Window.Closes), Ends: from(o.Window.Ends), Page: string(page)})
		}
	}
	v.json(http.StatusOK, all)
}

// later is the later of two instants.
func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
