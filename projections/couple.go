package projections

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"asem/domain"
	"asem/events"
)

const coupleSchema = `
CREATE TABLE IF NOT EXISTS {couple} (
	key           BYTEA NOT NULL,
	study         TEXT NOT NULL,
	code          TEXT NOT NULL,
	enrolled_on   TEXT NOT NULL,
	separated_on  TEXT NOT NULL, -- empty while together
	from_position BIGINT NOT NULL,
	to_position   BIGINT NOT NULL,
	PRIMARY KEY (key, from_position)
);
CREATE TABLE IF NOT EXISTS {participant} (
	key           BYTEA NOT NULL,
	couple_key    BYTEA NOT NULL,
	study         TEXT NOT NULL,
	role          TEXT NOT NULL,
	code          TEXT NOT NULL,
	zone          TEXT NOT NULL,
	zone_since    BIGINT NOT NULL, -- 0: from the beginning
	withdrawn_on  TEXT NOT NULL, -- empty while taking part
	from_position BIGINT NOT NULL,
	to_position   BIGINT NOT NULL,
	PRIMARY KEY (key, from_position)
);
CREATE INDEX IF NOT EXISTS {participant_by_couple} ON {participant} (couple_key);
CREATE INDEX IF NOT EXISTS {participant_by_code} ON {participant} (study, code);
CREATE TABLE IF NOT EXISTS {consent} (
	key           BYTEA NOT NULL, -- of the participant
	scope         TEXT NOT NULL,
	version       TEXT NOT NULL,
	from_position BIGINT NOT NULL,
	to_position   BIGINT NOT NULL,
	PRIMARY KEY (key, scope, from_position)
);
CREATE TABLE IF NOT EXISTS {beginning} ( -- from which days are counted, beside enrolment
	key           BYTEA NOT NULL, -- of the participant who joined, or of the couple that held a session
	couple_key    BYTEA NOT NULL,
	role          TEXT NOT NULL, -- empty: a session
	session       BIGINT NOT NULL, -- its number; 0: joining
	day           TEXT NOT NULL,
	from_position BIGINT NOT NULL,
	PRIMARY KEY (key, session, from_position)
);
CREATE INDEX IF NOT EXISTS {beginning_by_couple} ON {beginning} (couple_key);
CREATE TABLE IF NOT EXISTS {erasure} (
	study         TEXT NOT NULL,
	couple        TEXT NOT NULL,
	role          TEXT NOT NULL,
	last          BIGINT NOT NULL, -- 1: nobody of the couple is left
	from_position BIGINT NOT NULL,
	PRIMARY KEY (study, couple, role)
)`

