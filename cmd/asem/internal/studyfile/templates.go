package studyfile

import (
	"embed"
	"path"
	"strings"
)

//go:embed templates/*.yaml
var templates embed.FS

// Template is a ready plan to start from.
type Template struct {
	Name  string // "eight-months"
	Title string // the first line of its comment
	Text  []byte
}

// Templates returns the ready plans in alphabetical order. They hold placeholders, of which reading them warns.
func Templates() []Template {
	entries, err := templates.ReadDir("templates")
	if err != nil {
		panic(err) // embedded: it is there or the program was not built
	}
	list := make([]Template, len(entries))
	for i, e := range entries {
		text, err := templates.ReadFile(path.Join("templates", e.Name()))
		if err != nil {
			panic(err)
		}
		title, _, _ := strings.Cut(strings.TrimPrefix(string(text), "# "), "\n")
		list[i] = Template{strings.TrimSuffix(e.Name(), ".yaml"), title, text}
	}
	return list
}

// TemplateNamed returns the ready plan with a name.
func TemplateNamed(name string) (Template, bool) {
	for _, t := range Templates() {
		if t.Name == name {
			return t, true
		}
	}
	return Template{}, false
}
