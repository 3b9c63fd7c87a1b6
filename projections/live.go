package projections

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"asem/analysis/frame"
	"asem/domain"
	"asem/events"
)

// Live keeps the models that studies have registered fitted to the data as they come in. It holds the data of those studies in memory; when an answer comes
// in, only the rows of its couple are read again, by the same queries that make a whole data set. What changes more
// than one couple's rows (a protocol, a rating, an erasure) has the data read anew.
//
// Events that come in while a model is fitted are taken together for the next fit. A result is never changed once it is published, and names the position it stands on.
type Live struct {
	store  *Store
	log    events.Reader
	logger *slog.Logger

	at      events.Position // up to which the data are in studies
	studies map[string]*liveStudy

	mu      sync.Mutex
	fits    map[modelName]LiveFit
	changed chan struct{} // closed and replaced when fits changes
}

type modelName struct{ study, name string }

// LiveFit is what a registered model came to.
type LiveFit struct {
	Model    RegisteredModel
	Fit      *FittedModel // nil: Err says why
	Err      error        // of spec or data, with a code; or nil
	Data     *frame.Frame // that it was fitted to
	From     Provenance   // without the hash of the data, which takes long
	FittedAt time.Time
	Took     time.Duration // reading and fitting
}

// NewLive returns live models that fit nothing yet; see [Live.Run].
func NewLive(store *Store, log events.Reader, logger *slog.Logger) *Live {
	return &Live{store: store, log: log, logger: logger, studies: map[string]*liveStudy{}, fits: map[modelName]LiveFit{}, changed: make(chan struct{})}
}

// Fit returns what a registered model came to last, and false if it is not registered or was not fitted yet.
func (l *Live) Fit(study, name string) (LiveFit, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f, ok := l.fits[modelName{study, name}]
	return f, ok
}

// Wait returns the fit of a model once it stands on a position or a later one, or ctx's error if that ends first.
func (l *Live) Wait(ctx context.Context, study, name string, at events.Position) (LiveFit, error) {
	for {
		l.mu.Lock()
		f, ok := l.fits[modelName{study, name}]
		changed := l.changed
		l.mu.Unlock()
		if ok && f.From.Position >= at {
			return f, nil
		}
		select {
		case <-ctx.Done():
			return LiveFit{}, ctx.Err()
		case <-changed:
		}
	}
}

// Run keeps the models fitted until ctx ends.
func (l *Live) Run(ctx context.Context) {
	for ctx.Err() == nil {
		err := l.step(ctx)
		if err != nil && ctx.Err() == nil {
			l.logger.Warn("registered models could not be brought up to date", "error", err.Error())
			l.studies = map[string]*liveStudy{} // read anew
			l.at = 0
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
			continue
		}
		_ = l.store.WaitFor(ctx, l.at+1) // only ctx ends it early
	}
}

// step brings every registered model up to what the read models show now.
func (l *Live) step(ctx context.Context) error {
	began := time.Now()
	view, err := l.store.View(ctx, AsOf{})
	if err != nil {
		return err
	}
	if view.at < l.at { // the read models were lost and begin anew
		l.studies = map[string]*liveStudy{}
	}
	models, err := view.Models(ctx, "")
	if err != nil {
		return err
	}
	touched, err := l.touched(ctx, view.at)
	if err != nil {
		return err
	}
	fits := map[modelName]LiveFit{}
	studies := map[string]*liveStudy{}
	for _, m := range models {
		id := modelName{m.Study, m.Name}
		set := liveSet{m.Study, m.Frame}
		s := studies[set.key()]
		if s == nil {
			if s, err = l.refresh(ctx, view, set, touched[m.Study]); err != nil {
				return err
			}
			studies[set.key()] = s
		}
		old, known := l.Fit(m.Study, m.Name)
		if known && old.Model.Since == m.Since && !s.changed {
			old.From.Position = view.at // nothing in between concerns it
			fits[id] = old
			continue
		}
		if fits[id], err = l.fit(ctx, m, s, began, old); err != nil {
			return err
		}
	}
	l.studies, l.at = studies, view.at
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fits = fits
	close(l.changed)
	l.changed = make(chan struct{})
	return nil
}