func couples() definition {
	return project("couple", 2, coupleSchema,
		on(func(ctx context.Context, tx *Tx, at events.Envelope, e domain.CoupleEnrolled) error {
			couple := coupleKey(at.Study, e.Code)
			err := tx.Insert(ctx, insertCouple, []byte(couple), at.Study, e.Code, e.EnrolledOn.String(), "", int64(at.Position), int64(forever))
			for _, p := range e.Participants {
				if err != nil {
					return err
				}
				err = tx.openParticipant(ctx, at, e.Code, p)
			}
			return err
		}),
		on(func(ctx context.Context, tx *Tx, at events.Envelope, e domain.ParticipantJoined) error {
			couple, err := coupleOf(at)
			if err != nil {
				return err
			}
			return tx.openParticipant(ctx, at, couple, domain.NewParticipant(e))
		}),
		on(func(ctx context.Context, tx *Tx, at events.Envelope, e domain.ParticipantErased) error {
			couple, err := coupleOf(at)
			if err != nil {
				return err
			}
			last := 0
			if e.Last {
				last = 1
			}
			if err := tx.Insert(ctx, insertErasure, at.Study, couple, string(e.Role), last, int64(at.Position)); err != nil {
				return err
			}
			return tx.erase(ctx, at, e, "key", []string{"participant", "consent", "beginning"}, "key", []string{"couple", "beginning"})
		}),
		on(func(ctx context.Context, tx *Tx, at events.Envelope, e domain.CoupleSeparated) error {
			couple, err := coupleOf(at)
			if err != nil {
				return err
			}
			k := []byte(coupleKey(at.Study, couple))
			row, err := tx.queryRow(ctx, `UPDATE {couple} SET to_position = $2 WHERE key = $1 AND to_position = $3 RETURNING enrolled_on`, k, int64(at.Position), int64(forever))
			if err != nil {
				return err
			}
			var enrolled string
			if err := row.Scan(&enrolled); err != nil {
				return fmt.Errorf("find couple %s: %w", couple, err)
			}
			return tx.Insert(ctx, insertCouple, k, at.Study, couple, enrolled, e.On.String(), int64(at.Position), int64(forever))
		}),
		on(func(ctx context.Context, tx *Tx, at events.Envelope, e domain.ParticipantMoved) error {
			return tx.changeParticipant(ctx, at, e.Role, func(p *participantRow) { p.zone, p.zoneSince = e.Zone, micros(e.At) })
		}),
		on(func(ctx context.Context, tx *Tx, at events.Envelope, e domain.ParticipantWithdrew) error {
			return tx.changeParticipant(ctx, at, e.Role, func(p *participantRow) { p.withdrawnOn = e.On.String() })
		}),
		on(func(ctx context.Context, tx *Tx, at events.Envelope, e domain.ConsentGiven) error {
			k, err := tx.closeConsent(ctx, at, e.Role, e.Scope)
			if err != nil {
				return err
			}
			if err := tx.join(ctx, at, k, e); err != nil {
				return err
			}
			return tx.Insert(ctx, insertConsent, []byte(k), string(e.Scope), e.Version, int64(at.Position), int64(forever))
		}),
		on(func(ctx context.Context, tx *Tx, at events.Envelope, e domain.SessionHeld) error {
			couple, err := coupleOf(at)
			if err != nil {
				return err
			}
			k := []byte(coupleKey(at.Study, couple))
			return tx.Insert(ctx, insertBeginning, k, k, "", e.Number, e.On.String(), int64(at.Position))
		}),
		on(func(ctx context.Context, tx *Tx, at events.Envelope, e domain.ConsentWithdrawn) error {
			_, err := tx.closeConsent(ctx, at, e.Role, e.Scope)
			return err
		}),
	)
}

var (
	insertCouple      = insertInto("couple", "key, study, code, enrolled_on, separated_on, from_position, to_position")
	insertParticipant = insertInto("participant", "key, couple_key, study, role, code, zone, zone_since, withdrawn_on, from_position, to_position")
	insertBeginning   = insertInto("beginning", "key, couple_key, role, session, day, from_position")
	insertErasure     = insertInto("erasure", "study, couple, role, last, from_position")
	insertConsent     = insertInto("consent", "key, scope, version, from_position, to_position")
)

func (t *Tx) openParticipant(ctx context.Context, at events.Envelope, couple string, p domain.NewParticipant) error {
	return t.Insert(ctx, insertParticipant, []byte(personKey(at.Study, couple, p.Role)), []byte(coupleKey(at.Study, couple)), at.Study,
		string(p.Role), p.Code, p.Zone, 0, "", int64(at.Position), int64(forever))
}

// participantRow is what can change of a participant.
type participantRow struct {
	zone        string
	zoneSince   int64
	withdrawnOn string
}

// changeParticipant closes the row of a participant and opens a changed one.
func (t *Tx) changeParticipant(ctx context.Context, at events.Envelope, r domain.Role, change func(*participantRow)) error {
	couple, err := coupleOf(at)
	if err != nil {
		return err
	}
	k := personKey(at.Study, couple, r)
	row, err := t.queryRow(ctx, `UPDATE {participant} SET to_position = $2 WHERE key = $1 AND to_position = $3 RETURNING couple_key, code, zone, zone_since, withdrawn_on`,
		[]byte(k), int64(at.Position), int64(forever))
	if err != nil {
		return err
	}
	var coupleKey []byte
	var code string
	var p participantRow
	if err := row.Scan(&coupleKey, &code, &p.zone, &p.zoneSince, &p.withdrawnOn); err != nil {
		return fmt.Errorf("find role %s of couple %s: %w", r, couple, err)
	}
	change(&p)
	return t.Insert(ctx, insertParticipant, []byte(k), coupleKey, at.Study, string(r), code, p.zone, p.zoneSince, p.withdrawnOn, int64(at.Position), int64(forever))
}

