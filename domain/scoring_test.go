package domain_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"asem/domain"
)

// reply answers the items of an instrument in their order, a sign each: a digit is the value, "." is skipped,
// "-" not applicable, "_" not shown, and "?" no answer at all.
func reply(t testing.TB, in domain.Instrument, signs string) []domain.Answer {
	t.Helper()
	require.Len(t, signs, len(in.Items), "a sign for each item of %s", in.Ref())
	var list []domain.Answer
	for i, sign := range signs {
		a := domain.Answer{Item: in.Items[i].ID}
		switch sign {
		case '.':
			a.Missing = domain.MissingSkipped
		case '-':
			a.Missing = domain.MissingNotApplicable
		case '_':
			a.Missing = domain.MissingNotShown
		case '?':
			continue
		default:
			v := int(sign - '0')
			a.Value = &v
		}
		list = append(list, a)
	}
	return list
}

// The values are worked out by hand from the keys as instruments.md gives them: sum of the scored
// answers over the number of items. "1234567123..." counts through the answers of a scale in turn.
func TestKnownScores(t *testing.T) {
	type want struct {
		scale  string
		status domain.ScoreStatus
		value  float64 // 0 without a value
	}
	const (
		scored, prorated = domain.Scored, domain.Prorated
		tooMany, notAppl = domain.TooManyMissing, domain.NotApplicable
		ones36           = "111111111111111111111111111111111111"
		fours36          = "444444444444444444444444444444444444"
		sevens36         = "777777777777777777777777777777777777"
		counted36        = "123456712345671234567123456712345671"
	)
	tests := []struct {
		code, version, signs string
		want                 []want
	}{
		// 18 anxiety items, 2 reversed; 18 avoidance items, 12 reversed.
		{"ecr-r", "2000", ones36, []want{{"anxiety", scored, (16*1 + 2*7) / 18.0}, {"avoidance", scored, (6*1 + 12*7) / 18.0}}},
		{"ecr-r", "2000", sevens36, []want{{"anxiety", scored, (16*7 + 2*1) / 18.0}, {"avoidance", scored, (6*7 + 12*1) / 18.0}}},
		{"ecr-r", "2000", fours36, []want{{"anxiety", scored, 4}, {"avoidance", scored, 4}}},
		{"ecr-r", "2000", counted36, []want{{"anxiety", scored, 70 / 18.0}, {"avoidance", scored, 71 / 18.0}}},
		{"ecr-r", "2000", "111111117171111111" + "171711177777717777", []want{{"anxiety", scored, 1}, {"avoidance", scored, 1}}},
		{"ecr-r", "2000", "777777771717777777" + "717177711111171111", []want{{"anxiety", scored, 7}, {"avoidance", scored, 7}}},
		// 18 x 0.20 = 3.6: three may be missing. The counted anxiety loses 1+2+3, the avoidance 5+2+7+7.
		{"ecr-r", "2000", "...456712345671234" + "....23456712345671", []want{{"anxiety", prorated, 64 / 15.0}, {"avoidance", tooMany, 0}}},

		{"ecr-r-alternating", "2000", ones36, []want{{"anxiety", scored, (16*1 + 2*7) / 18.0}, {"avoidance", scored, (6*1 + 12*7) / 18.0}}},
		{"ecr-r-alternating", "2000", sevens36, []want{{"anxiety", scored, (16*7 + 2*1) / 18.0}, {"avoidance", scored, (6*7 + 12*1) / 18.0}}},
		{"ecr-r-alternating", "2000", fours36, []want{{"anxiety", scored, 4}, {"avoidance", scored, 4}}},
		{"ecr-r-alternating", "2000", counted36, []want{{"anxiety", scored, 79 / 18.0}, {"avoidance", scored, 74 / 18.0}}},

		// Even items anxiety, 1 reversed; odd items avoidance, 9 reversed.
		{"ecr", "1998", ones36, []want{{"anxiety", scored, (17*1 + 7) / 18.0}, {"avoidance", scored, (9*1 + 9*7) / 18.0}}},
		{"ecr", "1998", sevens36, []want{{"anxiety", scored, (17*7 + 1) / 18.0}, {"avoidance", scored, (9*7 + 9*1) / 18.0}}},
		{"ecr", "1998", fours36, []want{{"anxiety", scored, 4}, {"avoidance", scored, 4}}},
		{"ecr", "1998", counted36, []want{{"anxiety", scored, 75 / 18.0}, {"avoidance", scored, 74 / 18.0}}},

		{"ecr-s", "2007", "111111111111", []want{{"anxiety", scored, (5*1 + 7) / 6.0}, {"avoidance", scored, 4}}},
		{"ecr-s", "2007", "777777777777", []want{{"anxiety", scored, (5*7 + 1) / 6.0}, {"avoidance", scored, 4}}},
		{"ecr-s", "2007", "444444444444", []want{{"anxiety", scored, 4}, {"avoidance", scored, 4}}},
		// 2+4+6+(8-1)+3+5 and (8-1)+3+(8-5)+7+(8-2)+4
		{"ecr-s", "2007", "123456712345", []want{{"anxiety", scored, 27 / 6.0}, {"avoidance", scored, 30 / 6.0}}},
		{"ecr-s", "2007", ".2345671234.", []want{{"anxiety", prorated, 22 / 5.0}, {"avoidance", prorated, 23 / 5.0}}},
		{"ecr-s", "2007", ".2.456712345", []want{{"anxiety", scored, 27 / 6.0}, {"avoidance", tooMany, 0}}},

		{"ecr-12", "2016", "111111111111", []want{{"anxiety", scored, 1}, {"avoidance", scored, (1 + 5*7) / 6.0}}},
		{"ecr-12", "2016", "777777777777", []want{{"anxiety", scored, 7}, {"avoidance", scored, (7 + 5*1) / 6.0}}},
		{"ecr-12", "2016", "444444444444", []want{{"anxiety", scored, 4}, {"avoidance", scored, 4}}},
		// 1+2+3+5+7+1 and 4+(8-6)+(8-2)+(8-3)+(8-4)+(8-5)
		{"ecr-12", "2016", "123456712345", []want{{"anxiety", scored, 19 / 6.0}, {"avoidance", scored, 24 / 6.0}}},

		{"ecr-rs", "2011", "111111111", []want{{"anxiety", scored, 1}, {"avoidance", scored, (4*7 + 2*1) / 6.0}}},
		{"ecr-rs", "2011", "777777777", []want{{"anxiety", scored, 7}, {"avoidance", scored, (4*1 + 2*7) / 6.0}}},
		{"ecr-rs", "2011", "444444444", []want{{"anxiety", scored, 4}, {"avoidance", scored, 4}}},
		// 7+1+2 and 7+6+5+4+5+6
		{"ecr-rs", "2011", "123456712", []want{{"anxiety", scored, 10 / 3.0}, {"avoidance", scored, 33 / 6.0}}},
		// One of six may be missing, of three none.
		{"ecr-rs", "2011", "?2345671?", []want{{"anxiety", tooMany, 0}, {"avoidance", prorated, 26 / 5.0}}},
		{"ecr-rs", "2011", "---------", []want{{"anxiety", notAppl, 0}, {"avoidance", notAppl, 0}}},

		{"csi-4", "2007", "0000", []want{{"satisfaction", scored, 0}}},
		{"csi-4", "2007", "6555", []want{{"satisfaction", scored, 21}}},
		{"csi-4", "2007", "3333", []want{{"satisfaction", scored, 12}}},
		{"csi-4", "2007", "4352", []want{{"satisfaction", scored, 14}}},
		{"csi-4", "2007", "435.", []want{{"satisfaction", tooMany, 0}}},
		{"csi-4", "2007", "6665", []want{{"satisfaction", tooMany, 0}}}, // only item 1 reaches 6

		{"csi-16", "2007", "0000000000000000", []want{{"satisfaction", scored, 0}}},
		{"csi-16", "2007", "6555555555555555", []want{{"satisfaction", scored, 81}}},
		{"csi-16", "2007", "3333333333333333", []want{{"satisfaction", scored, 48}}},
		{"csi-16", "2007", "3012345012345012", []want{{"satisfaction", scored, 36}}},
		{"csi-16", "2007", "301234501234501.", []want{{"satisfaction", tooMany, 0}}},

		{"pprs-12", "2018", "111111111111", []want{{"responsiveness", scored, 1}, {"understanding", scored, 1}, {"validation", scored, 1}}},
		{"pprs-12", "2018", "999999999999", []want{{"responsiveness", scored, 9}, {"understanding", scored, 9}, {"validation", scored, 9}}},
		{"pprs-12", "2018", "555555555555", []want{{"responsiveness", scored, 5}, {"understanding", scored, 5}, {"validation", scored, 5}}},
		{"pprs-12", "2018", "123456789123", []want{{"responsiveness", scored, 51 / 12.0}, {"understanding", scored, 25 / 5.0}, {"validation", scored, 23 / 5.0}}},
		// One of five is exactly 20 %; of twelve, two may be missing.
		{"pprs-12", "2018", "12.456789123", []want{{"responsiveness", prorated, 48 / 11.0}, {"understanding", prorated, 22 / 4.0}, {"validation", scored, 23 / 5.0}}},
		{"pprs-12", "2018", "12..56789123", []want{{"responsiveness", prorated, 44 / 10.0}, {"understanding", tooMany, 0}, {"validation", scored, 23 / 5.0}}},
		{"pprs-12", "2018", ".2..56789123", []want{{"responsiveness", tooMany, 0}, {"understanding", tooMany, 0}, {"validation", scored, 23 / 5.0}}},

		{"pprs-18", "2018", "111111111111111111", []want{{"responsiveness", scored, 1}, {"understanding", scored, 1}, {"validation", scored, 1}}},
		{"pprs-18", "2018", "999999999999999999", []want{{"responsiveness", scored, 9}, {"understanding", scored, 9}, {"validation", scored, 9}}},
		{"pprs-18", "2018", "555555555555555555", []want{{"responsiveness", scored, 5}, {"understanding", scored, 5}, {"validation", scored, 5}}},
		{"pprs-18", "2018", "123456789123456789", []want{{"responsiveness", scored, 90 / 18.0}, {"understanding", scored, 43 / 8.0}, {"validation", scored, 44 / 8.0}}},

		{"saam", "2009", "111111111111111111111", []want{{"state_security", scored, 1}, {"state_avoidance", scored, 1}, {"state_anxiety", scored, 1}}},
		{"saam", "2009", "777777777777777777777", []want{{"state_security", scored, 7}, {"state_avoidance", scored, 7}, {"state_anxiety", scored, 7}}},
		{"saam", "2009", "444444444444444444444", []want{{"state_security", scored, 4}, {"state_avoidance", scored, 4}, {"state_anxiety", scored, 4}}},
		{"saam", "2009", "123456712345671234567", []want{{"state_security", scored, 37 / 7.0}, {"state_avoidance", scored, 20 / 7.0}, {"state_anxiety", scored, 27 / 7.0}}},
		// One of seven may be missing: security loses item 4, avoidance items 2 and 3.
		{"saam", "2009", "1...56712345671234567", []want{{"state_security", prorated, 33 / 6.0}, {"state_avoidance", tooMany, 0}, {"state_anxiety", scored, 27 / 7.0}}},

		{"saam-6", "2009", "111111", []want{{"state_security", scored, 1}, {"state_anxiety", scored, 1}, {"state_avoidance", scored, 1}}},
		{"saam-6", "2009", "777777", []want{{"state_security", scored, 7}, {"state_anxiety", scored, 7}, {"state_avoidance", scored, 7}}},
		{"saam-6", "2009", "444444", []want{{"state_security", scored, 4}, {"state_anxiety", scored, 4}, {"state_avoidance", scored, 4}}},
		{"saam-6", "2009", "765432", []want{{"state_security", scored, 6.5}, {"state_anxiety", scored, 4.5}, {"state_avoidance", scored, 2.5}}},
		{"saam-6", "2009", "7654__", []want{{"state_security", scored, 6.5}, {"state_anxiety", scored, 4.5}, {"state_avoidance", notAppl, 0}}},

		{"i-panas-sf", "2007", "1111111111", []want{{"positive_affect", scored, 5}, {"negative_affect", scored, 5}}},
		{"i-panas-sf", "2007", "5555555555", []want{{"positive_affect", scored, 25}, {"negative_affect", scored, 25}}},
		{"i-panas-sf", "2007", "3333333333", []want{{"positive_affect", scored, 15}, {"negative_affect", scored, 15}}},
		// (1+3+4+5)/4 x 5, and two of five missing
		{"i-panas-sf", "2007", "1.34522.4.", []want{{"positive_affect", prorated, 16.25}, {"negative_affect", tooMany, 0}}},

		{"asem-demo", "1", "1111111", []want{{"anxiety", scored, 9 / 3.0}, {"avoidance", scored, 16 / 4.0}}},
		{"asem-demo", "1", "7777777", []want{{"anxiety", scored, 15 / 3.0}, {"avoidance", scored, 16 / 4.0}}},
		{"asem-demo", "1", "4444444", []want{{"anxiety", scored, 4}, {"avoidance", scored, 4}}},
		// 1+2+(8-3) and 4+(8-5)+6+(8-7)
		{"asem-demo", "1", "1234567", []want{{"anxiety", scored, 8 / 3.0}, {"avoidance", scored, 14 / 4.0}}},
		{"asem-demo", "1", "12..567", []want{{"anxiety", tooMany, 0}, {"avoidance", prorated, 10 / 3.0}}},

		{"asem-satisfaction", "1", "1111", []want{{"satisfaction", scored, 10 / 4.0}}},
		{"asem-satisfaction", "1", "7777", []want{{"satisfaction", scored, 22 / 4.0}}},
		{"asem-satisfaction", "1", "4444", []want{{"satisfaction", scored, 4}}},
		{"asem-satisfaction", "1", "1235", []want{{"satisfaction", scored, 13 / 4.0}}},

		{"asem-perceived-responsiveness", "1", "1111", []want{{"responsiveness", scored, 10 / 4.0}}},
		{"asem-perceived-responsiveness", "1", "7777", []want{{"responsiveness", scored, 22 / 4.0}}},
		{"asem-perceived-responsiveness", "1", "4444", []want{{"responsiveness", scored, 4}}},
		{"asem-perceived-responsiveness", "1", "1235", []want{{"responsiveness", scored, 9 / 4.0}}},

		{"asem-wellbeing", "1", "12340", []want{{"wellbeing", scored, 12 / 4.0}}},
		{"asem-wellbeing", "1", "11113", []want{{"wellbeing", scored, 10 / 4.0}}},
		{"asem-wellbeing", "1", "12.4.", []want{{"wellbeing", prorated, 7 / 3.0}}},
		{"asem-wellbeing", "1", "1..40", []want{{"wellbeing", tooMany, 0}}},

		{"asem-daily", "1", "1111111", []want{{"daily_security", scored, 1}, {"daily_closeness", scored, 1}, {"daily_mood", scored, 1}, {"daily_received", scored, 1}, {"daily_given", scored, 1}}},
		{"asem-daily", "1", "7777777", []want{{"daily_security", scored, 7}, {"daily_closeness", scored, 7}, {"daily_mood", scored, 7}, {"daily_received", scored, 7}, {"daily_given", scored, 7}}},
		{"asem-daily", "1", "1234567", []want{{"daily_security", scored, 1.5}, {"daily_closeness", scored, 3}, {"daily_mood", scored, 4}, {"daily_received", scored, 5.5}, {"daily_given", scored, 7}}},
		{"asem-daily", "1", "1.34567", []want{{"daily_security", tooMany, 0}, {"daily_closeness", scored, 3}, {"daily_mood", scored, 4}, {"daily_received", scored, 5.5}, {"daily_given", scored, 7}}},

		{"asem-tension", "1", "13625412347", []want{{"tension", scored, 1}, {"tension_threat", scored, 5}, {"tension_support_sought", scored, 4}, {"tension_responsiveness", scored, 2}, {"tension_security_after", scored, 7}}},
		{"asem-tension", "1", "0----------", []want{{"tension", scored, 0}, {"tension_threat", notAppl, 0}, {"tension_support_sought", notAppl, 0}, {"tension_responsiveness", notAppl, 0}, {"tension_security_after", notAppl, 0}}},
		{"asem-tension", "1", "...........", []want{{"tension", tooMany, 0}, {"tension_threat", tooMany, 0}, {"tension_support_sought", tooMany, 0}, {"tension_responsiveness", tooMany, 0}, {"tension_security_after", tooMany, 0}}},
	}
	covered := map[string]bool{}
	for _, test := range tests {
		t.Run(test.code+" "+test.signs, func(t *testing.T) {
			in, ok := domain.Key(test.code, test.version)
			require.True(t, ok, "%s@%s ships", test.code, test.version)
			covered[test.code] = true
			got := in.Score(reply(t, in, test.signs))
			require.Len(t, got, len(test.want))
			for i, w := range test.want {
				assert.Equal(t, w.scale, got[i].Scale)
				assert.Equal(t, w.status, got[i].Status, w.scale)
				assert.Equal(t, test.code+"@"+test.version, got[i].KeyVersion)
				if w.status == scored || w.status == prorated {
					require.NotNil(t, got[i].Value, w.scale)
					assert.InDelta(t, w.value, *got[i].Value, 1e-14, w.scale) // a rounding of values up to 81
					assert.Empty(t, got[i].Reason)
				} else {
					assert.Nil(t, got[i].Value, w.scale)
					assert.NotEmpty(t, got[i].Reason)
				}
			}
		})
	}
	for _, in := range domain.Keys() {
		assert.Truef(t, covered[in.Code], "no known score of %s", in.Ref())
	}
}

