package texts

import (
	"bytes"
	"embed"
	htmltemplate "html/template"
	"strings"
	"text/template"
)

//go:embed letter.txt letter.html
var files embed.FS

var (
	plain = template.Must(template.ParseFS(files, "letter.txt"))
	html  = htmltemplate.Must(htmltemplate.ParseFS(files, "letter.html"))
)

// Values are what a letter is filled with.
type Values struct {
	Link    string
	Until   string // see [Words.Until]
	Minutes string
	Subject string // instead of the letter's own; empty: that
	Name    string // of whom it is from, as a signature; empty: none
}

// Rendered is a letter as it is sent.
type Rendered struct {
	Subject string
	Text    string
	HTML    string
}

// Render makes a letter.
func (w Words) Render(l Letter, v Values) (Rendered, error) {
	filled := func(s string) string { return fill(s, "{until}", v.Until, "{minutes}", v.Minutes) }
	paragraphs := func(list []string) []string {
		out := make([]string, len(list))
		for i, p := range list {
			out[i] = filled(p)
		}
		return out
	}
	page := struct {
		Words
		Subject, Greeting, Button, Link, Name string
		Before, After                         []string
	}{w, filled(l.Subject), l.Greeting, l.Button, v.Link, v.Name, paragraphs(l.Before), paragraphs(l.After)}
	if v.Subject != "" {
		page.Subject = v.Subject
	}
	var text, rich bytes.Buffer
	if err := plain.Execute(&text, page); err != nil {
		return Rendered{}, err
	}
	if err := html.Execute(&rich, page); err != nil {
		return Rendered{}, err
	}
	return Rendered{page.Subject, text.String(), rich.String()}, nil
}

func fill(s string, pairs ...string) string { return strings.NewReplacer(pairs...).Replace(s) }