// join notes the day of a participant's first consent. Which day that is by the person's own clock is for the domain to say, from the zones so far.
func (t *Tx) join(ctx context.Context, at events.Envelope, who key, consent domain.ConsentGiven) error {
	if consent.At.IsZero() {
		return nil
	}
	rows, err := t.Query(ctx, `SELECT p.couple_key, p.zone, p.zone_since FROM {participant} p WHERE p.key = $1 AND NOT EXISTS (SELECT 1 FROM {beginning} b WHERE b.key = $1) ORDER BY p.from_position`, []byte(who))
	if err != nil {
		return err
	}
	var couple domain.Couple
	var coupleKey []byte
	err = each(rows, func(scan scanner) error {
		var zone string
		var since int64
		if err := scan(&coupleKey, &zone, &since); err != nil {
			return err
		}
		if couple.Participants == nil {
			couple.Apply(domain.ParticipantJoined{Role: consent.Role, Zone: zone})
		}
		couple.Apply(domain.ParticipantMoved{Role: consent.Role, Zone: zone, At: timeOf(since)})
		return nil
	})
	couple.Apply(consent)
	if p, ok := couple.Participant(consent.Role); ok && err == nil && !p.JoinedOn.IsZero() {
		err = t.Insert(ctx, insertBeginning, []byte(who), coupleKey, string(consent.Role), 0, p.JoinedOn.String(), int64(at.Position))
	}
	return err
}

func (t *Tx) closeConsent(ctx context.Context, at events.Envelope, r domain.Role, s domain.Scope) (key, error) {
	couple, err := coupleOf(at)
	if err != nil {
		return nil, err
	}
	k := personKey(at.Study, couple, r)
	return k, t.Exec(ctx, `UPDATE {consent} SET to_position = $3 WHERE key = $1 AND scope = $2 AND to_position = $4`,
		[]byte(k), string(s), int64(at.Position), int64(forever))
}

// CoupleID names a couple.
type CoupleID struct{ Study, Couple string }

// PersonID names the person in a role of a couple.
type PersonID struct {
	Study, Couple string
	Role          domain.Role
}

// Couple is a couple as it stood at the position of a view.
type Couple struct {
	CoupleID
	EnrolledOn   domain.Date
	SeparatedOn  domain.Date   // zero while together
	Participants []Participant // in natural order of their roles
	Since        events.Position
}

// Participant returns who is in a role.
func (c Couple) Participant(r domain.Role) (Participant, bool) {
	i := slices.IndexFunc(c.Participants, func(p Participant) bool { return p.Role == r })
	if i < 0 {
		return Participant{}, false
	}
	return c.Participants[i], true
}

// Participant is a person in a role of a couple, known by a code.
type Participant struct {
	PersonID
	Code        string
	Zone        string                  // IANA name
	WithdrawnOn domain.Date             // zero while taking part
	Consents    map[domain.Scope]string // scopes in force, and the version of the text agreed to
	Since       events.Position
}

// CoupleFilter narrows a list of couples; a zero field does not.
type CoupleFilter struct {
	EnrolledFrom, EnrolledTo domain.Date // both inclusive
	Separated                *bool
	Withdrawn                *bool // whether anybody of the couple withdrew
	AnsweredWave             int   // everybody of the couple answered something at the wave
}

// where returns the condition of the filter on {couple} c. Its parameters begin with number first.
func (f CoupleFilter) where(first int) (string, []any) {
	var b strings.Builder
	var args []any
	if !f.EnrolledFrom.IsZero() {
		fmt.Fprintf(&b, " AND enrolled_on >= $%d", first+len(args))
		args = append(args, f.EnrolledFrom.String())
	}
	if !f.EnrolledTo.IsZero() {
		fmt.Fprintf(&b, " AND enrolled_on <= $%d", first+len(args))
		args = append(args, f.EnrolledTo.String())
	}
	if f.Separated != nil {
		b.WriteString(map[bool]string{true: " AND separated_on <> ''", false: " AND separated_on = ''"}[*f.Separated])
	}
	if f.Withdrawn != nil {
		b.WriteString(map[bool]string{true: " AND ", false: " AND NOT "}[*f.Withdrawn] +
			`EXISTS (SELECT 1 FROM {participant} p WHERE p.couple_key = c.key AND p.from_position <= $1 AND $1 < p.to_position AND p.withdrawn_on <> '')`)
	}
	if f.AnsweredWave != 0 {
		fmt.Fprintf(&b, ` AND NOT EXISTS (SELECT 1 FROM {participant} p WHERE p.couple_key = c.key AND p.from_position <= $1 AND $1 < p.to_position
			AND NOT EXISTS (SELECT 1 FROM {wave_attendance} a WHERE a.key = p.key AND a.from_position <= $1 AND a.wave = $%d AND a.outcome > %d))`, first+len(args), missed)
		args = append(args, f.AnsweredWave)
	}
	return b.String(), args
}