func TestScoreCountsAndReasons(t *testing.T) {
	in, _ := domain.Key("ecr-rs", "2011")
	v := (7 + 6 + 5 + 4 + 5) / 5.0
	assert.Equal(t, []domain.Score{
		{Scale: "anxiety", Status: domain.TooManyMissing, ItemsAnswered: 2, ItemsTotal: 3, KeyVersion: "ecr-rs@2011", Reason: "1 of 3 items are missing; the rule allows 0"},
		{Scale: "avoidance", Status: domain.Prorated, Value: &v, ItemsAnswered: 5, ItemsTotal: 6, KeyVersion: "ecr-rs@2011"},
	}, in.Score(reply(t, in, "12345.67-")))
}

// uniform is a scale of n items of 1 to 7 with a missing rule.
func uniform(n int, method domain.Method, rule domain.MissingRule) domain.Instrument {
	in := domain.Instrument{Code: "u", Version: "1", Title: "Uniform", Scales: []domain.Scale{{Code: "s", Method: method, Missing: rule}}}
	for i := range n {
		id := fmt.Sprintf("i%d", i)
		in.Items = append(in.Items, domain.Item{ID: id, Min: 1, Max: 7})
		in.Scales[0].Items = append(in.Scales[0].Items, domain.KeyedItem{ID: id})
	}
	return in
}

