package projections

import (
	"context"

	"asem/domain"
	"asem/events"
)

// erases handles the erasure of a participant: every row of the person goes, of all positions, so that no earlier view shows it either. column
// holds in each of the tables a key that begins with the person's. When nobody of the couple is left, the couple's own rows go too,
// from coupleTables, where coupleColumn holds a key that begins with the couple's.
//
// What a rebuild makes of the log is the same: the events of the person cannot be read any more.
func erases(column string, tables []string, coupleColumn string, coupleTables []string) handler {
	return on(func(ctx context.Context, tx *Tx, at events.Envelope, e domain.ParticipantErased) error {
		couple, err := coupleOf(at)
		if err != nil {
			return err
		}
		if err := tx.eraseRange(ctx, personKey(at.Study, couple, e.Role), column, tables); err != nil || !e.Last {
			return err
		}
		return tx.eraseCouple(ctx, at, coupleColumn, coupleTables)
	})
}

func (t *Tx) eraseCouple(ctx context.Context, at events.Envelope, column string, tables []string) error {
	couple, err := coupleOf(at)
	if err != nil {
		return err
	}
	return t.eraseRange(ctx, coupleKey(at.Study, couple), column, tables)
}

func (t *Tx) eraseRange(ctx context.Context, k key, column string, tables []string) error {
	for _, table := range tables {
		if err := t.Exec(ctx, `DELETE FROM {`+table+`} WHERE `+column+` >= $1 AND `+column+` < $2`, []byte(k), []byte(k.end())); err != nil {
			return err
		}
	}
	return nil
}
