package projections

import (
	"context"

	"asem/domain"
	"asem/events"
)

// erases handles the erasure of a participant: every row of the person goes, of all positions, so that no earlier view shows it either. The
// column key holds in each of the tables a key that begins with the person's.
//
// What a rebuild makes of the log is the same: the events of the person cannot be read any more.
func erases(tables ...string) handler {
	return on(func(ctx context.Context, tx *Tx, at events.Envelope, e domain.ParticipantErased) error {
		return tx.erase(ctx, at, e, "key", tables, "", nil)
	})
}

// erase removes the person's rows from tables, and when nobody of the couple is left, the couple's own from coupleTables, where
// coupleColumn holds a key that begins with the couple's.
func (t *Tx) erase(ctx context.Context, at events.Envelope, e domain.ParticipantErased, column string, tables []string, coupleColumn string, coupleTables []string) error {
	couple, err := coupleOf(at)
	if err != nil {
		return err
	}
	if err := t.eraseRange(ctx, personKey(at.Study, couple, e.Role), column, tables); err != nil || !e.Last {
		return err
	}
	return t.eraseRange(ctx, coupleKey(at.Study, couple), coupleColumn, coupleTables)
}

func (t *Tx) eraseRange(ctx context.Context, k key, column string, tables []string) error {
	for _, table := range tables {
		if err := t.Exec(ctx, `DELETE FROM {`+table+`} WHERE `+column+` >= $1 AND `+column+` < $2`, []byte(k), []byte(k.end())); err != nil {
			return err
		}
	}
	return nil
}

// Erasure says who was erased.
type Erasure struct {
	PersonID
	Last     bool // nobody of the couple is left
	Position events.Position
}

// Erasures lists everybody who was erased, by study, couple and role.
func (v View) Erasures(ctx context.Context) ([]Erasure, error) {
	var list []Erasure
	err := v.read(ctx, "the erasures", `SELECT study, couple, role, last, from_position FROM {erasure} WHERE from_position <= $1 ORDER BY study, couple, role`, nil, func(scan scanner) error {
		var e Erasure
		var last int
		err := scan(&e.Study, &e.Couple, &e.Role, &last, &e.Position)
		e.Last = last == 1
		list = append(list, e)
		return err
	})
	return list, err
}
