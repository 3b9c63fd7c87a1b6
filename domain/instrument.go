package domain

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Instrument is one version of a questionnaire with its scoring key. Wording may be absent: keys of
// published instruments ship without it, and a lab loads the wording that it is entitled to. Neither
// key nor wording of a version ever changes: what departs from it is another version.
type Instrument struct {
	Code       string  `json:"code"`
	Version    string  `json:"version"`
	Title      string  `json:"title"`
	Source     string  `json:"source,omitempty"`     // the publication that the key is from
	Licence    string  `json:"licence,omitempty"`    // who may use it
	Target     string  `json:"target,omitempty"`     // whom it asks about: "partner", "general"
	Frame      string  `json:"frame,omitempty"`      // the time it asks about: "today", "right now"
	Adaptation string  `json:"adaptation,omitempty"` // how it departs from what was published
	Note       string  `json:"note,omitempty"`       // what to check before use
	Items      []Item  `json:"items"`
	Scales     []Scale `json:"scales"`
}

// Item is one question. It is known by its id, never by its place: the same items are in use in several orders.
// An answer is a whole number from Min to Max. Limits belong to the item, as the items of one scale may differ.
type Item struct {
	ID      string                       `json:"id"`
	Tag     string                       `json:"tag,omitempty"` // a few words, not the wording, to check a key by
	Min     int                          `json:"min"`
	Max     int                          `json:"max"`
	Text    map[string]string            `json:"text,omitempty"`    // wording by language: "en", "de", "he"
	Anchors map[string]map[string]string `json:"anchors,omitempty"` // what a value means: language, then value as text
}

// Scale is a score that the instrument yields.
type Scale struct {
	Code     string      `json:"code"` // of the construct: "avoidance"
	Title    string      `json:"title,omitempty"`
	Items    []KeyedItem `json:"items"`
	Method   Method      `json:"method"`
	Missing  MissingRule `json:"missing"`
	HigherIs string      `json:"higherIs,omitempty"` // in words: "more avoidant"
}

// KeyedItem is an item's part in a scale. Reversal is a matter of the scale: an item may count as it is in
// one and reversed in another.
type KeyedItem struct {
	ID      string `json:"id"`
	Reverse bool   `json:"reverse,omitempty"` // scored as min + max - answer
}

// Method says how answers become a score.
type Method string

// The methods.
const (
	Mean Method = "mean"
	Sum  Method = "sum"
)

// MissingRule says what becomes of a score when answers are missing. The zero rule is PersonMean up to
// DefaultMaxShare; a shipped key spells its rule out, and so should a preregistration.
type MissingRule struct {
	Rule     string  `json:"rule"`
	MaxShare float64 `json:"maxShare,omitempty"` // PersonMean: the largest share of the scale's items that may be missing; 0 means DefaultMaxShare
}

// The missing rules: the person's mean of the answered items stands for the missing ones, or no score is given.
const (
	PersonMean      = "person-mean"
	RequireComplete = "require-complete"
)

// DefaultMaxShare is the share of a scale's items that may be missing unless its rule says otherwise.
const DefaultMaxShare = 0.20

// allowed returns how many of n items may be missing.
func (r MissingRule) allowed(n int) int {
	if r.Rule == RequireComplete {
		return 0
	}
	share := r.MaxShare
	if share == 0 {
		share = DefaultMaxShare
	}
	// 0.2 is no binary fraction: without the tolerance a product just below 3 could forbid the third of 15 items.
	return int(share*float64(n) + 1e-9)
}

// Answer is what a participant answered to one item: a value, or the reason why there is none.
type Answer struct {
	Item    string `json:"item"`
	Value   *int   `json:"value,omitempty"`   // raw: reversal and scoring never change it
	Missing string `json:"missing,omitempty"` // one of the reasons; empty if Value is set
}

// Why an answer is missing.
const (
	MissingSkipped       = "skipped"        // shown, and left unanswered
	MissingNotShown      = "not-shown"      // never shown
	MissingNotApplicable = "not-applicable" // does not apply to this person
)

