package domain_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"asem/domain"
)

// questionnaire has four items of 1 to 5 in two scales; it is sound, and each call returns its own.
func questionnaire() domain.Instrument {
	return domain.Instrument{
		Code: "q", Version: "1", Title: "A questionnaire",
		Items: []domain.Item{
			{ID: "a", Min: 1, Max: 5, Text: map[string]string{"en": "A?", "he": "א?"}, Anchors: map[string]map[string]string{"en": {"1": "no", "5": "yes"}}},
			{ID: "b", Min: 1, Max: 5}, {ID: "c", Min: 1, Max: 5}, {ID: "d", Min: -3, Max: 3},
		},
		Scales: []domain.Scale{
			{Code: "closeness", Items: []domain.KeyedItem{{ID: "a"}, {ID: "b", Reverse: true}, {ID: "c"}}, Method: domain.Mean, Missing: domain.MissingRule{Rule: domain.PersonMean, MaxShare: 0.34}},
			{Code: "tone", Items: []domain.KeyedItem{{ID: "d"}}, Method: domain.Sum, Missing: domain.MissingRule{Rule: domain.RequireComplete}},
		},
	}
}

// problems lists the paths and sentences of a joined error, all of which must be refusals of the input.
func problems(t testing.TB, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var list []string
		for _, e := range joined.Unwrap() {
			list = append(list, problems(t, e)...)
		}
		return list
	}
	var e *domain.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, domain.Invalid, e.Code, e.Error())
	require.NotEmpty(t, e.Path, e.Error())
	return []string{e.Error()}
}

