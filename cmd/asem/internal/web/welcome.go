package web

import (
	"net/http"

	"asem/domain"
)

// welcome is what a person sees first: what this is, and whether it is meant for them.
func (v *visit) welcome() {
	v.render(http.StatusOK, "welcome", "", v.who.Paired)
}

// confirmPairing takes the person's word that the pair is right. The partner is asked alone, and hears nothing of it.
func (v *visit) confirmPairing() {
	if err := v.r.ParseForm(); err != nil {
		v.bad()
		return
	}
	switch v.r.PostForm.Get("right") {
	case "yes":
		if v.carryOut(domain.ConfirmPairing{Study: v.me.Study, Couple: v.me.Couple, Role: v.me.Role}) {
			v.redirect("/me/consent?first")
		}
	case "no":
		v.render(http.StatusOK, "message", "", message{Title: v.T("pairing.no"), Lines: []string{v.T("pairing.noText")}})
	default:
		v.bad()
	}
}
