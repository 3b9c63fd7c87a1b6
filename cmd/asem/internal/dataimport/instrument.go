package dataimport

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"asem/cmd/asem/internal/yamltext"
	"asem/domain"
)

// wording is what a lab writes to put the wording that it may use to a key that ships.
type wording struct {
	Extends     string                                  `yaml:"extends"` // code@version
	Version     string                                  `yaml:"version"` // absent: that of the key
	Title       string                                  `yaml:"title"`
	Licence     string                                  `yaml:"licence"`
	Adaptation  string                                  `yaml:"adaptation"`
	Note        string                                  `yaml:"note"`
	Items       map[string]map[string]string            `yaml:"items"`       // item -> language -> text
	Anchors     map[string]map[string]string            `yaml:"anchors"`     // of all items: language -> value -> text
	ItemAnchors map[string]map[string]map[string]string `yaml:"itemAnchors"` // of one item, instead: item -> language -> value -> text
}

// ParseInstrument reads an instrument from YAML. The text is either a whole instrument, with the keys that
// [domain.Instrument] has in JSON, or wording for a key that ships: extends names it, items gives each item's text by language.
// A lab that used the key without wording, or with another, gives its own a version. Problems have line and column and come joined.
func ParseInstrument(name string, text []byte) (domain.Instrument, error) {
	var probe struct {
		Extends string `yaml:"extends"`
	}
	if d := yamltext.Read(name, text, &probe); d.Has("extends") {
		return parseWording(name, text)
	}
	var in domain.Instrument
	d := yamltext.Read(name, text, &in)
	if !d.Any() {
		validate(d, in)
	}
	return onlyWithout(in, d)
}

// onlyWithout returns the instrument or the problems.
func onlyWithout(in domain.Instrument, d *yamltext.Document) (domain.Instrument, error) {
	if err := d.Result(); err != nil {
		return domain.Instrument{}, err
	}
	return in, nil
}

// validate notes what the domain finds wrong with an instrument, each at its place.
func validate(d *yamltext.Document, in domain.Instrument) {
	for _, r := range yamltext.Refusals(in.Validate()) {
		message := r.Message
		if r.Path != "" {
			message = r.Path + ": " + message
		}
		d.Wrong(r.Path, "%s", message)
	}
}

func parseWording(name string, text []byte) (domain.Instrument, error) {
	var w wording
	d := yamltext.Read(name, text, &w)
	if d.Any() {
		return domain.Instrument{}, d.Result()
	}
	ref, ok := parseRef(w.Extends)
	if !ok {
		d.Wrong("extends", "%q is not an instrument; expected code@version, such as ecr-rs@2011", yamltext.Clip(w.Extends))
		return domain.Instrument{}, d.Result()
	}
	in, ok := domain.Key(ref.Code, ref.Version)
	if !ok {
		var shipped []string
		for _, k := range domain.Keys() {
			shipped = append(shipped, k.Ref().String())
		}
		d.Wrong("extends", "no key %s ships%s", ref, yamltext.DidYouMean(ref.String(), shipped))
		return domain.Instrument{}, d.Result()
	}
	w.into(&in, d)
	if !d.Any() {
		validateWording(d, in)
	}
	return onlyWithout(in, d)
}

// into puts the wording to the key's items.
func (w wording) into(in *domain.Instrument, d *yamltext.Document) {
	for _, set := range []struct {
		from string
		to   *string
	}{{w.Version, &in.Version}, {w.Title, &in.Title}, {w.Licence, &in.Licence}, {w.Adaptation, &in.Adaptation}, {w.Note, &in.Note}} {
		if set.from != "" {
			*set.to = set.from
		}
	}
	w.checkItems(*in, d)
	languages := map[string]bool{}
	for _, byLanguage := range w.Items {
		for lang := range byLanguage {
			languages[lang] = true
		}
	}
	if len(languages) == 0 {
		d.Wrong("items", "there is no wording; expected items with the text of each item by language, such as items: {%s: {en: ...}}", in.Items[0].ID)
		return
	}
	for i := range in.Items {
		it := &in.Items[i]
		for _, lang := range slices.Sorted(maps.Keys(languages)) {
			text := w.Items[it.ID][lang]
			if text == "" {
				d.Wrong("items."+it.ID, "item %s has no wording in %s, which other items have", it.ID, yamltext.Clip(lang))
				continue
			}
			if it.Text == nil {
				it.Text = map[string]string{}
			}
			it.Text[lang] = text
		}
		anchors, own := w.ItemAnchors[it.ID]
		if !own {
			anchors = w.Anchors
		}
		for lang, values := range anchors {
			if it.Anchors == nil {
				it.Anchors = map[string]map[string]string{}
			}
			it.Anchors[lang] = maps.Clone(values)
		}
	}
}

func (w wording) checkItems(in domain.Instrument, d *yamltext.Document) {
	ids := make([]string, len(in.Items))
	for i, it := range in.Items {
		ids[i] = it.ID
	}
	unknown := func(key, id string) {
		if !slices.Contains(ids, id) {
			d.Wrong(key+"."+id, "%s has no item %q%s", w.Extends, yamltext.Clip(id), yamltext.DidYouMean(id, ids))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(w.Items)) {
		unknown("items", id)
	}
	for _, id := range slices.Sorted(maps.Keys(w.ItemAnchors)) {
		unknown("itemAnchors", id)
	}
}

// validateWording notes what the domain finds wrong with a key that got wording. Its paths count items, which the
// text names.
func validateWording(d *yamltext.Document, in domain.Instrument) {
	for _, r := range yamltext.Refusals(in.Validate()) {
		path := r.Path
		var i int
		var rest string // text.en, or anchors.en.6
		if n, _ := fmt.Sscanf(r.Path, "items[%d].%s", &i, &rest); n == 2 && i < len(in.Items) {
			id := in.Items[i].ID
			_, inside, _ := strings.Cut(rest, ".")
			path = "items." + id
			for _, written := range []string{"items." + id + "." + inside, "itemAnchors." + id + "." + inside, rest} {
				if d.Has(written) {
					path = written
					break
				}
			}
		}
		d.Wrong(path, "%s", r.Message)
	}
}
