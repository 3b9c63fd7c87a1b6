package access

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"

	"asem/domain"
)

// Sessions know who is signed in. Participants and staff have sessions of their own, so that a coordinator can show somebody the participants' pages.
type Sessions struct {
	store              *Store
	participant, staff *scs.SessionManager
}

// How long a session lasts: untouched, and at all.
const (
	idle            = 30 * time.Minute
	participantLife = 12 * time.Hour
	staffLife       = 10 * time.Hour
)

// NewSessions returns the sessions of a store. secure says that pages are served over HTTPS, and cookies are for that alone. failed answers
// a request whose session cannot be read or kept.
func NewSessions(s *Store, secure bool, failed func(http.ResponseWriter, *http.Request, error)) *Sessions {
	manager := func(name string, life time.Duration) *scs.SessionManager {
		m := scs.New()
		m.IdleTimeout, m.Lifetime = idle, life
		m.Store, m.Codec, m.HashTokenInStore = sessionStore{s}, codec{}, true
		m.ErrorFunc = failed
		m.Cookie.Name, m.Cookie.Persist = name, false
		if secure {
			m.Cookie.Name, m.Cookie.Secure = "__Host-"+name, true
		}
		return m
	}
	return &Sessions{s, manager("asem", participantLife), manager("asem-staff", staffLife)}
}

// Wrap gives requests their sessions, and answers their cookies.
func (s *Sessions) Wrap(next http.Handler) http.Handler {
	return s.participant.LoadAndSave(s.staff.LoadAndSave(next))
}

const ownerKey, epochKey = "owner", "epoch"

// StartParticipant signs a participant in. The context is of a request that went through [Sessions.Wrap].
func (s *Sessions) StartParticipant(ctx context.Context, p Participant) error {
	var epoch string
	err := s.store.reader.QueryRowContext(ctx, `SELECT epoch FROM participant WHERE study = $1 AND couple = $2 AND role = $3`, p.Study, p.Couple, string(p.Role)).Scan(&epoch)
	return s.start(ctx, s.participant, p.owner(), epoch, err)
}

// StartStaff signs a user in.
func (s *Sessions) StartStaff(ctx context.Context, u Staff) error {
	var epoch string
	err := s.store.reader.QueryRowContext(ctx, `SELECT epoch FROM staff WHERE id = $1`, u.User).Scan(&epoch)
	return s.start(ctx, s.staff, u.owner(), epoch, err)
}

func (s *Sessions) start(ctx context.Context, m *scs.SessionManager, owner, epoch string, err error) error {
	if errors.Is(err, sql.ErrNoRows) { // forgotten since the credentials were checked
		return refused()
	}
	if err != nil {
		return fmt.Errorf("start a session: %w", err)
	}
	if err := m.Clear(ctx); err != nil { // whoever sat here before
		return fmt.Errorf("start a session: %w", err)
	}
	if err := m.RenewToken(ctx); err != nil {
		return fmt.Errorf("start a session: %w", err)
	}
	m.Put(ctx, ownerKey, owner)
	m.Put(ctx, epochKey, epoch)
	return nil
}

// Participant returns who is signed in as a participant; false: nobody.
func (s *Sessions) Participant(ctx context.Context) (Participant, bool, error) {
	parts := strings.Split(s.participant.GetString(ctx, ownerKey), "/")
	if len(parts) != 4 {
		return Participant{}, false, nil
	}
	p := Participant{parts[1], parts[2], domain.Role(parts[3])}
	ok, err := s.store.participantNow(ctx, p, s.participant.GetString(ctx, epochKey))
	if err != nil || !ok {
		return Participant{}, false, err
	}
	return p, true, nil
}

// Staff returns who is signed in as staff, with the roles as they are now; false: nobody.
func (s *Sessions) Staff(ctx context.Context) (Staff, bool, error) {
	_, id, ok := strings.Cut(s.staff.GetString(ctx, ownerKey), "/")
	if !ok {
		return Staff{}, false, nil
	}
	return s.store.staffNow(ctx, id, s.staff.GetString(ctx, epochKey))
}

