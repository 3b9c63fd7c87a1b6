package access

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"asem/domain"
)

// Invite makes an open invitation to a study, by whose token so many couples may join until it expires. It is shown once.
func (s *Store) Invite(ctx context.Context, study string, couples int, expires time.Time) (token string, err error) {
	switch {
	case study == "":
		return "", &domain.Error{Code: domain.Invalid, Path: "study", Message: "expected the code of a study"}
	case couples < 1 || couples > 100_000:
		return "", &domain.Error{Code: domain.Invalid, Path: "couples", Message: fmt.Sprintf("an invitation for %d couples; expected 1 to 100000", couples)}
	case !expires.After(s.now()):
		return "", &domain.Error{Code: domain.Invalid, Path: "expires", Message: "the invitation would have expired already"}
	}
	token = randomText()
	if _, err := s.writer.ExecContext(ctx, `INSERT INTO invitation (token, study, expires, places) VALUES ($1, $2, $3, $4)`, tokenHash(token), study, expires.UnixMicro(), couples); err != nil {
		return "", fmt.Errorf("invite: %w", err)
	}
	return token, nil
}

// InvitedTo returns the study that an open invitation is to. Asking uses nothing up.
func (s *Store) InvitedTo(ctx context.Context, token string, from netip.Addr) (study string, err error) {
	if err := s.take(ctx, perAddress, network(from)); err != nil {
		return "", err
	}
	err = s.reader.QueryRowContext(ctx, `SELECT study FROM invitation WHERE token = $1 AND expires > $2 AND places > 0`, tokenHash(token), s.now().UnixMicro()).Scan(&study)
	return study, invited(study, err)
}

// AcceptInvitation uses up one place of an open invitation and returns the study. Who could not be enrolled after all gives it back with [Store.ReturnInvitation].
func (s *Store) AcceptInvitation(ctx context.Context, token string, from netip.Addr) (study string, err error) {
	if err := s.take(ctx, perAddress, network(from)); err != nil {
		return "", err
	}
	err = s.writer.QueryRowContext(ctx, `UPDATE invitation SET places = places - 1 WHERE token = $1 AND expires > $2 AND places > 0 RETURNING study`, tokenHash(token), s.now().UnixMicro()).Scan(&study)
	return study, invited(study, err)
}

func invited(study string, err error) error {
	if err := none(err); err != nil {
		return fmt.Errorf("look up an invitation: %w", err)
	}
	if study == "" {
		return refused()
	}
	return nil
}

// ReturnInvitation gives back a place that [Store.AcceptInvitation] used up.
func (s *Store) ReturnInvitation(ctx context.Context, token string) error {
	_, err := s.writer.ExecContext(ctx, `UPDATE invitation SET places = places + 1 WHERE token = $1`, tokenHash(token))
	return err
}

// CloseInvitations ends all open invitations to a study.
func (s *Store) CloseInvitations(ctx context.Context, study string) error {
	_, err := s.writer.ExecContext(ctx, `DELETE FROM invitation WHERE study = $1`, study)
	return err
}

// placeLife is how long a place waits for the partner.
const placeLife = 14 * 24 * time.Hour

// OfferPlace makes a code with which one person may take a place in a couple: what somebody who joined gives to the partner. It works once; a code from
// before for the same place works no more. Whether it was taken is nothing that the one who offered it may be shown.
func (s *Store) OfferPlace(ctx context.Context, p Participant) (Code, error) {
	if err := p.check(); err != nil {
		return "", err
	}
	c := NewCode()
	_, err := s.writer.ExecContext(ctx, `INSERT INTO place (code, study, couple, role, expires) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (study, couple, role) DO UPDATE SET code = excluded.code, expires = excluded.expires`,
		s.Keyed("place", string(c)), p.Study, p.Couple, string(p.Role), s.now().Add(placeLife).UnixMicro())
	if err != nil {
		return "", fmt.Errorf("offer a place: %w", err)
	}
	return c, nil
}

// TakePlace uses up the code of a place and returns whose place it is.
func (s *Store) TakePlace(ctx context.Context, c Code, from netip.Addr) (p Participant, err error) {
	if err := s.takeBoth(ctx, from, perCode, "place "+string(c)); err != nil {
		return p, err
	}
	err = s.writer.QueryRowContext(ctx, `DELETE FROM place WHERE code = $1 AND expires > $2 RETURNING study, couple, role`, s.Keyed("place", string(c)), s.now().UnixMicro()).Scan(&p.Study, &p.Couple, &p.Role)
	return p, invited(p.Study, err)
}