// Exactly the allowed share is still scored and one item more is not, also where the share times the
// number of items is no whole number in binary.
func TestEdgeOfTheMissingRule(t *testing.T) {
	tests := []struct {
		items, allowed int
		rule           domain.MissingRule
	}{
		{5, 1, domain.MissingRule{Rule: domain.PersonMean, MaxShare: 0.2}},
		{10, 2, domain.MissingRule{Rule: domain.PersonMean, MaxShare: 0.2}},
		{15, 3, domain.MissingRule{Rule: domain.PersonMean, MaxShare: 0.2}},
		{35, 7, domain.MissingRule{Rule: domain.PersonMean, MaxShare: 0.2}},
		{9, 1, domain.MissingRule{Rule: domain.PersonMean, MaxShare: 0.2}},
		{4, 0, domain.MissingRule{Rule: domain.PersonMean, MaxShare: 0.2}},
		{4, 1, domain.MissingRule{Rule: domain.PersonMean, MaxShare: 0.25}},
		{100, 29, domain.MissingRule{Rule: domain.PersonMean, MaxShare: 0.29}}, // 0.29 x 100 is 28.999999999999996
		{10, 7, domain.MissingRule{Rule: domain.PersonMean, MaxShare: 0.7}},
		{5, 4, domain.MissingRule{Rule: domain.PersonMean, MaxShare: 1 - 1e-12}}, // nothing stands for everything
		{5, 1, domain.MissingRule{}},                                             // the default
		{10, 2, domain.MissingRule{Rule: domain.PersonMean}},                     // with its share
		{10, 0, domain.MissingRule{Rule: domain.RequireComplete}},
	}
	for _, test := range tests {
		for _, method := range []domain.Method{domain.Mean, domain.Sum} {
			t.Run(fmt.Sprintf("%d items, %v, %s", test.items, test.rule, method), func(t *testing.T) {
				in := uniform(test.items, method, test.rule)
				require.NoError(t, in.Validate())
				for missing := 0; missing <= test.items; missing++ {
					got := in.Score(constant(in, 3, missing))[0]
					want := domain.TooManyMissing
					switch {
					case missing == 0:
						want = domain.Scored
					case missing <= test.allowed:
						want = domain.Prorated
					}
					require.Equalf(t, want, got.Status, "%d missing", missing)
					require.Equal(t, test.items-missing, got.ItemsAnswered)
					if got.Value != nil {
						lo, _ := in.ScaleRange(in.Scales[0])
						require.InDelta(t, 3*lo, *got.Value, 1e-12, "everyone answered 3") // lo is n for a sum, 1 for a mean
					}
				}
			})
		}
	}
}