// fit fits a model to the data of its study. What is wrong with the model or the data is part of the result.
func (l *Live) fit(ctx context.Context, m RegisteredModel, s *liveStudy, began time.Time, earlier LiveFit) (LiveFit, error) {
	f := LiveFit{Model: m, Data: s.frame, From: s.from, Err: s.err}
	if f.Err != nil {
		return f, nil //nolint:nilerr // part of the result
	}
	spec := SpecOf(m.ChangeModel)
	warm := earlier.Fit
	if earlier.Model.Since != m.Since {
		warm = nil
	}
	var couples []string
	if earlier.Data == s.before {
		couples = s.couples
	}
	f.Fit, f.Err = spec.Refit(ctx, s.frame, warm, couples...)
	if f.Err != nil && warm != nil { // the data have changed so much that the model has other parameters
		f.Fit, f.Err = spec.Fit(ctx, s.frame)
	}
	if ctx.Err() != nil {
		return f, ctx.Err()
	}
	f.FittedAt, f.Took = time.Now().UTC(), time.Since(began)
	return f, nil
}

// SpecOf returns the spec of a registered model. Its columns are those of the study's data.
func SpecOf(m domain.ChangeModel) ModelSpec {
	s := ModelSpec{Kind: m.Kind, Outcome: m.Outcome, Couple: "couple", Role: "role", Time: m.Time, Fixed: m.Fixed, Random: m.Random, Contrasts: m.Contrasts, ResidualVariance: m.ResidualVariance,
		CrossPartner: m.CrossPartner, Serial: m.Serial, Predictors: m.Predictors, Reliability: m.Reliability, Pooled: m.Pooled, CompletePairs: m.CompletePairs, Occasions: m.Occasions,
		Method: m.Method, DF: m.DF, Level: m.Level}
	if m.Exchangeable {
		s.Person, s.Role = "person", ""
	}
	return s
}

// touch is what events did to the data of a study.
type touch struct {
	couples map[string]bool // whose own rows of waves changed
	diary   bool            // rows of the diary may have
	all     bool            // more may have
}

// concerns reports whether a data set may have changed. A nil touch is of a study in which nothing happened.
func (t *touch) concerns(frame string) bool {
	if t == nil {
		return false
	}
	return t.all || frame == "waves" && len(t.couples) > 0 || frame == "diary" && t.diary
}

// maxTouched is after how many events it is not worth looking at them one by one.
const maxTouched = 5000

// touched reads what came in since the last step.
func (l *Live) touched(ctx context.Context, upTo events.Position) (map[string]*touch, error) {
	by := map[string]*touch{}
	if l.at == 0 || upTo-l.at > maxTouched {
		for _, s := range l.studies {
			by[s.set.study] = &touch{all: true}
		}
		return by, nil
	}
	return by, events.Scan(ctx, l.log, l.at, upTo, func(list []events.Envelope) error {
		for _, e := range list {
			t := by[e.Study]
			if t == nil {
				t = &touch{couples: map[string]bool{}}
				by[e.Study] = t
			}
			couple, ok := strings.CutPrefix(string(e.Stream), string(events.CoupleStream(e.Study, "")))
			switch e.Type {
			case "questionnaire.submitted", "answer.corrected", "score.recorded", "score.corrected":
				t.couples[couple] = true
				t.all = t.all || !ok
			case "diary.submitted", "consent.given", "session.held": // days of a diary may be counted from the last two
				t.diary = true
			case "consent.withdrawn", "wave.missed", "diary.missed", "participant.moved", "interaction.recorded", "clip.cut", "participant.withdrew", "couple.separated", "model.registered", "model.retired",
				"contact.changed", "language.chosen", "pairing.confirmed", "separation.reported", "change.noted", "randomisation.seeded", "place.taken",
				"prompt.scheduled", "prompt.sent", "prompt.accepted", "prompt.failed", "prompt.opened", "form.started", "note.written", "risk.raised", "note.read", "risk.handled":
				// no data set shows them
			case "couple.enrolled", "participant.joined":
				// nobody has values before the first answer
			default:
				t.all = true
			}
		}
		return nil
	})
}

// liveSet names a data set of a study.
type liveSet struct{ study, frame string }

func (s liveSet) key() string { return s.study + "\x00" + s.frame }

// liveStudy is a data set in memory.
type liveStudy struct {
	set     liveSet
	frame   *frame.Frame
	from    Provenance
	shape   *waveShape
	err     error // why there are no data: with a code
	changed bool  // since the step before

	before  *frame.Frame // of which the rows of some couples were replaced, or nil
	couples []string
}

