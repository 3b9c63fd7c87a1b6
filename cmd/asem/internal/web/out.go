package web

import "net/http"

// out asks before signing out: what is saved on the phone is then removed.
func (j *journal) out(v *visit) { v.render(http.StatusOK, "out", "", nil) }

// signOut ends the session. The script has removed what the browser kept before it sends this.
func (j *journal) signOut(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	v := &visit{Language: j.languageOf(r, nil, nil), j: j, w: w, r: r}
	if err := j.Visitors.End(r.Context()); err != nil {
		v.failed(err)
		return
	}
	v.redirect("/in")
}

// exit signs out and leaves at once for a page that says nothing. With a script the browser is there already when this arrives; without one, the answer takes
// it there and is replaced in its history.
func (j *journal) exit(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	v := &visit{Language: j.languageOf(r, nil, nil), j: j, w: w, r: r}
	if err := j.Visitors.End(r.Context()); err != nil {
		j.Logger.Error("a session could not be ended", "error", err) // to leave is what matters now
	}
	v.render(http.StatusOK, "exit", "", nil)
}