// constant answers every item with v, but for the last few.
func constant(in domain.Instrument, v, missing int) []domain.Answer {
	var list []domain.Answer
	for i, it := range in.Items {
		if i < len(in.Items)-missing {
			list = append(list, domain.Answer{Item: it.ID, Value: &v})
		}
	}
	return list
}

// Answers that CheckAnswers refuses yield no wrong score should they reach the key.
func TestScoreTakesRefusedAnswersAsMissing(t *testing.T) {
	in := uniform(2, domain.Sum, domain.MissingRule{Rule: domain.RequireComplete})
	two, nine := 2, 9
	good := domain.Answer{Item: "i0", Value: &two}
	for name, bad := range map[string][]domain.Answer{
		"out of range":       {good, {Item: "i1", Value: &nine}},
		"value and reason":   {good, {Item: "i1", Value: &two, Missing: domain.MissingSkipped}},
		"twice":              {good, {Item: "i1", Value: &two}, {Item: "i1", Value: &two}},
		"three times":        {good, {Item: "i1", Value: &two}, {Item: "i1", Value: &two}, {Item: "i1", Value: &two}},
		"to an unknown item": {good, {Item: "i7", Value: &two}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Error(t, in.CheckAnswers(bad))
			s := in.Score(bad)[0]
			assert.Equal(t, domain.TooManyMissing, s.Status)
			assert.Nil(t, s.Value)
			assert.Equal(t, 1, s.ItemsAnswered)
		})
	}
}