const coupleColumns = `SELECT study, code, enrolled_on, separated_on, from_position FROM {couple} c WHERE ` + held

// Couples returns a page of a study's couples in natural order of their codes, which are the cursors.
func (v View) Couples(ctx context.Context, study string, f CoupleFilter, p Page) (Slice[Couple], error) {
	if err := p.check(); err != nil {
		return Slice[Couple]{}, err
	}
	all := studyKey(study)
	low, high, err := p.bounds(all, func(cursor string) (key, error) { return coupleKey(study, cursor), nil })
	if err != nil {
		return Slice[Couple]{}, err
	}
	direction, limit := p.order()
	where, args := f.where(5)
	list, err := v.readCouples(ctx, coupleColumns+` AND key > $2 AND key < $3`+where+` ORDER BY key `+direction+` LIMIT $4`,
		append([]any{[]byte(low), []byte(high), limit}, args...))
	if err != nil {
		return Slice[Couple]{}, err
	}
	var total int
	where, args = f.where(4)
	err = v.read(ctx, "the couples", `SELECT count(*) FROM {couple} c WHERE `+held+` AND key > $2 AND key < $3`+where,
		append([]any{[]byte(all), []byte(all.end())}, args...), func(scan scanner) error { return scan(&total) })
	if err != nil {
		return Slice[Couple]{}, err
	}
	page := slice(p, list, total)
	return page, v.addParticipants(ctx, page.Items)
}

