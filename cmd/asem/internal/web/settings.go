package web

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"asem/cmd/asem/internal/web/language"
	"asem/domain"
)

type settingsPage struct {
	First     bool
	Saved     bool
	Languages []*language.Language
	Language  string
	Zones     []zoneGroup
	Zone      string
	ZoneNow   string
	Email     string
	Faults    []fault
}

// fault returns what is wrong with a field.
func (p settingsPage) Fault(name string) string {
	for _, f := range p.Faults {
		if f.Name == name {
			return f.Text
		}
	}
	return ""
}

func (v *visit) settings() { v.showSettings(http.StatusOK, v.who.Zone, v.who.Email, nil) }

func (v *visit) showSettings(status int, zone, email string, faults []fault) {
	page := settingsPage{First: v.r.URL.Query().Has("first"), Saved: v.r.URL.Query().Has("saved"), Language: v.Tag, Zone: zone, Zones: zonesWith(zone), Email: email, Faults: faults}
	for _, tag := range v.past.Study.Protocol.AskedIn() {
		if l, ok := language.For(tag); ok {
			page.Languages = append(page.Languages, l)
		}
	}
	if z, err := time.LoadLocation(zone); err == nil {
		page.ZoneNow = v.T("settings.zoneNow", v.Time(v.now.In(z)))
	}
	v.render(status, "settings", "choices", page)
}

// changeSettings changes what differs from what is.
func (v *visit) changeSettings() {
	if err := v.r.ParseForm(); err != nil {
		v.bad()
		return
	}
	form := v.r.PostForm
	tag, zone, email := form.Get("language"), form.Get("zone"), strings.TrimSpace(form.Get("email"))
	orders := []struct {
		field, legend, problem string
		changed                bool
		command                domain.Command
	}{
		{"zone", "settings.zone", "error.zone", zone != v.who.Zone, domain.MoveParticipant{Study: v.me.Study, Couple: v.me.Couple, Role: v.me.Role, Zone: zone, At: v.now}},
		{"email", "settings.email", "error.email", email != v.who.Email, domain.ChangeContact{Study: v.me.Study, Couple: v.me.Couple, Role: v.me.Role, Email: email}},
		{"language", "settings.language", "error.language", tag != v.who.Language && (tag != v.Tag || v.who.Language != ""), domain.ChooseLanguage{Study: v.me.Study, Couple: v.me.Couple, Role: v.me.Role, Language: tag}},
	}
	var faults []fault
	for _, o := range orders {
		if !o.changed {
			continue
		}
		_, err := domain.Decide(v.past, o.command) // so that all that is wrong is said at once, and nothing is half done
		if domain.CodeOf(err) == domain.Invalid && err != nil {
			faults = append(faults, fault{o.field, v.T(o.legend), v.T(o.problem)})
		} else if err != nil {
			v.failed(err)
			return
		}
	}
	if email != v.who.Email && len(faults) == 0 {
		err := v.setEmail(email)
		switch {
		case err == nil:
		case domain.CodeOf(err) == domain.Invalid:
			faults = append(faults, fault{"email", v.T("settings.email"), v.T("error.email")})
		case domain.CodeOf(err) == domain.Conflict:
			faults = append(faults, fault{"email", v.T("settings.email"), v.T("error.emailTaken")})
		default:
			v.failed(err)
			return
		}
	}
	if len(faults) > 0 {
		v.showSettings(http.StatusUnprocessableEntity, zone, email, faults)
		return
	}
	for _, o := range orders {
		if o.changed && !v.carryOut(o.command) {
			return
		}
	}
	if form.Get("first") != "" {
		v.redirect("/me")
		return
	}
	v.redirect("/me/settings?saved")
}

// setEmail lets the person ask for sign-in links at an address, or no longer at any.
func (v *visit) setEmail(address string) error {
	if address == "" {
		return v.j.Access.RemoveEmail(v.r.Context(), v.me)
	}
	return v.j.Access.SetEmail(v.r.Context(), v.me, address)
}

// zoneGroup is the zones of one part of the world.
type zoneGroup struct {
	Name  string
	Zones []string
}

// zonesWith lists the zones by parts of the world, and the one that a person has in any case.
func zonesWith(current string) []zoneGroup {
	list := strings.Fields(zoneNames)
	if current != "" && !slices.Contains(list, current) {
		list = append(list, current)
		slices.Sort(list)
	}
	var groups []zoneGroup
	for _, name := range list {
		group, _, _ := strings.Cut(name, "/")
		if n := len(groups); n == 0 || groups[n-1].Name != group {
			groups = append(groups, zoneGroup{Name: group})
		}
		last := &groups[len(groups)-1]
		last.Zones = append(last.Zones, name)
	}
	return groups
}