func drawInstrument(t *rapid.T) domain.Instrument {
	in := domain.Instrument{Code: "drawn", Version: "1", Title: "Drawn"}
	uniformLimits := rapid.Bool().Draw(t, "uniformLimits")
	lo, span := rapid.IntRange(-5, 5).Draw(t, "min"), rapid.IntRange(1, 9).Draw(t, "span")
	for i := range rapid.IntRange(1, 15).Draw(t, "items") {
		if !uniformLimits {
			lo, span = rapid.IntRange(-5, 5).Draw(t, "min"), rapid.IntRange(1, 9).Draw(t, "span")
		}
		in.Items = append(in.Items, domain.Item{ID: fmt.Sprintf("i%02d", i), Min: lo, Max: lo + span})
	}
	for i := range rapid.IntRange(1, 3).Draw(t, "scales") {
		s := domain.Scale{Code: fmt.Sprintf("s%d", i), Method: rapid.SampledFrom([]domain.Method{domain.Mean, domain.Sum}).Draw(t, "method"),
			Missing: domain.MissingRule{Rule: domain.RequireComplete}}
		if uniformLimits && rapid.Bool().Draw(t, "personMean") {
			s.Missing = domain.MissingRule{Rule: domain.PersonMean, MaxShare: float64(rapid.IntRange(0, 99).Draw(t, "percent")) / 100}
		}
		for _, it := range in.Items {
			if len(s.Items) == 0 || rapid.Bool().Draw(t, "inScale") {
				s.Items = append(s.Items, domain.KeyedItem{ID: it.ID, Reverse: rapid.Bool().Draw(t, "reverse")})
			}
		}
		in.Scales = append(in.Scales, s)
	}
	require.NoError(t, in.Validate())
	return in
}

