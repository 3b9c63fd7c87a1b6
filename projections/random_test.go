package projections

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"asem/domain"
	"asem/events"
)

// anchored is a diary of three days that begins a day after its origin.
func anchored(code string, o domain.Origin) domain.DiaryBurst {
	b := testProtocol().Diaries[0]
	b.Code, b.Origin = code, o
	return b
}

// randomHistory draws a study that could have been: random commands, of which the domain refuses many.
func randomHistory(t *rapid.T, steps int) *history {
	h, version := testStudy(t), 2
	armed := func() domain.Protocol {
		p := testProtocol()
		p.Version, p.Arms, p.Randomise = version, []domain.Arm{{Code: "closeness"}, {Code: "control"}}, &domain.Randomisation{Unit: domain.RandomiseCouples}
		p.Schemes = append(p.Schemes, course())
		p.Diaries = append(p.Diaries, anchored("joined", domain.Origin{Anchor: domain.AnchorJoining}), anchored("held", domain.Origin{Anchor: domain.AnchorSession, Session: 1}),
			anchored("dated", domain.Origin{Anchor: domain.AnchorCalendar, On: day0(-3)}))
		return p
	}
	h.do(t, domain.PublishProtocol{Study: "S", Protocol: armed()}, domain.SeedRandomisation{Study: "S", Seed: bytes.Repeat([]byte("seed"), 8)})
	couple := rapid.SampledFrom([]string{"1", "2", "10"})
	role := rapid.SampledFrom([]domain.Role{domain.RoleA, domain.RoleB})
	wave := rapid.IntRange(1, 3)
	on := rapid.Custom(func(t *rapid.T) domain.Date { return day0(rapid.IntRange(0, 260).Draw(t, "day")) })
	value := rapid.IntRange(0, 21)
	clip, judge := rapid.SampledFrom([]string{"k1", "k2"}), rapid.SampledFrom([]string{"J1", "J2", "J3"})
	one := func(couple string) (string, string) { // clip and judge of an assignment, if there is one
		if list := h.couples[couple].Assignments(); len(list) > 0 {
			a := rapid.SampledFrom(list).Draw(t, "assignment")
			return a.Clip, a.Judge
		}
		return "k1", "J1"
	}
	for _, j := range []string{"J1", "J2", "J3"} {
		h.do(t, domain.EnlistJudge{Study: "S", Judge: j})
	}
	answer := rapid.Custom(func(t *rapid.T) []domain.Answer {
		list := answers(rapid.SliceOfN(rapid.IntRange(1, 7), 3, 3).Draw(t, "answers")...)
		if rapid.Bool().Draw(t, "skipped") {
			list[1] = domain.Answer{Item: "i2", Missing: domain.MissingSkipped}
		}
		return list
	})
	// A day of a diary, or of one that may begin any day as long as nobody knows when it does.
	diaryDay := func(c string, r domain.Role) (string, domain.Date) {
		b := rapid.SampledFrom(h.study.Protocol.Diaries).Draw(t, "burst")
		first := day0(rapid.IntRange(0, 260).Draw(t, "first"))
		if who, ok := h.couples[c].Participant(r); ok {
			if known := b.FirstDay(h.couples[c].Beginnings(who)); !known.IsZero() {
				first = known
			}
		}
		return b.Code, first.AddDays(rapid.IntRange(0, 2).Draw(t, "n"))
	}
	remind := func(c string, r domain.Role) domain.Command {
		ledger := h.couples[c].Prompts(r)
		step := rapid.SampledFrom([]string{"schedule", "start", "send", "send", "settle", "settle", "open"}).Draw(t, "step")
		if len(ledger) == 0 && step != "start" || step == "schedule" || step == "start" {
			o := rapid.SampledFrom((domain.Past{Study: h.study, Couple: h.couples[c]}).Agenda(r)).Draw(t, "offer")
			at := o.Window.Opens.Add(time.Duration(rapid.IntRange(0, 12).Draw(t, "hours")) * time.Hour)
			if step == "start" {
				return domain.StartForm{Study: "S", Couple: c, Role: r, Occasion: o.Occasion, At: at}
			}
			code := fmt.Sprintf("p%d%s", rapid.IntRange(1, 3).Draw(t, "prompt"), r)
			return domain.SchedulePrompt{Study: "S", Couple: c, Role: r, Prompt: code, Occasion: o.Occasion, Channel: "email", At: at}
		}
		p := rapid.SampledFrom(ledger).Draw(t, "prompt")
		at := p.At.Add(time.Duration(rapid.IntRange(0, 6).Draw(t, "later")) * time.Hour)
		switch step {
		case "send":
			return domain.SendPrompt{Study: "S", Couple: c, Role: r, Prompt: p.Code, At: at}
		case "settle":
			return domain.SettlePrompt{Study: "S", Couple: c, Role: r, Prompt: p.Code, At: at, Reason: rapid.SampledFrom([]string{"", "", domain.PromptUncertain}).Draw(t, "reason")}
		}
		return domain.OpenPrompt{Study: "S", Couple: c, Role: r, Prompt: p.Code, At: at}
	}
	kinds := []func(c string, r domain.Role) domain.Command{
		func(c string, r domain.Role) domain.Command {
			return domain.SubmitQuestionnaire{Study: "S", Couple: c, Role: r, Wave: wave.Draw(t, "wave"), Instrument: domain.InstrumentRef{Code: "avo", Version: "1"},
				Answers: answer.Draw(t, "answers"), FilledAt: on.Draw(t, "day").At(12, time.UTC), Elsewhere: rapid.Bool().Draw(t, "elsewhere")}
		},
		func(c string, r domain.Role) domain.Command {
			return domain.RecordScore{Study: "S", Couple: c, Role: r, Wave: wave.Draw(t, "wave"), Construct: "satisfaction",
				Value: float64(value.Draw(t, "value")), MeasuredAt: on.Draw(t, "day").At(12, time.UTC)}
		},
		func(c string, r domain.Role) domain.Command {
			return domain.CorrectScore{Study: "S", Couple: c, Role: r, Wave: wave.Draw(t, "wave"), Construct: "satisfaction", Value: float64(value.Draw(t, "value")), Reason: "r"}
		},
		func(c string, r domain.Role) domain.Command {
			return domain.CorrectAnswer{Study: "S", Couple: c, Role: r, Wave: wave.Draw(t, "wave"), Instrument: "avo", Answer: answer.Draw(t, "answers")[1], Reason: "r"}
		},
		func(c string, r domain.Role) domain.Command {
			return domain.CloseWave{Study: "S", Couple: c, Role: r, Wave: wave.Draw(t, "wave"), At: day0(400).At(0, time.UTC)}
		},
		func(c string, r domain.Role) domain.Command {
			d := sendDiary(c, r, 0, on.Draw(t, "day").At(12, time.UTC))
			d.Burst, d.Day = diaryDay(c, r)
			d.Elsewhere, d.Entries[0].Answers = true, answer.Draw(t, "answers")
			return d
		},
		func(c string, r domain.Role) domain.Command {
			burst, day := diaryDay(c, r)
			return domain.CloseDiaryDay{Study: "S", Couple: c, Role: r, Burst: burst, Day: day, At: day0(400).At(0, time.UTC)}
		},
		func(c string, _ domain.Role) domain.Command {
			return domain.HoldSession{Study: "S", Couple: c, Number: rapid.IntRange(1, 2).Draw(t, "session"), On: on.Draw(t, "day"), Corrects: rapid.Bool().Draw(t, "corrects")}
		},
		func(c string, r domain.Role) domain.Command {
			return domain.GiveConsent{Study: "S", Couple: c, Role: r, Scope: domain.ScopeDiary, Version: fmt.Sprint(len(h.log)), At: on.Draw(t, "day").At(rapid.IntRange(0, 23).Draw(t, "hour"), time.UTC)}
		},
		func(c string, _ domain.Role) domain.Command { return talk(c)[0] },
		func(c string, _ domain.Role) domain.Command {
			return talk(c, "k1", "k2")[rapid.IntRange(1, 2).Draw(t, "clip")]
		},
		func(c string, r domain.Role) domain.Command {
			return rate(c, rapid.SampledFrom([]string{"k1", "k2"}).Draw(t, "clip"), rapid.SampledFrom([]string{"J1", "J2", "J3"}).Draw(t, "judge"),
				rapid.SampledFrom([]string{"caring", "understanding"}).Draw(t, "dimension"), r, float64(rapid.IntRange(1, 7).Draw(t, "rating")))
		},
		func(c string, _ domain.Role) domain.Command {
			return assign(c, clip.Draw(t, "clip"), judge.Draw(t, "judge"))
		},
		func(c string, _ domain.Role) domain.Command {
			list := h.couples[c].Assignments()
			if i := slices.IndexFunc(list, func(a domain.Assignment) bool { return a.Scheme == "course" && !a.Ended && a.Submitted.IsZero() }); i >= 0 {
				return traced(c, list[i].Clip, list[i].Judge, 1, 2, 3, 4, float64(rapid.IntRange(-9, 9).Draw(t, "value")))
			}
			return trace(c, clip.Draw(t, "clip"), judge.Draw(t, "judge"))
		},
		func(c string, _ domain.Role) domain.Command {
			k, j := one(c)
			return submitted(c, k, j, float64(rapid.IntRange(1, 7).Draw(t, "rating")))
		},
		func(c string, _ domain.Role) domain.Command {
			k, j := one(c)
			if rapid.Bool().Draw(t, "returned") {
				return domain.ReturnAssignment{Study: "S", Couple: c, Assignment: c + "-" + k + "-" + j, Judge: j, Reason: "other"}
			}
			return domain.RetractAssignment{Study: "S", Couple: c, Assignment: c + "-" + k + "-" + j, Reason: "r"}
		},
		func(c string, r domain.Role) domain.Command {
			fix := domain.CorrectRating{Study: "S", Couple: c, Clip: "k1", Judge: "J1", Scheme: "warmth", Dimension: "caring", Rated: r, Value: float64(rapid.IntRange(1, 7).Draw(t, "rating")), Reason: "r"}
			var given []domain.RatingRecorded
			for _, at := range h.log {
				if e, err := events.Decode(at); err == nil && at.Stream == events.CoupleStream("S", c) {
					if e, ok := e.(domain.RatingRecorded); ok {
						given = append(given, e)
					}
				}
			}
			if len(given) > 0 {
				e := rapid.SampledFrom(given).Draw(t, "of")
				fix.Clip, fix.Judge, fix.Dimension, fix.Rated, fix.Assignment = e.Clip, e.Judge, e.Dimension, e.Target, e.Assignment
			}
			return fix
		},
		func(c string, r domain.Role) domain.Command {
			return domain.AdjudicateRating{Study: "S", Couple: c, Clip: clip.Draw(t, "clip"), Scheme: "warmth", Dimension: "caring", Rated: r, Value: float64(rapid.IntRange(1, 7).Draw(t, "rating")), Reason: "r"}
		},
		func(c string, r domain.Role) domain.Command {
			move := domain.MoveParticipant{Study: "S", Couple: c, Role: r, Zone: rapid.SampledFrom([]string{"Asia/Tokyo", "Europe/Berlin"}).Draw(t, "zone")}
			if rapid.Bool().Draw(t, "dated") {
				move.At = on.Draw(t, "day").At(rapid.IntRange(0, 23).Draw(t, "hour"), time.UTC)
			}
			return move
		},
		func(c string, r domain.Role) domain.Command {
			return domain.WithdrawConsent{Study: "S", Couple: c, Role: r, Scope: domain.ScopeVideo}
		},
		func(c string, r domain.Role) domain.Command {
			return domain.GiveConsent{Study: "S", Couple: c, Role: r, Scope: domain.ScopeVideo, Version: rapid.SampledFrom([]string{"1", "2"}).Draw(t, "version")}
		},
		remind, remind, remind, remind,
		func(c string, _ domain.Role) domain.Command { return domain.TakePlace{Study: "S", Couple: c} },
		func(c string, _ domain.Role) domain.Command { return domain.Randomise{Study: "S", Couple: c} },
		func(string, domain.Role) domain.Command {
			version++
			p := armed()
			p.Waves[0].Label = fmt.Sprintf("T1 of version %d", version)
			return domain.PublishProtocol{Study: "S", Protocol: p}
		},
	}
	rare := []func(c string, r domain.Role) domain.Command{
		func(string, domain.Role) domain.Command {
			m := satisfactionChange
			m.Name, m.Exchangeable = rapid.SampledFrom([]string{"change", "again"}).Draw(t, "model"), rapid.Bool().Draw(t, "exchangeable")
			return domain.RegisterModel{Study: "S", Model: m}
		},
		func(string, domain.Role) domain.Command {
			return domain.RetireModel{Study: "S", Name: rapid.SampledFrom([]string{"change", "again"}).Draw(t, "model")}
		},
		func(c string, _ domain.Role) domain.Command {
			return domain.SeparateCouple{Study: "S", Couple: c, On: on.Draw(t, "day")}
		},
		func(c string, r domain.Role) domain.Command {
			return domain.WithdrawParticipant{Study: "S", Couple: c, Role: r, On: on.Draw(t, "day")}
		},
	}
	for range steps {
		c, r := couple.Draw(t, "couple"), role.Draw(t, "role")
		if h.couples[c] == nil || !h.couples[c].Exists() {
			h.do(t, enrol(c)...)
			continue
		}
		kind := rapid.IntRange(0, len(kinds)*10-1).Draw(t, "kind")
		if kind == 0 {
			_ = h.try(rapid.SampledFrom(rare).Draw(t, "rare")(c, r)) // a refusal is fine, here and below: it adds no event
			continue
		}
		_ = h.try(kinds[kind%len(kinds)](c, r))
	}
	return h
}

// The promises are worth what the histories are worth on which they are tried.
func TestRandomHistoriesReachEveryEvent(t *testing.T) {
	reached := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		for _, at := range randomHistory(t, 300).log {
			reached[at.Type]++
		}
	})
	for _, e := range domain.EventTypes() {
		if e.Name == "participant.erased" || slices.Contains(auditOnly, e.Name) {
			continue // the one changes what earlier positions show, and has tests of its own; the others change nothing
		}
		assert.Positive(t, reached[e.Name], e.Name)
	}
}
