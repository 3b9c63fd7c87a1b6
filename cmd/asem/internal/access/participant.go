package access

import (
	"context"
	"database/sql"
	"fmt"
	"net/mail"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"asem/domain"
)

// Participant is a partner of a couple.
type Participant struct {
	Study, Couple string
	Role          domain.Role
}

func (p Participant) owner() string {
	return "participant/" + p.Study + "/" + p.Couple + "/" + string(p.Role)
}

func (p Participant) check() error {
	for _, v := range []string{p.Study, p.Couple, string(p.Role)} {
		if v == "" || strings.Contains(v, "/") {
			return &domain.Error{Code: domain.Invalid, Path: "participant", Message: "a participant has a study, a couple and a role, none of them empty or with a slash"}
		}
	}
	return nil
}

// Credential is what is printed for a participant. It is shown once; the store cannot show it again.
type Credential struct {
	Code Code
	PIN  string
}

// IssueCode gives a participant a new code and PIN. Those before work no more, and whoever is signed in with them is not any longer.
func (s *Store) IssueCode(ctx context.Context, p Participant) (Credential, error) {
	if err := p.check(); err != nil {
		return Credential{}, err
	}
	c := Credential{NewCode(), newPIN()}
	pin, err := s.hash(ctx, c.PIN)
	if err != nil {
		return Credential{}, fmt.Errorf("issue a code: %w", err)
	}
	err = s.within(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO participant (study, couple, role, epoch, code, pin, link_expires) VALUES ($1, $2, $3, $4, $5, $6, 0)
			ON CONFLICT (study, couple, role) DO UPDATE SET epoch = excluded.epoch, code = excluded.code, pin = excluded.pin, link = NULL, link_expires = 0`,
			p.Study, p.Couple, string(p.Role), randomText(), s.Keyed("code", string(c.Code)), pin); err != nil {
			return err
		}
		return endSessions(ctx, tx, p.owner())
	})
	if err != nil {
		return Credential{}, fmt.Errorf("issue a code: %w", err)
	}
	return c, nil
}

// SignInParticipant lets in who gives the right code and PIN. Everybody else is refused in the same words and time.
func (s *Store) SignInParticipant(ctx context.Context, code Code, pin string, from netip.Addr) (Participant, error) {
	if err := s.takeBoth(ctx, from, perCode, string(code)); err != nil {
		return Participant{}, err
	}
	var p Participant
	var hash string
	err := s.reader.QueryRowContext(ctx, `SELECT study, couple, role, pin FROM participant WHERE code = $1`, s.Keyed("code", string(code))).Scan(&p.Study, &p.Couple, &p.Role, &hash)
	if err := none(err); err != nil {
		return Participant{}, fmt.Errorf("sign in: %w", err)
	}
	ok, err := s.matches(ctx, digits(pin), hash)
	if err != nil {
		return Participant{}, fmt.Errorf("sign in: %w", err)
	}
	if !ok {
		return Participant{}, refused()
	}
	return p, s.forgive(ctx, perCode, string(code))
}

// digits leaves out what people type between digits.
func digits(pin string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' || r == '\u00a0' {
			return -1
		}
		return r
	}, pin)
}

// NormalEmail reads an e-mail address as people type it; two that mean the same mailbox nearly everywhere become one.
func NormalEmail(text string) (string, error) {
	bad := &domain.Error{Code: domain.Invalid, Path: "email", Message: "this is no e-mail address; expected one like name@example.org"}
	text = norm.NFC.String(strings.TrimSpace(text))
	a, err := mail.ParseAddress(text)
	if err != nil || a.Name != "" || len(text) > 254 || strings.ContainsAny(text, "<>\r\n\t\x00 ") {
		return "", bad
	}
	local, host, _ := strings.Cut(a.Address, "@")
	if i := strings.LastIndexByte(a.Address, '@'); i != len(local) || host == "" { // in quotes, which nobody has
		return "", bad
	}
	return strings.ToLower(a.Address), nil
}

// SetEmail lets a participant ask for sign-in links at an address, of which a keyed hash is kept. In one study an address belongs to one participant:
// partners who share a mailbox would otherwise come in as each other. That another has it is a conflict, about which no more is said.
func (s *Store) SetEmail(ctx context.Context, p Participant, address string) error {
	if err := p.check(); err != nil {
		return err
	}
	address, err := NormalEmail(address)
	if err != nil {
		return err
	}
	hash := s.Keyed("e-mail", address)
	err = s.within(ctx, func(tx *sql.Tx) error {
		var taken bool
		if err := tx.QueryRowContext(ctx, `SELECT count(*) > 0 FROM participant WHERE study = $1 AND email = $2 AND NOT (couple = $3 AND role = $4)`, p.Study, hash, p.Couple, string(p.Role)).Scan(&taken); err != nil {
			return err
		}
		if taken {
			return emailTaken()
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO participant (study, couple, role, epoch, pin, email, link_expires) VALUES ($1, $2, $3, $4, '', $5, 0)
			ON CONFLICT (study, couple, role) DO UPDATE SET email = excluded.email, link = NULL, link_expires = 0`, p.Study, p.Couple, string(p.Role), randomText(), hash)
		if sqlState(err) == "23505" { // at the same moment
			return emailTaken()
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("set the e-mail address: %w", err)
	}
	return nil
}

