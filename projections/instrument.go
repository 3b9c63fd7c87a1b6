package projections

import (
	"context"
	"fmt"

	"asem/domain"
	"asem/events"
)

// A read model that scores answers keeps the keys it needs in a table of its own: another model's table may
// stand at another position.

const instrumentSchema = `
CREATE TABLE IF NOT EXISTS {%s} (
	study         TEXT NOT NULL,
	code          TEXT NOT NULL,
	version       TEXT NOT NULL,
	content       TEXT NOT NULL,
	from_position BIGINT NOT NULL,
	PRIMARY KEY (study, code, version)
);`

// keepInstruments is the handler that fills the model's table of instruments.
func keepInstruments(table string) handler {
	in := insertInto(table, "study, code, version, content, from_position")
	return on(func(ctx context.Context, tx *Tx, at events.Envelope, e domain.InstrumentRegistered) error {
		return tx.Insert(ctx, in, at.Study, e.Instrument.Code, e.Instrument.Version, asJSON(e.Instrument), int64(at.Position))
	})
}

type instrumentKey struct {
	study string
	domain.InstrumentRef
}

// instrument returns an instrument of a study from the model's table. It is remembered: a version of an
// instrument never changes.
func (t *Tx) instrument(ctx context.Context, table, study string, ref domain.InstrumentRef) (domain.Instrument, error) {
	k := instrumentKey{study, ref}
	if in, ok := t.projection.instruments[k]; ok {
		return in, nil
	}
	row, err := t.queryRow(ctx, `SELECT content FROM {`+table+`} WHERE study = $1 AND code = $2 AND version = $3`, study, ref.Code, ref.Version)
	if err != nil {
		return domain.Instrument{}, err
	}
	var content string
	if err := row.Scan(&content); err != nil {
		return domain.Instrument{}, fmt.Errorf("instrument %s of study %s, by whose key answers are scored: %w", ref, study, err)
	}
	in, err := instrumentOf(content)
	if err != nil {
		return domain.Instrument{}, err
	}
	if t.projection.instruments == nil {
		t.projection.instruments = map[instrumentKey]domain.Instrument{}
	}
	t.projection.instruments[k] = in
	return in, nil
}
