package access

import (
	"context"
	"database/sql"
	"fmt"
	"net/netip"
	"time"

	"asem/domain"
)

// pairingLife is how long a partner has to follow who came first.
const pairingLife = 14 * 24 * time.Hour

// Invitation is an open invitation: whoever has its link may enrol with a partner.
type Invitation struct {
	ID      string
	Study   string
	Created time.Time
	Expires time.Time
	Closed  bool
}

// OpenInvitation makes an open invitation to a study and returns what its link carries, which the store cannot show again.
func (s *Store) OpenInvitation(ctx context.Context, study string, life time.Duration) (Invitation, string, error) {
	if life < time.Hour || life > 2*366*24*time.Hour {
		return Invitation{}, "", &domain.Error{Code: domain.Invalid, Path: "days", Message: "an invitation is open for a day to two years"}
	}
	now, token := s.now(), randomText()
	i := Invitation{ID: randomText()[:12], Study: study, Created: now, Expires: now.Add(life)}
	if _, err := s.writer.ExecContext(ctx, `INSERT INTO invitation (id, study, token, created, expires, closed) VALUES ($1, $2, $3, $4, $5, 0)`,
		i.ID, study, tokenHash(token), now.UnixMicro(), i.Expires.UnixMicro()); err != nil {
		return Invitation{}, "", fmt.Errorf("open an invitation: %w", err)
	}
	return i, token, nil
}

// Invitations lists the open invitations of a study, the newest first, and how many wait for their partners.
func (s *Store) Invitations(ctx context.Context, study string) (list []Invitation, waiting int, err error) {
	rows, err := s.reader.QueryContext(ctx, `SELECT id, created, expires, closed FROM invitation WHERE study = $1 ORDER BY created DESC`, study)
	if err != nil {
		return nil, 0, fmt.Errorf("list invitations: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		i := Invitation{Study: study}
		var created, expires, closed int64
		if err := rows.Scan(&i.ID, &created, &expires, &closed); err != nil {
			return nil, 0, fmt.Errorf("list invitations: %w", err)
		}
		i.Created, i.Expires, i.Closed = time.UnixMicro(created), time.UnixMicro(expires), closed != 0
		list = append(list, i)
	}
	if err := rows.Err(); err != nil {
		return nil, 0, fmt.Errorf("list invitations: %w", err)
	}
	err = s.reader.QueryRowContext(ctx, `SELECT count(*) FROM pairing WHERE study = $1 AND expires > $2`, study, s.now().UnixMicro()).Scan(&waiting)
	if err != nil {
		return nil, 0, fmt.Errorf("list invitations: %w", err)
	}
	return list, waiting, nil
}

// CloseInvitation ends an open invitation. Who came by it before and waits for the partner is not affected.
func (s *Store) CloseInvitation(ctx context.Context, study, id string) error {
	ok, err := s.changed(ctx, `UPDATE invitation SET closed = 1 WHERE study = $1 AND id = $2`, study, id)
	if err == nil && !ok {
		err = &domain.Error{Code: domain.NotFound, Path: "invitation", Message: "there is no such invitation"}
	}
	return err
}

// Invited returns the study to which a link of an open invitation invites. Links that are wrong, over or closed are refused alike.
func (s *Store) Invited(ctx context.Context, token string, from netip.Addr) (study string, err error) {
	if err := s.take(ctx, perAddress, network(from)); err != nil {
		return "", err
	}
	err = s.reader.QueryRowContext(ctx, `SELECT study FROM invitation WHERE token = $1 AND expires > $2 AND closed = 0`, tokenHash(token), s.now().UnixMicro()).Scan(&study)
	if err := none(err); err != nil {
		return "", fmt.Errorf("look for an invitation: %w", err)
	}
	if study == "" {
		return "", refused()
	}
	return study, nil
}

// Pairing is somebody who came by an open invitation and waits for the partner.
type Pairing struct {
	Study    string
	Couple   string // code that the couple will have
	Role     domain.Role
	Language string
	Zone     string
	Word     string // shown to both, so that they know that they are with each other
}

// BeginPairing notes that somebody waits for the partner, and returns the code to hand over.
func (s *Store) BeginPairing(ctx context.Context, p Pairing) (Code, error) {
	code := NewCode()
	if _, err := s.writer.ExecContext(ctx, `INSERT INTO pairing (code, study, couple, role, language, zone, word, expires) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		s.Keyed("pairing", string(code)), p.Study, p.Couple, string(p.Role), p.Language, p.Zone, p.Word, s.now().Add(pairingLife).UnixMicro()); err != nil {
		return "", fmt.Errorf("begin a pairing: %w", err)
	}
	return code, nil
}

// PairingOf returns who waits for whoever has a code. Codes that are wrong or over are refused alike.
func (s *Store) PairingOf(ctx context.Context, code Code, from netip.Addr) (p Pairing, err error) {
	if err := s.takeBoth(ctx, from, perCode, "pairing "+string(code)); err != nil {
		return p, err
	}
	err = s.reader.QueryRowContext(ctx, `SELECT study, couple, role, language, zone, word FROM pairing WHERE code = $1 AND expires > $2`, s.Keyed("pairing", string(code)), s.now().UnixMicro()).
		Scan(&p.Study, &p.Couple, &p.Role, &p.Language, &p.Zone, &p.Word)
	if err := none(err); err != nil {
		return p, fmt.Errorf("look for a pairing: %w", err)
	}
	if p.Couple == "" {
		return p, refused()
	}
	return p, nil
}

// EndPairing uses a code up. It reports false where somebody else has used it since.
func (s *Store) EndPairing(ctx context.Context, code Code) (bool, error) {
	return s.changed(ctx, `DELETE FROM pairing WHERE code = $1`, s.Keyed("pairing", string(code)))
}

// forgetExpired removes pairings that nobody followed, and the credentials of those who waited in them.
func (s *Store) forgetExpired(ctx context.Context) error {
	now := s.now().UnixMicro()
	return s.within(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM participant WHERE EXISTS (SELECT 1 FROM pairing WHERE pairing.study = participant.study AND pairing.couple = participant.couple AND pairing.expires <= $1)`, now); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM pairing WHERE expires <= $1`, now)
		return err
	})
}