func emailTaken() error {
	return &domain.Error{Code: domain.Conflict, Path: "email", Message: "this address cannot be used here; expected one that only this person reads"}
}

// RemoveEmail takes back [Store.SetEmail]. It is no mistake if there is none.
func (s *Store) RemoveEmail(ctx context.Context, p Participant) error {
	_, err := s.writer.ExecContext(ctx, `UPDATE participant SET email = NULL, link = NULL, link_expires = 0 WHERE study = $1 AND couple = $2 AND role = $3`, p.Study, p.Couple, string(p.Role))
	if err != nil {
		return fmt.Errorf("remove the e-mail address: %w", err)
	}
	return nil
}

// Ways says how a participant can come in.
type Ways struct{ Code, Email bool }

// WaysOf tells how the participants of a study can come in; who is not in the list cannot.
func (s *Store) WaysOf(ctx context.Context, study string) (map[Participant]Ways, error) {
	rows, err := s.reader.QueryContext(ctx, `SELECT couple, role, code IS NOT NULL, email IS NOT NULL FROM participant WHERE study = $1`, study)
	if err != nil {
		return nil, fmt.Errorf("read the ways in: %w", err)
	}
	defer rows.Close()
	ways := map[Participant]Ways{}
	for rows.Next() {
		p, w := Participant{Study: study}, Ways{}
		if err := rows.Scan(&p.Couple, &p.Role, &w.Code, &w.Email); err != nil {
			return nil, fmt.Errorf("read the ways in: %w", err)
		}
		ways[p] = w
	}
	return ways, rows.Err()
}

// linkLife is how long a sign-in link works.
const linkLife = 15 * time.Minute

// Link is a single-use sign-in link of a participant.
type Link struct {
	Participant
	Token string
}

// AskForLinks counts that somebody asked for a link to be sent to an address, and refuses if that was too often, known or not.
func (s *Store) AskForLinks(ctx context.Context, address string, from netip.Addr) error {
	if err := s.take(ctx, mailAddress, network(from)); err != nil {
		return err
	}
	return s.take(ctx, perEmail, address)
}

// LinksFor makes the links to send to an address: one for each study in which somebody has it, most often none. A link from before works no more.
func (s *Store) LinksFor(ctx context.Context, address string) (list []Link, err error) {
	hash := s.Keyed("e-mail", address)
	err = s.within(ctx, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `SELECT study, couple, role FROM participant WHERE email = $1 ORDER BY study`, hash)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			l := Link{Token: randomText()}
			if err := rows.Scan(&l.Study, &l.Couple, &l.Role); err != nil {
				return err
			}
			list = append(list, l)
		}
		if err := rows.Err(); err != nil {
			return err
		}
		for _, l := range list {
			if _, err := tx.ExecContext(ctx, `UPDATE participant SET link = $1, link_expires = $2 WHERE study = $3 AND couple = $4 AND role = $5`,
				tokenHash(l.Token), s.now().Add(linkLife).UnixMicro(), l.Study, l.Couple, string(l.Role)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("make sign-in links: %w", err)
	}
	return list, nil
}