// CouplesByID returns the couples with the given ids; ids that no couple has are left out.
func (v View) CouplesByID(ctx context.Context, ids []CoupleID) (map[CoupleID]Couple, error) {
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = string(coupleKey(id.Study, id.Couple))
	}
	var list []Couple
	err := inParts(keys, func(part []string) error {
		condition, width := among("key", 2, len(part))
		some, err := v.readCouples(ctx, coupleColumns+` AND `+condition, fill(nil, asBytes(part), width))
		list = append(list, some...)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := v.addParticipants(ctx, list); err != nil {
		return nil, err
	}
	found := make(map[CoupleID]Couple, len(list))
	for _, c := range list {
		found[c.CoupleID] = c
	}
	return found, nil
}

// Couple returns one couple. An id that no couple has is an error with code not_found.
func (v View) Couple(ctx context.Context, id CoupleID) (Couple, error) {
	found, err := v.CouplesByID(ctx, []CoupleID{id})
	if err != nil {
		return Couple{}, err
	}
	c, ok := found[id]
	if !ok {
		return Couple{}, notFound("couple", "there is no couple %q in study %q", id.Couple, id.Study)
	}
	return c, nil
}

// PersonByCode finds the person whom a study knows by a code. Codes are unique in a couple; where
// several couples of a study use one, the first in natural order is meant. A code that nobody has is an error
// with code not_found.
func (v View) PersonByCode(ctx context.Context, study, code string) (PersonID, error) {
	var couple []byte
	var role domain.Role
	err := v.read(ctx, "a participant", `SELECT couple_key, role FROM {participant} WHERE `+held+` AND study = $2 AND code = $3 ORDER BY couple_key DESC`,
		[]any{study, code}, func(scan scanner) error { return scan(&couple, &role) })
	if err != nil {
		return PersonID{}, err
	}
	if couple == nil {
		return PersonID{}, notFound("participant", "there is no participant %q in study %q", code, study)
	}
	return PersonID{study, lastCode(couple), role}, nil
}

// lastCode returns the code that a key ends with.
func lastCode(k []byte) string {
	s := strings.TrimSuffix(string(k), "\x00")
	return s[strings.LastIndexByte(s, 0)+1:]
}

func asBytes(keys []string) [][]byte {
	out := make([][]byte, len(keys))
	for i, k := range keys {
		out[i] = []byte(k)
	}
	return out
}

func (v View) readCouples(ctx context.Context, text string, args []any) ([]Couple, error) {
	var list []Couple
	return list, v.read(ctx, "the couples", text, args, func(scan scanner) error {
		var c Couple
		if err := scan(&c.Study, &c.Couple, day{&c.EnrolledOn}, day{&c.SeparatedOn}, &c.Since); err != nil {
			return err
		}
		list = append(list, c)
		return nil
	})
}

// addParticipants reads the participants of couples and their consents, in two statements.
func (v View) addParticipants(ctx context.Context, list []Couple) error {
	at := make(map[string]*Couple, len(list))
	keys := make([]string, len(list))
	for i := range list {
		keys[i] = string(coupleKey(list[i].Study, list[i].Couple))
		at[keys[i]] = &list[i]
	}
	err := inParts(keys, func(part []string) error {
		condition, width := among("p.couple_key", 2, len(part))
		return v.read(ctx, "the participants", `SELECT p.couple_key, p.role, p.code, p.zone, p.withdrawn_on, p.from_position, c.scope, c.version
			FROM {participant} p LEFT JOIN {consent} c ON c.key = p.key AND c.from_position <= $1 AND $1 < c.to_position
			WHERE p.from_position <= $1 AND $1 < p.to_position AND `+condition+` ORDER BY p.key`,
			fill(nil, asBytes(part), width), func(scan scanner) error {
				var couple []byte
				var scope, version sql.NullString
				var p Participant
				if err := scan(&couple, &p.Role, &p.Code, &p.Zone, day{&p.WithdrawnOn}, &p.Since, &scope, &version); err != nil {
					return err
				}
				c := at[string(couple)]
				p.Study, p.Couple = c.Study, c.Couple
				if n := len(c.Participants); n == 0 || c.Participants[n-1].Role != p.Role {
					p.Consents = map[domain.Scope]string{}
					c.Participants = append(c.Participants, p)
				}
				if scope.Valid {
					c.Participants[len(c.Participants)-1].Consents[domain.Scope(scope.String)] = version.String
				}
				return nil
			})
	})
	return err
}

// begun is what the days of a couple are counted from, beside its enrolment.
type begun struct {
	joined   map[domain.Role]domain.Date
	sessions map[int]domain.Date
}

// of returns what the days of a partner are counted from.
func (b begun) of(r domain.Role, enrolled domain.Date) domain.Beginnings {
	return domain.Beginnings{Enrolled: enrolled, Joined: b.joined[r], Sessions: b.sessions}
}

// beginnings reads what days are counted from, by couple, of the couples that meet a condition on {couple} c.
func (v View) beginnings(ctx context.Context, condition string, args []any) (map[string]begun, error) {
	by := map[string]begun{}
	err := v.read(ctx, "what days are counted from", `SELECT c.code, b.role, b.session, b.day FROM {beginning} b JOIN {couple} c ON c.key = b.couple_key
		WHERE b.from_position <= $1 AND c.from_position <= $1 AND $1 < c.to_position AND `+condition+` ORDER BY b.from_position`, args, func(scan scanner) error {
		var couple string
		var role domain.Role
		var session int
		var on domain.Date
		if err := scan(&couple, &role, &session, day{&on}); err != nil {
			return err
		}
		b, ok := by[couple]
		if !ok {
			b = begun{map[domain.Role]domain.Date{}, map[int]domain.Date{}}
			by[couple] = b
		}
		if session > 0 {
			b.sessions[session] = on
		} else {
			b.joined[role] = on
		}
		return nil
	})
	return by, err
}

// day scans a calendar day; the empty text is no day.
type day struct{ to *domain.Date }

func (d day) Scan(src any) error {
	switch text := src.(type) {
	case string:
		return d.to.UnmarshalText([]byte(text))
	case []byte:
		return d.to.UnmarshalText(text)
	}
	return fmt.Errorf("a day is stored as %T; expected text", src)
}
