package access

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"asem/domain"
)

// limit lets something happen a few times at once and then once in a while. It is the generic cell rate algorithm (ITU-T I.371, "virtual scheduling") kept in the
// database, so that it holds across servers and restarts.
type limit struct {
	name  string
	burst int           // so many at once
	every time.Duration // and one more each
}

// The limits. Those of an account are counted by what was typed, whether or not there is such an account.
var (
	perAddress  = limit{"address", 60, 5 * time.Second} // a lab or a campus may share one
	perStaff    = limit{"staff", 8, time.Minute}
	perCode     = limit{"code", 6, 10 * time.Minute} // a PIN of six digits is then found in ten years on average
	perEmail    = limit{"e-mail", 3, 10 * time.Minute}
	mailAddress = limit{"mail from address", 20, time.Minute}
)

// take counts one attempt, or refuses it.
func (s *Store) take(ctx context.Context, l limit, what string) error {
	now := s.now().UnixMicro()
	every := l.every.Microseconds()
	ok, err := s.changed(ctx, `INSERT INTO attempt (key, full_until) VALUES ($1, CAST($2 AS BIGINT) + CAST($3 AS BIGINT))
		ON CONFLICT (key) DO UPDATE SET full_until = (CASE WHEN attempt.full_until > $2 THEN attempt.full_until ELSE $2 END) + $3
		WHERE attempt.full_until <= CAST($4 AS BIGINT)`, s.Keyed("limit", l.name, what), now, every, now+every*int64(l.burst-1))
	if err != nil {
		return fmt.Errorf("count an attempt: %w", err)
	}
	if !ok {
		return &domain.Error{Code: domain.Limited, Message: fmt.Sprintf("too many attempts; try again in %s", l.every)}
	}
	return nil
}

// takeBoth counts an attempt on an account, and of the network address that it comes from.
func (s *Store) takeBoth(ctx context.Context, from netip.Addr, account limit, what string) error {
	if err := s.take(ctx, perAddress, network(from)); err != nil {
		return err
	}
	return s.take(ctx, account, what)
}

// forgive gives back what an account has used up.
func (s *Store) forgive(ctx context.Context, l limit, what string) error {
	_, err := s.writer.ExecContext(ctx, `DELETE FROM attempt WHERE key = $1`, s.Keyed("limit", l.name, what))
	return err
}

// network is what counts as one place: an IPv4 address, or the 64 bits of IPv6 that one household gets.
func network(a netip.Addr) string {
	a = a.Unmap()
	if a.Is6() {
		if p, err := a.WithZone("").Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}