func knownMissing(reason string) bool {
	return reason == MissingSkipped || reason == MissingNotShown || reason == MissingNotApplicable
}

// maxLimit bounds item limits, so that sums over any scale are exact in a float64.
const maxLimit = 1_000_000

var languagePattern = regexp.MustCompile(`^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$`)

// Validate reports every way in which the instrument contradicts itself, all joined.
func (in Instrument) Validate() error {
	var k checks
	k.add(CheckCode("code", in.Code))
	k.add(CheckCode("version", in.Version))
	k.that(in.Title != "", "title", "the title is empty")
	for _, field := range []struct{ path, text string }{{"title", in.Title}, {"source", in.Source}, {"licence", in.Licence}, {"target", in.Target},
		{"frame", in.Frame}, {"adaptation", in.Adaptation}, {"note", in.Note}} {
		k.text(field.path, field.text)
	}
	k.that(len(in.Items) > 0, "items", "the instrument asks nothing; expected at least one item")
	items := make(map[string]Item, len(in.Items))
	for i, it := range in.Items {
		path := fmt.Sprintf("items[%d]", i)
		_, twice := items[it.ID]
		k.that(!twice, path+".id", "item %q stands twice", it.ID)
		items[it.ID] = it
		it.check(path, &k)
	}
	scales := map[string]bool{}
	for i, s := range in.Scales {
		path := fmt.Sprintf("scales[%d]", i)
		k.add(CheckCode(path+".code", s.Code))
		k.that(!scales[s.Code], path+".code", "scale %q stands twice", s.Code)
		scales[s.Code] = true
		s.check(path, items, &k)
	}
	return k.err()
}

func (it Item) check(path string, k *checks) {
	k.add(CheckCode(path+".id", it.ID))
	k.text(path+".tag", it.Tag)
	k.that(it.Min < it.Max, path, "item %s runs from %d to %d; expected the smallest value below the largest", it.ID, it.Min, it.Max)
	k.that(it.Min >= -maxLimit && it.Max <= maxLimit, path, "item %s runs from %d to %d; expected limits within -%d to %d", it.ID, it.Min, it.Max, maxLimit, maxLimit)
	for _, lang := range slices.Sorted(maps.Keys(it.Text)) {
		at := path + ".text." + lang
		k.language(at, lang)
		k.that(it.Text[lang] != "", at, "the wording is empty; leave the language out where there is none")
		k.text(at, it.Text[lang])
	}
	for _, lang := range slices.Sorted(maps.Keys(it.Anchors)) {
		k.language(path+".anchors."+lang, lang)
		for _, value := range slices.Sorted(maps.Keys(it.Anchors[lang])) {
			at := path + ".anchors." + lang + "." + value
			v, err := strconv.Atoi(value)
			k.that(err == nil && strconv.Itoa(v) == value && v >= it.Min && v <= it.Max, at, "%q is not a value of item %s; expected a whole number from %d to %d", value, it.ID, it.Min, it.Max)
			k.text(at, it.Anchors[lang][value])
		}
	}
}

func (s Scale) check(path string, items map[string]Item, k *checks) {
	k.text(path+".title", s.Title)
	k.text(path+".higherIs", s.HigherIs)
	k.that(len(s.Items) > 0, path+".items", "scale %s has no items; expected at least one", s.Code)
	k.that(s.Method == Mean || s.Method == Sum, path+".method", "%q is not a method; expected %s or %s", s.Method, Mean, Sum)
	seen := map[string]bool{}
	var first *Item
	mixed := false
	for j, keyed := range s.Items {
		path := fmt.Sprintf("%s.items[%d]", path, j)
		it, known := items[keyed.ID]
		k.that(known, path, "scale %s names item %q, which the instrument does not have", s.Code, keyed.ID)
		k.that(!seen[keyed.ID], path, "scale %s names item %q twice", s.Code, keyed.ID)
		seen[keyed.ID] = true
		switch {
		case !known:
		case first == nil:
			first = &it
		default:
			mixed = mixed || it.Min != first.Min || it.Max != first.Max
		}
	}
	s.Missing.check(path+".missing", k)
	k.that(!mixed || s.Missing.Rule == RequireComplete, path+".missing.rule",
		"the items of scale %s have different limits, so that their mean cannot stand for a missing one; expected %s", s.Code, RequireComplete)
}