// refresh returns the data set as it stands at the view. Frames that were published stay as they are.
func (l *Live) refresh(ctx context.Context, view View, set liveSet, t *touch) (*liveStudy, error) {
	old := l.studies[set.key()]
	switch {
	case old != nil && !t.concerns(set.frame):
		same := *old
		same.changed, same.from.Position = false, view.at
		same.before, same.couples = nil, nil
		return &same, nil
	case old == nil || old.err != nil || t.all || set.frame != "waves" || len(t.couples) > 100:
		return l.load(ctx, view, set)
	}
	study, err := view.Study(ctx, set.study)
	if err != nil {
		return nil, err
	}
	now := *old
	now.changed, now.before, now.couples = true, old.frame, slices.Sorted(maps.Keys(t.couples))
	columns := columnsOfFrame(old.frame)
	for _, couple := range now.couples {
		part, err := view.waveFrame(ctx, study, coupleKey(set.study, couple), old.shape)
		if err != nil {
			return nil, err
		}
		if !now.splice(columns, couple, part) {
			return l.load(ctx, view, set)
		}
	}
	if now.frame, err = frame.New(columns...); err != nil {
		return nil, fmt.Errorf("make the data of study %s: %w", set.study, err)
	}
	now.from.Position = view.at
	now.from.RecordedAt, err = view.RecordedAt(ctx)
	return &now, err
}

func columnsOfFrame(f *frame.Frame) []frame.Column {
	list := make([]frame.Column, 0, len(f.Names()))
	for _, name := range f.Names() {
		c, _ := f.Column(name)
		list = append(list, c)
	}
	return list
}

// splice puts the rows of a couple in the place of those it had. It reports false if the couple has something that the data set has no column for.
func (s *liveStudy) splice(columns []frame.Column, couple string, part Dataset) bool {
	fresh := columnsOfFrame(part.Frame)
	if len(fresh) != len(columns) || len(part.shape.scores.by) != len(s.shape.scores.by) {
		return false
	}
	for c, instruments := range part.shape.scores.by {
		if len(instruments) != len(s.shape.scores.by[c]) {
			return false
		}
	}
	couples := columns[0]
	from := sort.Search(couples.Len(), func(i int) bool { return frame.Natural(couples.Label(i), couple) >= 0 })
	to := from
	for to < couples.Len() && couples.Label(to) == couple {
		to++
	}
	for i, c := range columns {
		if fresh[i].Name != c.Name || fresh[i].IsNumeric() != c.IsNumeric() {
			return false
		}
		columns[i] = spliced(c, from, to, fresh[i])
	}
	return true
}

// spliced returns a column with other rows in the place of some.
func spliced(c frame.Column, from, to int, by frame.Column) frame.Column {
	if c.IsNumeric() {
		return frame.Numeric(c.Name, slices.Concat(c.Values[:from], by.Values, c.Values[to:]))
	}
	// Where the same labels come and go, the levels stay what they are.
	code, same := map[string]int{}, true
	for i := from; i < to; i++ {
		code[c.Label(i)] = c.Codes[i]
	}
	codes, used := make([]int, by.Len()), map[string]bool{}
	for i := range codes {
		k, ok := code[by.Label(i)]
		codes[i], used[by.Label(i)], same = k, true, same && ok
	}
	if same && len(used) == len(code) {
		return frame.Column{Name: c.Name, Codes: slices.Concat(c.Codes[:from], codes, c.Codes[to:]), Levels: c.Levels}
	}
	labels := make([]string, 0, c.Len()-to+from+by.Len())
	for i := range from {
		labels = append(labels, c.Label(i))
	}
	for i := range by.Len() {
		labels = append(labels, by.Label(i))
	}
	for i := to; i < c.Len(); i++ {
		labels = append(labels, c.Label(i))
	}
	return frame.Categorical(c.Name, labels)
}

// load reads a whole data set.
func (l *Live) load(ctx context.Context, view View, set liveSet) (*liveStudy, error) {
	read := view.WaveFrame
	if set.frame == "diary" {
		read = view.DiaryFrame
	}
	data, err := read(ctx, set.study)
	if code := domain.CodeOf(err); code == domain.NotFound || code == domain.Invalid { // as yet: nobody has answered, or nothing is published
		s := &liveStudy{set: set, err: err, changed: true}
		s.from.Position = view.at
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	s := &liveStudy{set: set, frame: data.Frame, from: data.Provenance, shape: data.shape, changed: true}
	s.from.DataHash = ""
	return s, nil
}
