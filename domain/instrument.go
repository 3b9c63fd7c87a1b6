package domain

import (
	"fmt"
)

// Instrument is one version of a questionnaire with its scoring key. Wording may be absent: keys of
// published instruments ship without it, and a lab loads the wording that it is entitled to.
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

// Item is one question. It is known by its id, never by its place.
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

// KeyedItem is an item's place in a scale's key.
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

// MissingRule says what becomes of a score when answers are missing.
type MissingRule struct {
	Rule     string  `json:"rule"`
	MaxShare float64 `json:"maxShare,omitempty"` // PersonMean: the largest share of items that may be missing
}

// The missing rules: the person's mean of the answered items stands for the missing ones, or no score is given.
const (
	PersonMean      = "person-mean"
	RequireComplete = "require-complete"
)

// Answer is what a participant answered to one item: a value, or the reason why there is none.
type Answer struct {
	Item    string `json:"item"`
	Value   *int   `json:"value,omitempty"`
	Missing string `json:"missing,omitempty"` // one of the reasons; empty if Value is set
}

// Why an answer is missing.
const (
	MissingSkipped       = "skipped"        // shown, and left unanswered
	MissingNotShown      = "not-shown"      // never shown
	MissingNotApplicable = "not-applicable" // does not apply to this person
)

// Validate reports every way in which the instrument contradicts itself.
func (in Instrument) Validate() error {
	var k checks
	k.add(CheckCode("code", in.Code))
	k.add(CheckCode("version", in.Version))
	k.that(in.Title != "", "title", "the title is empty")
	k.that(len(in.Items) > 0, "items", "the instrument asks nothing")
	items := map[string]bool{}
	for i, it := range in.Items {
		path := fmt.Sprintf("items[%d]", i)
		k.add(CheckCode(path+".id", it.ID))
		k.that(!items[it.ID], path+".id", "item %q stands twice", it.ID)
		items[it.ID] = true
		k.that(it.Min < it.Max, path, "item %s runs from %d to %d; expected the smallest value below the largest", it.ID, it.Min, it.Max)
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

func (s Scale) check(path string, items map[string]bool, k *checks) {
	k.that(len(s.Items) > 0, path+".items", "scale %s has no items", s.Code)
	k.that(s.Method == Mean || s.Method == Sum, path+".method", "%q is not a method; expected mean or sum", s.Method)
	switch s.Missing.Rule {
	case PersonMean:
		k.that(s.Missing.MaxShare >= 0 && s.Missing.MaxShare < 1, path+".missing.maxShare", "the share is %v; expected 0 to below 1", s.Missing.MaxShare)
	case RequireComplete:
	default:
		k.that(false, path+".missing.rule", "%q is not a rule; expected %s or %s", s.Missing.Rule, PersonMean, RequireComplete)
	}
	seen := map[string]bool{}
	for j, it := range s.Items {
		path := fmt.Sprintf("%s.items[%d]", path, j)
		k.that(items[it.ID], path, "scale %s names item %q, which the instrument does not have", s.Code, it.ID)
		k.that(!seen[it.ID], path, "scale %s names item %q twice", s.Code, it.ID)
		seen[it.ID] = true
	}
}

// Item returns the item with an id.
func (in Instrument) Item(id string) (Item, bool) {
	return find(in.Items, func(it Item) bool { return it.ID == id })
}

// CheckAnswers refuses answers that the instrument cannot have. Items without an answer are no error:
// they are missing.
func (in Instrument) CheckAnswers(answers []Answer) error {
	var k checks
	seen := map[string]bool{}
	for _, a := range answers {
		it, ok := in.Item(a.Item)
		if !ok {
			k.that(false, a.Item, "%s has no item %q", in.Ref(), a.Item)
			continue
		}
		k.that(!seen[a.Item], a.Item, "the item is answered twice")
		seen[a.Item] = true
		switch {
		case a.Value == nil:
			k.that(a.Missing == MissingSkipped || a.Missing == MissingNotShown || a.Missing == MissingNotApplicable, a.Item,
				"there is neither a value nor a reason why it is missing; expected %s, %s or %s", MissingSkipped, MissingNotShown, MissingNotApplicable)
		case a.Missing != "":
			k.that(false, a.Item, "there is a value and a reason why it is missing")
		default:
			k.that(*a.Value >= it.Min && *a.Value <= it.Max, a.Item, "the answer is out of range; expected %d to %d", it.Min, it.Max)
		}
	}
	return k.err()
}

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
