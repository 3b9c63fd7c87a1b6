package prompting

import (
	"context"
	"fmt"
	"net/mail"
	"time"

	"asem/cmd/asem/internal/prompting/texts"
	"asem/domain"
)

// Channel hands letters to those who deliver them. It is used by many goroutines at the same time.
type Channel interface {
	// Name is the channel's in the ledger.
	Name() string
	// Reaches reports whether the channel has a way to a person.
	Reaches(Recipient) bool
	// Open makes sure that the other side answers, before a letter is claimed. Nothing of a letter or a person is told yet. An error holds no secret.
	Open(ctx context.Context) (Session, error)
}

// Session is an open channel, for one goroutine.
type Session interface {
	// Send hands over a letter, once.
	Send(ctx context.Context, l Letter) Result
	Close()
}

// Participant names a person in a study.
type Participant struct {
	Study, Couple string
	Role          domain.Role
}

// Recipient is who gets a letter. It is never logged.
type Recipient struct {
	Participant
	Code  string // of the participant
	Email string // empty: none
}

// Letter is what is handed to a channel.
type Letter struct {
	ID       string // the same whenever it is handed over
	To       Recipient
	From     Identity
	Language string
	texts.Rendered
	Link    string
	Wanted  bool // the person asked for it just now; otherwise the letter says how to get no more of them
	At      time.Time
	Expires time.Time // when there is no point in it any more
}

// Result says what became of a letter.
type Result struct {
	Outcome Outcome
	Stage   string // of the conversation: one of a few words
	Code    int    // what the other side answered; 0: nothing
}

// Outcome is what can become of a letter.
type Outcome int

// The outcomes.
const (
	Accepted  Outcome = iota // the other side took it
	Refused                  // and will not take it
	NotNow                   // it certainly did not, and may another time
	Uncertain                // nobody knows: it must never be handed over again
)

func (o Outcome) String() string {
	return [...]string{"accepted", "refused", "not_now", "uncertain"}[o]
}

func (r Result) String() string {
	if r.Code == 0 {
		return fmt.Sprintf("%s (%s)", r.Outcome, r.Stage)
	}
	return fmt.Sprintf("%s (%s, %d)", r.Outcome, r.Stage, r.Code)
}

// Identity is how letters show whom they are from. It should tell nothing of what they are about.
type Identity struct {
	From    mail.Address
	Subject map[string]string // of reminders, by language; empty: a neutral one
	Name    string            // written below letters; empty: nothing is
}

// Identities are whom letters are from: by site, by study, or for everybody.
type Identities struct {
	Default Identity
	Of      map[string]Identity // by "STUDY/SITE" or "STUDY"
}

// For returns the identity for a couple's study and site.
func (i Identities) For(study, site string) Identity {
	for _, of := range []string{study + "/" + site, study} {
		if id, ok := i.Of[of]; ok {
			if id.From.Address == "" {
				id.From = i.Default.From
			}
			return id
		}
	}
	return i.Default
}

// Linker makes the links by which participants come from a letter to their pages.
type Linker interface {
	// Link returns a link that lets one person in, until a moment at most, and that tells which prompt was followed.
	Link(ctx context.Context, to Participant, prompt string, until time.Time) (string, error)
}
