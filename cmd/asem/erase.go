package main

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"asem/cmd/asem/internal/access"
	"asem/domain"
	"asem/events"
	"asem/events/proof"
	"asem/projections"
)

// eraseCmd erases a person.
type eraseCmd struct {
	storage
	Study   string `help:"Code of the study." required:"" placeholder:"CODE"`
	Couple  string `help:"Code of the couple." required:"" placeholder:"CODE"`
	Role    string `help:"Role of the person in the couple, as in the protocol: A or B." required:"" placeholder:"ROLE"`
	Backups string `help:"Folder of the backups, whose keys are destroyed too." env:"ASEM_BACKUPS" type:"path" placeholder:"DIR"`
	Sure    bool   `name:"yes-erase-for-good" help:"Needed: there is no way back."`
}

func (c *eraseCmd) Help() string {
	return `Destroys everything that was kept of one partner: the key under which the person's answers, codes and consents
are sealed, in the database and beside the backups; the rows of the person in the read models, at all positions; the
videos of the couple, of which no copy can be opened any more either; and the person's ways to sign in.
What the other partner gave stays as it is, and the log still proves that nothing else was changed. The log keeps that
somebody in this role was erased, and when. If it is interrupted, run it again, or start any other command: it is finished.

Example:
  asem erase --data study --study DEMO --couple 017 --role A --backups backups --yes-erase-for-good`
}

func (c *eraseCmd) Run(ctx context.Context, io streams) error {
	if !c.Sure {
		return &domain.Error{Code: domain.Invalid, Path: "--yes-erase-for-good", Message: fmt.Sprintf(
			"nothing was erased: this would erase the person in role %s of couple %s of study %s for good; say so with this flag", c.Role, c.Couple, c.Study)}
	}
	return c.withExisting(ctx, func(h *house) error {
		_, err := h.exec.Execute(ctx, domain.Order{ID: uuid.Must(uuid.NewV7()).String(), By: domain.Actor{Role: domain.ActorCoordinator, Subject: "asem erase"}, At: time.Now(),
			Command: domain.EraseParticipant{Study: c.Study, Couple: c.Couple, Role: domain.Role(c.Role)}})
		if err != nil {
			return err
		}
		if err := h.catchUp(ctx); err != nil {
			return err
		}
		if err := h.finishErasures(ctx); err != nil {
			return err
		}
		if c.Backups != "" {
			if err := c.updateBeside(ctx, c.Backups, &archived{h.archive, h.keys}); err != nil {
				return err
			}
		}
		s, err := proof.Sign(ctx, h.archive, h.keys.Signer(), c.Study, time.Now())
		if err != nil {
			return err
		}
		fmt.Fprintf(io.out, "The person in role %s of couple %s of study %s was erased. The tree of the study, signed at %d events, still proves the rest.\n", c.Role, c.Couple, c.Study, s.Size)
		return nil
	})
}

// finishErasures destroys the keys of everybody whose tombstone is in the log and whose key still exists, and clears away what the
// databases keep of deleted rows. It does nothing when all is done.
func (h *house) finishErasures(ctx context.Context) error {
	view, err := h.read.View(ctx, projections.AsOf{})
	if err != nil {
		return err
	}
	list, err := view.Erasures(ctx)
	if err != nil || len(list) == 0 {
		return err
	}
	var owners []string
	var gone []access.Participant
	for _, e := range list {
		gone = append(gone, access.Participant{Study: e.Study, Couple: e.Couple, Role: e.Role})
		owners = append(owners, events.ErasedOwners(e.Study, e.Couple, domain.ParticipantErased{Role: e.Role, Last: e.Last})...)
	}
	if err := h.access.Forget(ctx, gone...); err != nil { // first, so that nobody comes in who is being erased
		return err
	}
	keys, err := h.archive.WrappedKeys(ctx, owners)
	if err != nil {
		return err
	}
	destroyed := map[string]bool{}
	for _, k := range keys {
		destroyed[k.Owner] = !k.Destroyed.IsZero()
	}
	var due []string
	for _, o := range owners {
		if !destroyed[o] {
			due = append(due, o)
		}
	}
	if len(due) == 0 {
		return nil
	}
	if err := h.purgeVideos(ctx, list); err != nil {
		return err
	}
	if err := h.read.Scrub(ctx); err != nil {
		return err
	}
	return h.log.Erase(ctx, due...) // last: while a key exists, the erasure is not finished
}