// drawAnswers draws what a participant may send; most items are answered.
func drawAnswers(t *rapid.T, in domain.Instrument) []domain.Answer {
	var list []domain.Answer
	for _, it := range in.Items {
		switch rapid.IntRange(0, 11).Draw(t, "answered") {
		case 0:
		case 1:
			list = append(list, domain.Answer{Item: it.ID, Missing: rapid.SampledFrom([]string{domain.MissingSkipped, domain.MissingNotShown, domain.MissingNotApplicable}).Draw(t, "reason")})
		default:
			v := rapid.IntRange(it.Min, it.Max).Draw(t, "value")
			list = append(list, domain.Answer{Item: it.ID, Value: &v})
		}
	}
	require.NoError(t, in.CheckAnswers(list))
	return list
}

// copied shares no value with the answers.
func copied(answers []domain.Answer) []domain.Answer {
	out := slices.Clone(answers)
	for i, a := range out {
		if a.Value != nil {
			v := *a.Value
			out[i].Value = &v
		}
	}
	return out
}

func TestScoreStaysInRangeAndLeavesAnswersAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInstrument(t)
		list := drawAnswers(t, in)
		before := copied(list)
		scores := in.Score(list)
		assert.Equal(t, before, list)
		require.Len(t, scores, len(in.Scales))
		for i, s := range scores {
			lo, hi := in.ScaleRange(in.Scales[i])
			assert.Equal(t, in.Scales[i].Code, s.Scale)
			assert.Equal(t, len(in.Scales[i].Items), s.ItemsTotal)
			assert.Equal(t, s.Status == domain.Scored, s.ItemsAnswered == s.ItemsTotal)
			assert.Equal(t, s.Status == domain.Scored || s.Status == domain.Prorated, s.Value != nil)
			if s.Value != nil {
				assert.GreaterOrEqual(t, *s.Value, lo-1e-12)
				assert.LessOrEqual(t, *s.Value, hi+1e-12)
			}
		}
	})
}