func TestInstrumentValidate(t *testing.T) {
	tests := map[string]struct {
		change func(*domain.Instrument)
		want   []string // how each problem begins
	}{
		"a sound instrument":        {func(*domain.Instrument) {}, nil},
		"no scale: only a record":   {func(in *domain.Instrument) { in.Scales = nil }, nil},
		"the missing rule left out": {func(in *domain.Instrument) { in.Scales[0].Missing = domain.MissingRule{} }, nil},
		"a region in a language":    {func(in *domain.Instrument) { in.Items[1].Text = map[string]string{"de-AT": "B?"} }, nil},
		"an anchor below zero": {func(in *domain.Instrument) {
			in.Items[3].Anchors = map[string]map[string]string{"en": {"-3": "hostile"}}
		}, nil},
		"one item in two scales":       {func(in *domain.Instrument) { in.Scales[1].Items = []domain.KeyedItem{{ID: "a", Reverse: true}} }, nil},
		"mixed limits, complete":       {func(in *domain.Instrument) { in.Scales[1].Items = []domain.KeyedItem{{ID: "d"}, {ID: "a"}} }, nil},
		"no code":                      {func(in *domain.Instrument) { in.Code = "" }, []string{`code: "" is not a code`}},
		"a version with a blank":       {func(in *domain.Instrument) { in.Version = "1 b" }, []string{`version: "1 b" is not a code`}},
		"no title":                     {func(in *domain.Instrument) { in.Title = "" }, []string{"title: the title is empty"}},
		"no items":                     {func(in *domain.Instrument) { in.Items, in.Scales = nil, nil }, []string{"items: the instrument asks nothing"}},
		"an item twice":                {func(in *domain.Instrument) { in.Items[2].ID = "b"; in.Scales = nil }, []string{`items[2].id: item "b" stands twice`}},
		"an item without an id":        {func(in *domain.Instrument) { in.Items[2].ID = ""; in.Scales = nil }, []string{`items[2].id: "" is not a code`}},
		"limits the wrong way round":   {func(in *domain.Instrument) { in.Items[3].Min = 4 }, []string{"items[3]: item d runs from 4 to 3"}},
		"limits that are equal":        {func(in *domain.Instrument) { in.Items[3].Min = 3 }, []string{"items[3]: item d runs from 3 to 3"}},
		"limits beyond all use":        {func(in *domain.Instrument) { in.Items[3].Max = math.MaxInt }, []string{"items[3]: item d runs from -3 to 9223372036854775807; expected limits within"}},
		"empty wording":                {func(in *domain.Instrument) { in.Items[0].Text["de"] = "" }, []string{"items[0].text.de: the wording is empty"}},
		"no language":                  {func(in *domain.Instrument) { in.Items[0].Text["English"] = "A?" }, []string{`items[0].text.English: "English" is not a language`}},
		"wording in another encoding":  {func(in *domain.Instrument) { in.Items[0].Text["de"] = "w\xfcrde" }, []string{"items[0].text.de: the text is not valid UTF-8"}},
		"a tag in another encoding":    {func(in *domain.Instrument) { in.Items[0].Tag = "\xff" }, []string{"items[0].tag: the text is not valid UTF-8"}},
		"a title in another encoding":  {func(in *domain.Instrument) { in.Title = "\xff" }, []string{"title: the text is not valid UTF-8"}},
		"an anchor out of range":       {func(in *domain.Instrument) { in.Items[0].Anchors["en"]["6"] = "more" }, []string{`items[0].anchors.en.6: "6" is not a value of item a`}},
		"an anchor that is no number":  {func(in *domain.Instrument) { in.Items[0].Anchors["en"]["low"] = "no" }, []string{`items[0].anchors.en.low: "low" is not a value`}},
		"an anchor written oddly":      {func(in *domain.Instrument) { in.Items[0].Anchors["en"]["05"] = "yes" }, []string{`items[0].anchors.en.05: "05" is not a value`}},
		"anchors in no language":       {func(in *domain.Instrument) { in.Items[0].Anchors[""] = map[string]string{"1": "no"} }, []string{`items[0].anchors.: "" is not a language`}},
		"a scale twice":                {func(in *domain.Instrument) { in.Scales[1].Code = "closeness" }, []string{`scales[1].code: scale "closeness" stands twice`}},
		"a scale without items":        {func(in *domain.Instrument) { in.Scales[1].Items = nil }, []string{"scales[1].items: scale tone has no items"}},
		"a scale of an unknown item":   {func(in *domain.Instrument) { in.Scales[1].Items[0].ID = "z" }, []string{`scales[1].items[0]: scale tone names item "z", which the instrument does not have`}},
		"an item twice in a scale":     {func(in *domain.Instrument) { in.Scales[0].Items[2] = domain.KeyedItem{ID: "b"} }, []string{`scales[0].items[2]: scale closeness names item "b" twice`}},
		"an unknown method":            {func(in *domain.Instrument) { in.Scales[0].Method = "median" }, []string{`scales[0].method: "median" is not a method; expected mean or sum`}},
		"an unknown missing rule":      {func(in *domain.Instrument) { in.Scales[0].Missing.Rule = "guess" }, []string{`scales[0].missing.rule: "guess" is not a rule; expected person-mean or require-complete`}},
		"a share of everything":        {func(in *domain.Instrument) { in.Scales[0].Missing.MaxShare = 1 }, []string{"scales[0].missing.maxShare: the share is 1; expected 0 to below 1"}},
		"a share below nothing":        {func(in *domain.Instrument) { in.Scales[0].Missing.MaxShare = -0.1 }, []string{"scales[0].missing.maxShare: the share is -0.1"}},
		"a share that is no number":    {func(in *domain.Instrument) { in.Scales[0].Missing.MaxShare = math.NaN() }, []string{"scales[0].missing.maxShare: the share is NaN"}},
		"complete, yet with a share":   {func(in *domain.Instrument) { in.Scales[1].Missing.MaxShare = 0.2 }, []string{"scales[1].missing.maxShare: the rule require-complete allows nothing"}},
		"a mean over mixed limits":     {func(in *domain.Instrument) { in.Scales[0].Items[2].ID = "d" }, []string{"scales[0].missing.rule: the items of scale closeness have different limits"}},
		"all problems stand in a list": {func(in *domain.Instrument) { in.Title = ""; in.Items[0].Min = 9; in.Scales[1].Method = "" }, []string{"title: ", "items[0]: ", "items[0].anchors.en.1: ", "items[0].anchors.en.5: ", "scales[0].missing.rule: ", "scales[1].method: "}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			in := questionnaire()
			test.change(&in)
			got := problems(t, in.Validate())
			require.Len(t, got, len(test.want), "%q", got)
			for i, want := range test.want {
				assert.Truef(t, strings.HasPrefix(got[i], want), "%q does not begin with %q", got[i], want)
			}
		})
	}
}

