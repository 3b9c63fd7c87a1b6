package prompting

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"asem/domain"
)

// Planner says which reminders a participant gets, and when. A plan is a function of the participant's own agenda: what the partner does, and
// whether there is one, changes nothing in it.
type Planner struct {
	// Key makes the times unpredictable. With another key what has not been sent yet goes out at other times.
	Key []byte
	// Late is how long after its time a reminder may still go out, because the server or the network was away. 0 means an hour.
	Late time.Duration
}

// Due is a reminder as it is planned.
type Due struct {
	Prompt   string // its id in the ledger
	Occasion domain.Occasion
	At       time.Time // when it goes out
	Latest   time.Time // from then on it does not any more
}

// Plan lists what a participant will be reminded of, by time: every reminder of the protocol for everything that is asked, was not answered and can be at
// now or later.
//
// A reminder goes out at its time, or up to its jitter later, at random but always at the same moment for one person, occasion and reminder. It never
// goes out before the window opens or after it ends, and never at night (see the constants in quiet.go). What would fall into the night
// goes out the next morning; reminders of a diary day go out at the end of the evening instead, if the day is open by then. What finds no such moment is left out.
//
// The ids of reminders do not depend on the key or on the place of a reminder in the protocol: two that are about the same occasion and set for the same time are one.
func (p Planner) Plan(past domain.Past, r domain.Role, now time.Time) []Due {
	who, ok := past.Couple.Participant(r)
	if !ok {
		return nil
	}
	var list []Due
	seen := map[string]bool{}
	for _, o := range past.Agenda(r) {
		if !o.Asked || o.Done || o.Missed || !now.Before(o.Window.Ends) {
			continue
		}
		for _, reminder := range past.Study.Protocol.Reminders {
			if reminder.Waves != (o.Wave > 0) || reminder.Diary != o.Burst {
				continue
			}
			d := Due{Prompt: promptID(past.Couple.Study, past.Couple.Code, r, o.Occasion, reminder), Occasion: o.Occasion}
			if d.At, d.Latest, ok = p.moment(who, o, reminder, d.Prompt); !ok || seen[d.Prompt] || !past.TakesPart(r, o.Occasion, d.At) {
				continue
			}
			seen[d.Prompt] = true
			list = append(list, d)
		}
	}
	slices.SortFunc(list, func(a, b Due) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		return strings.Compare(a.Prompt, b.Prompt)
	})
	return list
}

// late is the default of [Planner.Late].
const late = time.Hour

// pulledBack is the least stretch of an evening over which what would fall into the night is spread.
const pulledBack = 15 * time.Minute

// moment returns when a reminder goes out and from when on it does not any more; false if there is no such time.
func (p Planner) moment(who *domain.Participant, o domain.Offer, r domain.Reminder, id string) (at, latest time.Time, ok bool) {
	at = o.Window.Opens.Add(time.Duration(r.AfterHours) * time.Hour)
	if r.Waves {
		opened := dateOf(o.Window.Opens, who.ZoneAt(o.Window.Opens))
		at = who.At(opened.AddDays(r.AfterDays), r.Hour)
		if at.Before(o.Window.Opens) {
			at = o.Window.Opens
		}
	}
	n, jitter := night{who, o}, time.Duration(r.Jitter)*time.Minute
	if !at.Before(o.Window.Ends) {
		return at, at, false
	}
	from, until, quiet := n.around(at)
	if quiet {
		evening := laterOf(o.Window.Opens, from.Add(-max(jitter, pulledBack)))
		if o.Burst != "" && evening.Before(from) && !n.quiet(evening) {
			at, until, jitter = evening, from, from.Sub(evening)
		} else {
			at = until
			if from, _, quiet = n.around(at); quiet { // the clock was put back in the night
				return at, at, false
			}
			until = from
		}
	} else {
		until = from
	}
	if until.After(o.Window.Ends) {
		until = o.Window.Ends
	}
	room := until.Sub(at).Truncate(time.Second)
	if room <= 0 {
		return at, at, false
	}
	if later := at.Add(p.jitter(id, min(jitter, room-time.Second))); !n.quiet(later) {
		at = later
	}
	grace := p.Late
	if grace == 0 {
		grace = late
	}
	if latest = at.Add(grace); latest.After(until) {
		latest = until
	}
	return at, latest, true
}

// jitter returns 0 to most, in whole seconds.
func (p Planner) jitter(id string, most time.Duration) time.Duration {
	h := hmac.New(sha256.New, p.Key)
	h.Write([]byte("jitter " + id)) // which names the person
	n := uint64(most/time.Second) + 1
	return time.Duration(binary.BigEndian.Uint64(h.Sum(nil))%n) * time.Second
}

// names is the space of the ids that are made of names (RFC 9562, version 5).
var names = uuid.MustParse("6f2a55e0-3f0c-4f5b-9d1c-0b7a4f1f6b7e")

// idOf makes an id of words; the same of the same.
func idOf(words ...string) uuid.UUID {
	return uuid.NewSHA1(names, []byte(strings.Join(words, "\x00")))
}

func promptID(study, couple string, r domain.Role, o domain.Occasion, reminder domain.Reminder) string {
	return idOf("prompt", study, couple, string(r), occasionName(o), fmt.Sprintf("%d %d %d", reminder.AfterDays, reminder.AfterHours, reminder.Hour)).String()
}

func occasionName(o domain.Occasion) string {
	return fmt.Sprintf("%d %s %s", o.Wave, o.Burst, o.Day)
}

func laterOf(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