// StaffSession names the session in which somebody is signed in as staff. It lets nobody in.
func (s *Sessions) StaffSession(ctx context.Context) string {
	return string(tokenHash("session of staff " + s.staff.Token(ctx)))
}

// EndParticipant signs out who is signed in as a participant.
func (s *Sessions) EndParticipant(ctx context.Context) error { return s.participant.Destroy(ctx) }

// EndStaff signs out who is signed in as staff.
func (s *Sessions) EndStaff(ctx context.Context) error { return s.staff.Destroy(ctx) }

// codec writes sessions as JSON, so that the store can tell whose they are.
type codec struct{}

type sessionText struct {
	Deadline time.Time      `json:"deadline"`
	Values   map[string]any `json:"values"`
}

func (codec) Encode(deadline time.Time, values map[string]any) ([]byte, error) {
	return json.Marshal(sessionText{deadline, values})
}

func (codec) Decode(b []byte) (time.Time, map[string]any, error) {
	var t sessionText
	err := json.Unmarshal(b, &t)
	if t.Values == nil {
		t.Values = map[string]any{}
	}
	return t.Deadline, t.Values, err
}

// sessionStore keeps sessions in the database, by the hash of their token.
type sessionStore struct{ *Store }

var _ scs.CtxStore = sessionStore{}

// touched is how stale the expiry of a session may be: a session is not written for every request.
const touched = time.Minute

func (s sessionStore) FindCtx(ctx context.Context, token string) (b []byte, found bool, err error) {
	err = s.reader.QueryRowContext(ctx, `SELECT data FROM session WHERE token = $1 AND ended = 0 AND expires > $2`, token, s.now().UnixMicro()).Scan(&b)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read a session: %w", err)
	}
	return b, true, nil
}

// CommitCtx keeps a session. One that was ended stays so, also when a request that was under way then is done with it only now.
func (s sessionStore) CommitCtx(ctx context.Context, token string, b []byte, expiry time.Time) error {
	var old []byte
	var expires int64
	err := s.reader.QueryRowContext(ctx, `SELECT data, expires FROM session WHERE token = $1 AND ended = 0`, token).Scan(&old, &expires)
	if err := none(err); err != nil {
		return fmt.Errorf("keep a session: %w", err)
	}
	if err == nil && string(old) == string(b) && expiry.UnixMicro()-expires < touched.Microseconds() {
		return nil
	}
	var t struct {
		Values struct {
			Owner string `json:"owner"`
		} `json:"values"`
	}
	if err := json.Unmarshal(b, &t); err != nil {
		return fmt.Errorf("keep a session: %w", err)
	}
	_, err = s.writer.ExecContext(ctx, `INSERT INTO session (token, owner, data, expires, ended) VALUES ($1, $2, $3, $4, 0)
		ON CONFLICT (token) DO UPDATE SET owner = excluded.owner, data = excluded.data, expires = excluded.expires WHERE session.ended = 0`,
		token, t.Values.Owner, b, expiry.UnixMicro())
	if err != nil {
		return fmt.Errorf("keep a session: %w", err)
	}
	return nil
}

func (s sessionStore) DeleteCtx(ctx context.Context, token string) error {
	if _, err := s.writer.ExecContext(ctx, `UPDATE session SET ended = 1, owner = '', data = $1 WHERE token = $2`, []byte{}, token); err != nil {
		return fmt.Errorf("end a session: %w", err)
	}
	return nil
}

func (s sessionStore) Find(token string) ([]byte, bool, error) {
	return s.FindCtx(context.Background(), token)
}

func (s sessionStore) Commit(token string, b []byte, expiry time.Time) error {
	return s.CommitCtx(context.Background(), token, b, expiry)
}

func (s sessionStore) Delete(token string) error { return s.DeleteCtx(context.Background(), token) }

// endSessions ends all sessions of an owner.
func endSessions(ctx context.Context, tx *sql.Tx, owner string) error {
	_, err := tx.ExecContext(ctx, `UPDATE session SET ended = 1, owner = '', data = $1 WHERE owner = $2`, []byte{}, owner)
	return err
}