func TestCheckAnswers(t *testing.T) {
	val := func(item string, v int) domain.Answer { return domain.Answer{Item: item, Value: &v} }
	none := func(item, reason string) domain.Answer { return domain.Answer{Item: item, Missing: reason} }
	tests := map[string]struct {
		answers []domain.Answer
		want    []string
	}{
		"nothing at all":             {nil, nil},
		"the limits themselves":      {[]domain.Answer{val("a", 1), val("b", 5), val("d", -3)}, nil},
		"every reason":               {[]domain.Answer{none("a", domain.MissingSkipped), none("b", domain.MissingNotShown), none("c", domain.MissingNotApplicable)}, nil},
		"below the range":            {[]domain.Answer{val("a", 0)}, []string{"a: the answer is out of range; expected 1 to 5"}},
		"above the range":            {[]domain.Answer{val("d", 4)}, []string{"d: the answer is out of range; expected -3 to 3"}},
		"a missing code as a value":  {[]domain.Answer{val("a", -9)}, []string{"a: the answer is out of range; expected 1 to 5"}},
		"an unknown item":            {[]domain.Answer{val("z", 1)}, []string{`answers[0].item: q@1 has no item "z"`}},
		"an item by another case":    {[]domain.Answer{val("A", 1)}, []string{`answers[0].item: q@1 has no item "A"`}},
		"the same answer twice":      {[]domain.Answer{val("a", 1), val("a", 1)}, []string{"a: the item is answered twice"}},
		"a value, then a reason":     {[]domain.Answer{val("a", 1), none("a", domain.MissingSkipped)}, []string{"a: the item is answered twice"}},
		"a value and a reason":       {[]domain.Answer{{Item: "a", Value: new(int), Missing: domain.MissingSkipped}}, []string{"a: there is both a value and a reason"}},
		"neither value nor reason":   {[]domain.Answer{none("a", "")}, []string{"a: there is neither a value nor a known reason"}},
		"an unknown reason":          {[]domain.Answer{none("a", "refused")}, []string{"a: there is neither a value nor a known reason"}},
		"all problems, in one error": {[]domain.Answer{val("z", 1), val("a", 9), none("b", "")}, []string{"answers[0].item: ", "a: ", "b: "}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := problems(t, questionnaire().CheckAnswers(test.answers))
			require.Len(t, got, len(test.want), "%q", got)
			for i, want := range test.want {
				assert.Truef(t, strings.HasPrefix(got[i], want), "%q does not begin with %q", got[i], want)
			}
		})
	}
}

// An error may be logged, so that it must not tell what was answered.
func TestCheckAnswersKeepsAnswersToItself(t *testing.T) {
	v := 123457
	err := questionnaire().CheckAnswers([]domain.Answer{{Item: "a", Value: &v}})
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "123457")
}

func TestScaleRange(t *testing.T) {
	in := questionnaire()
	lo, hi := in.ScaleRange(in.Scales[0])
	assert.Equal(t, [2]float64{1, 5}, [2]float64{lo, hi})
	in.Scales[0].Method = domain.Sum
	lo, hi = in.ScaleRange(in.Scales[0])
	assert.Equal(t, [2]float64{3, 15}, [2]float64{lo, hi})
	mixed := domain.Scale{Items: []domain.KeyedItem{{ID: "a"}, {ID: "d", Reverse: true}}, Method: domain.Mean}
	lo, hi = in.ScaleRange(mixed)
	assert.Equal(t, [2]float64{-1, 4}, [2]float64{lo, hi}, "(1-3)/2 to (5+3)/2")
}

// An instrument is stored as an event and compared with what is registered again: it must read back equal.
func TestInstrumentReadsBackEqual(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInstrument(t)
		text, err := json.Marshal(in)
		require.NoError(t, err)
		var back domain.Instrument
		require.NoError(t, json.Unmarshal(text, &back))
		assert.Equal(t, in, back)
	})
}

// FuzzInstrument scores any answers by any instrument that Validate accepts: a score lies within its scale's range or has
// a reason why there is none, and CheckAnswers names an item with every problem.
func FuzzInstrument(f *testing.F) {
	good, err := json.Marshal(questionnaire())
	require.NoError(f, err)
	f.Add(good, []byte(`[{"item":"a","value":1},{"item":"b","value":5},{"item":"c","missing":"skipped"},{"item":"d","value":-3}]`))
	f.Add(good, []byte(`[{"item":"a","value":1},{"item":"a","value":2}]`))
	f.Add([]byte(`{"code":"x","version":"1","title":"x","items":[{"id":"i","min":-1000000,"max":1000000}],"scales":[{"code":"s","method":"sum","items":[{"id":"i","reverse":true}]}]}`),
		[]byte(`[{"item":"i","value":1000000}]`))
	f.Add(good, []byte(`[{}]`))
	f.Fuzz(func(t *testing.T, instrument, given []byte) {
		var in domain.Instrument
		var list []domain.Answer
		if json.Unmarshal(instrument, &in) != nil || json.Unmarshal(given, &list) != nil || in.Validate() != nil {
			return
		}
		for i, s := range in.Score(list) {
			lo, hi := in.ScaleRange(in.Scales[i])
			require.Equal(t, s.Status == domain.Scored || s.Status == domain.Prorated, s.Value != nil)
			require.Equal(t, s.Value == nil, s.Reason != "")
			if s.Value != nil {
				require.GreaterOrEqual(t, *s.Value, lo-1e-9)
				require.LessOrEqual(t, *s.Value, hi+1e-9)
			}
		}
		for _, problem := range problems(t, in.CheckAnswers(list)) {
			require.NotEmpty(t, problem)
		}
	})
}
