package web

import (
	"net/http"
	"strings"

	"asem/domain"
)

// line is where help is found.
type line struct{ Label, Number, Tel, Link string }

// help shows whom a person can turn to, and how the journal keeps things private.
func (v *visit) help() {
	var lines []line
	for i, s := range v.past.Study.Protocol.Sites {
		if s.Code != v.past.Couple.Site && (v.past.Couple.Site != "" || i > 0) {
			continue
		}
		lines = v.lines(s.Help)
	}
	v.render(http.StatusOK, "help", "help", lines)
}

func (v *visit) lines(list []domain.HelpLine) (lines []line) {
	for _, h := range list {
		label, _ := wording(h.Label, v.Tag, v.past.Study.Protocol.AskedIn())
		lines = append(lines, line{Label: label, Number: h.Number, Link: h.Link, Tel: strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' || r == '+' || r == '*' || r == '#' {
				return r
			}
			return -1
		}, h.Number)})
	}
	return lines
}