// FollowLink lets in who has a live link, and uses it up.
func (s *Store) FollowLink(ctx context.Context, token string, from netip.Addr) (p Participant, err error) {
	if err := s.take(ctx, perAddress, network(from)); err != nil {
		return p, err
	}
	err = s.writer.QueryRowContext(ctx, `UPDATE participant SET link = NULL, link_expires = 0 WHERE link = $1 AND link_expires > $2 RETURNING study, couple, role`,
		tokenHash(token), s.now().UnixMicro()).Scan(&p.Study, &p.Couple, &p.Role)
	if err := none(err); err != nil {
		return p, fmt.Errorf("follow a sign-in link: %w", err)
	}
	if p.Study == "" {
		return p, refused()
	}
	return p, nil
}

// EndSessions signs a participant out everywhere.
func (s *Store) EndSessions(ctx context.Context, p Participant) error {
	err := s.within(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `UPDATE participant SET epoch = $1 WHERE study = $2 AND couple = $3 AND role = $4`, randomText(), p.Study, p.Couple, string(p.Role)); err != nil {
			return err
		}
		return endSessions(ctx, tx, p.owner())
	})
	if err != nil {
		return fmt.Errorf("end the sessions: %w", err)
	}
	return nil
}

// Forget removes everything that is here of participants: code, PIN, address, links, sessions and a place that waits. It is for who was erased and who withdrew, and
// does no harm if there is nothing left.
func (s *Store) Forget(ctx context.Context, list ...Participant) error {
	gone := false
	err := s.within(ctx, func(tx *sql.Tx) error {
		for _, p := range list {
			for _, statement := range []string{
				`DELETE FROM participant WHERE study = $1 AND couple = $2 AND role = $3`,
				`DELETE FROM pairing WHERE study = $1 AND couple = $2 AND role = $3`,
				`DELETE FROM session WHERE owner = 'participant/' || $1 || '/' || $2 || '/' || $3`,
				`DELETE FROM draft WHERE study = $1 AND couple = $2 AND $3 <> ''`, // of what coders saw of both
			} {
				r, err := tx.ExecContext(ctx, statement, p.Study, p.Couple, string(p.Role))
				if err != nil {
					return err
				}
				n, err := r.RowsAffected()
				if err != nil {
					return err
				}
				gone = gone || n > 0
			}
		}
		return nil
	})
	if err == nil && gone {
		err = s.scrub(ctx)
	}
	if err != nil {
		return fmt.Errorf("forget a participant: %w", err)
	}
	return nil
}

// scrub clears away what a database keeps of deleted rows.
func (s *Store) scrub(ctx context.Context) error {
	if s.postgres {
		for _, table := range []string{"participant", "pairing", "session"} {
			if _, err := s.writer.ExecContext(ctx, "VACUUM FULL "+table); err != nil { // a few rows for each person; readers wait for a moment
				return err
			}
		}
		return nil
	}
	for try := 0; ; try++ { // readers that look at an old page are waited for
		var busy, frames, done int
		err := s.writer.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &frames, &done)
		if err == nil && busy == 0 {
			return nil
		}
		if try == 100 || ctx.Err() != nil {
			return fmt.Errorf("the write-ahead log cannot be emptied: somebody keeps reading: %w", err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// participantNow reports whether a session of an epoch still counts.
func (s *Store) participantNow(ctx context.Context, p Participant, epoch string) (bool, error) {
	var now string
	err := s.reader.QueryRowContext(ctx, `SELECT epoch FROM participant WHERE study = $1 AND couple = $2 AND role = $3`, p.Study, p.Couple, string(p.Role)).Scan(&now)
	if err := none(err); err != nil {
		return false, fmt.Errorf("read a participant: %w", err)
	}
	return now != "" && now == epoch, nil
}