func (r MissingRule) check(path string, k *checks) {
	switch r.Rule {
	case PersonMean, "":
		k.that(r.MaxShare >= 0 && r.MaxShare < 1, path+".maxShare", "the share is %v; expected 0 to below 1, where 0 means %v", r.MaxShare, DefaultMaxShare)
	case RequireComplete:
		k.that(r.MaxShare == 0, path+".maxShare", "the rule %s allows nothing to be missing, yet there is a share of %v", r.Rule, r.MaxShare)
	default:
		k.that(false, path+".rule", "%q is not a rule; expected %s or %s", r.Rule, PersonMean, RequireComplete)
	}
}

// text refuses what could not be stored and read back unchanged.
func (c *checks) text(path, text string) {
	c.that(utf8.ValidString(text), path, "the text is not valid UTF-8")
}

func (c *checks) language(path, tag string) {
	c.that(languagePattern.MatchString(tag), path, "%q is not a language; expected a tag such as en, de or he", tag)
}

// Item returns the item with an id.
func (in Instrument) Item(id string) (Item, bool) {
	return find(in.Items, func(it Item) bool { return it.ID == id })
}

// CheckAnswers refuses answers that the instrument cannot have: to an unknown item, twice to one item, out of
// the item's range, with both or neither of a value and a reason. All problems are joined, each under the id of its
// item, or its place if there is no such item; none repeats what was answered. An item without any answer is no error: it is missing.
func (in Instrument) CheckAnswers(answers []Answer) error {
	var k checks
	seen := make(map[string]bool, len(answers))
	for i, a := range answers {
		it, ok := in.Item(a.Item)
		if !ok {
			k.that(false, fmt.Sprintf("answers[%d].item", i), "%s has no item %q", in.Ref(), a.Item)
			continue
		}
		k.that(!seen[a.Item], a.Item, "the item is answered twice")
		seen[a.Item] = true
		switch {
		case a.Value == nil:
			k.that(knownMissing(a.Missing), a.Item, "there is neither a value nor a known reason why it is missing; expected %d to %d, or %s, %s or %s",
				it.Min, it.Max, MissingSkipped, MissingNotShown, MissingNotApplicable)
		case a.Missing != "":
			k.that(false, a.Item, "there is both a value and a reason why it is missing; expected one of them")
		default:
			k.that(it.takes(*a.Value), a.Item, "the answer is out of range; expected %d to %d", it.Min, it.Max)
		}
	}
	return k.err()
}

func (it Item) takes(value int) bool { return value >= it.Min && value <= it.Max }

// ScaleRange returns the smallest and largest score that a scale can have.
func (in Instrument) ScaleRange(s Scale) (lo, hi float64) {
	n := 0.0
	for _, k := range s.Items {
		if it, ok := in.Item(k.ID); ok {
			lo, hi, n = lo+float64(it.Min), hi+float64(it.Max), n+1
		}
	}
	if s.Method == Mean && n > 0 {
		lo, hi = lo/n, hi/n
	}
	return lo, hi
}

// clone shares nothing with the instrument it is made from.
func (in Instrument) clone() Instrument {
	in.Items = slices.Clone(in.Items)
	for i := range in.Items {
		it := &in.Items[i]
		it.Text = maps.Clone(it.Text)
		it.Anchors = maps.Clone(it.Anchors)
		for lang, anchors := range it.Anchors {
			it.Anchors[lang] = maps.Clone(anchors)
		}
	}
	in.Scales = slices.Clone(in.Scales)
	for i := range in.Scales {
		in.Scales[i].Items = slices.Clone(in.Scales[i].Items)
	}
	return in
}