func TestScoreDoesNotDependOnTheOrderOfAnswers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInstrument(t)
		list := drawAnswers(t, in)
		shuffled := rapid.Permutation(list).Draw(t, "shuffled")
		assert.Equal(t, in.Score(list), in.Score(shuffled))
		slices.Reverse(in.Items)
		assert.Equal(t, in.Score(list), in.Score(shuffled), "nor on the order of the items")
	})
}

// Turning every answer round, min + max - answer, turns the score round within its range; and it is the same
// as turning the key round.
func TestMirroredAnswersMirrorTheScore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInstrument(t)
		list := drawAnswers(t, in)
		mirrored := copied(list)
		for _, a := range mirrored {
			if it, _ := in.Item(a.Item); a.Value != nil {
				*a.Value = it.Min + it.Max - *a.Value
			}
		}
		plain, turned := in.Score(list), in.Score(mirrored)
		for i, s := range in.Scales {
			lo, hi := in.ScaleRange(s)
			require.Equal(t, plain[i].Status, turned[i].Status)
			if plain[i].Value != nil {
				assert.InDelta(t, lo+hi, *plain[i].Value+*turned[i].Value, 1e-9)
			}
			for j := range s.Items {
				s.Items[j].Reverse = !s.Items[j].Reverse
			}
		}
		assert.Equal(t, turned, in.Score(list))
	})
}

// A higher answer never lowers the score, or never raises it where the item is reversed.
func TestScoreFollowsAnAnswer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInstrument(t)
		list := drawAnswers(t, in)
		i := rapid.IntRange(0, len(in.Items)-1).Draw(t, "item")
		it := in.Items[i]
		at := slices.IndexFunc(list, func(a domain.Answer) bool { return a.Item == it.ID && a.Value != nil && *a.Value < it.Max })
		if at < 0 {
			t.Skip("nothing to raise")
		}
		raised := copied(list)
		*raised[at].Value++
		before, after := in.Score(list), in.Score(raised)
		for j, s := range in.Scales {
			if before[j].Value == nil {
				continue
			}
			k := slices.IndexFunc(s.Items, func(k domain.KeyedItem) bool { return k.ID == it.ID })
			switch {
			case k < 0:
				assert.Equal(t, *before[j].Value, *after[j].Value)
			case s.Items[k].Reverse:
				assert.Less(t, *after[j].Value, *before[j].Value)
			default:
				assert.Greater(t, *after[j].Value, *before[j].Value)
			}
		}
	})
}

// One answer less never turns a refused score into a given one; a more lenient rule never takes one away, and
// never changes its value.
func TestMissingRuleIsMonotone(t *testing.T) {
	rank := map[domain.ScoreStatus]int{domain.Scored: 0, domain.Prorated: 1, domain.TooManyMissing: 2, domain.NotApplicable: 3}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(t, "items")
		strict := rapid.IntRange(1, 99).Draw(t, "strict")
		lenient := rapid.IntRange(strict, 99).Draw(t, "lenient")
		share := func(percent int) domain.MissingRule {
			return domain.MissingRule{Rule: domain.PersonMean, MaxShare: float64(percent) / 100}
		}
		in, wider := uniform(n, domain.Mean, share(strict)), uniform(n, domain.Mean, share(lenient))
		list := drawAnswers(t, in)
		had := in.Score(list)[0]
		if wide := wider.Score(list)[0]; had.Value != nil {
			assert.Equal(t, had, wide)
		}
		at := slices.IndexFunc(list, func(a domain.Answer) bool { return a.Value != nil })
		if at < 0 {
			return
		}
		fewer := copied(list)
		fewer[at] = domain.Answer{Item: fewer[at].Item, Missing: rapid.SampledFrom([]string{domain.MissingSkipped, domain.MissingNotShown}).Draw(t, "reason")}
		assert.GreaterOrEqual(t, rank[in.Score(fewer)[0].Status], rank[had.Status])
	})
}

// One of the six avoidance items is missing, which the rule allows; one of three anxiety items is too much.
func ExampleInstrument_Score() {
	in, ok := domain.Key("ecr-rs", "2011")
	if !ok {
		return
	}
	var answers []domain.Answer
	for i, value := range []int{6, 7, 6, 5, 2, 0, 3, 4, 0} { // 0: skipped
		a := domain.Answer{Item: in.Items[i].ID, Missing: domain.MissingSkipped}
		if value > 0 {
			a = domain.Answer{Item: in.Items[i].ID, Value: &value}
		}
		answers = append(answers, a)
	}
	if err := in.CheckAnswers(answers); err != nil {
		fmt.Println(err)
	}
	for _, s := range in.Score(answers) {
		if s.Value == nil {
			fmt.Printf("%-9s %s: %s\n", s.Scale, s.Status, s.Reason)
			continue
		}
		fmt.Printf("%-9s %s %.2f from %d of %d items, key %s\n", s.Scale, s.Status, *s.Value, s.ItemsAnswered, s.ItemsTotal, s.KeyVersion)
	}
	// Output:
	// anxiety   TOO_MANY_MISSING: 1 of 3 items are missing; the rule allows 0
	// avoidance PRORATED 2.00 from 5 of 6 items, key ecr-rs@2011
}
