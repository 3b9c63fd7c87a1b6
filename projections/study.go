package projections

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"asem/domain"
	"asem/events"
)

const studySchema = `
CREATE TABLE IF NOT EXISTS {study} (
	key           BYTEA NOT NULL,
	content       TEXT NOT NULL, -- code, title, zone, simulation and protocol as JSON
	from_position BIGINT NOT NULL,
	to_position   BIGINT NOT NULL,
	PRIMARY KEY (key, from_position)
);
CREATE TABLE IF NOT EXISTS {study_instrument} (
	study         TEXT NOT NULL,
	code          TEXT NOT NULL,
	version       TEXT NOT NULL,
	content       TEXT NOT NULL,
	from_position BIGINT NOT NULL,
	PRIMARY KEY (study, code, version)
);
CREATE TABLE IF NOT EXISTS {model} (
	study         TEXT NOT NULL,
	name          TEXT NOT NULL,
	content       TEXT NOT NULL, -- as JSON
	from_position BIGINT NOT NULL,
	to_position   BIGINT NOT NULL,
	PRIMARY KEY (study, name, from_position)
)`

func studies() definition {
	return project("study", 1, studySchema,
		on(func(ctx context.Context, tx *Tx, at events.Envelope, e domain.StudyCreated) error {
			return tx.openStudy(ctx, at, domain.Study{Code: e.Code, Title: e.Title, Zone: e.Zone, Simulation: e.Simulation})
		}),
		on(func(ctx context.Context, tx *Tx, at events.Envelope, e domain.ProtocolPublished) error {
			s, err := tx.closeStudy(ctx, at)
			if err != nil {
				return err
			}
			s.Protocol = e.Protocol
			return tx.openStudy(ctx, at, s)
		}),
		on(func(ctx context.Context, tx *Tx, at events.Envelope, e domain.InstrumentRegistered) error {
			return tx.Insert(ctx, insertStudyInstrument, at.Study, e.Instrument.Code, e.Instrument.Version, asJSON(e.Instrument), int64(at.Position))
		}),
		on(func(ctx context.Context, tx *Tx, at events.Envelope, e domain.ModelRegistered) error {
			if err := tx.closeModel(ctx, at, e.Model.Name); err != nil {
				return err
			}
			return tx.Insert(ctx, insertModel, at.Study, e.Model.Name, asJSON(e.Model), int64(at.Position), int64(forever))
		}),
		on(func(ctx context.Context, tx *Tx, at events.Envelope, e domain.ModelRetired) error {
			return tx.closeModel(ctx, at, e.Name)
		}),
	)
}

var (
	insertStudy           = insertInto("study", "key, content, from_position, to_position")
	insertModel           = insertInto("model", "study, name, content, from_position, to_position")
	insertStudyInstrument = insertInto("study_instrument", "study, code, version, content, from_position")
)

// studyContent is a study as its row keeps it.
type studyContent struct {
	Code       string
	Title      string
	Zone       string
	Simulation *domain.Simulation
	Protocol   domain.Protocol
}

func (t *Tx) openStudy(ctx context.Context, at events.Envelope, s domain.Study) error {
	return t.Insert(ctx, insertStudy, []byte(studyKey(s.Code)),
		asJSON(studyContent{s.Code, s.Title, s.Zone, s.Simulation, s.Protocol}), int64(at.Position), int64(forever))
}

func (t *Tx) closeModel(ctx context.Context, at events.Envelope, name string) error {
	return t.Exec(ctx, `UPDATE {model} SET to_position = $1 WHERE study = $2 AND name = $3 AND to_position = $4`, int64(at.Position), at.Study, name, int64(forever))
}

// RegisteredModel is a model of change that a study follows.
type RegisteredModel struct {
	Study string
	domain.ChangeModel
	Since events.Position // of the event that registered it as it is
}

// Models returns the models that studies follow, by study and name; those of all studies if study is empty.
func (v View) Models(ctx context.Context, study string) ([]RegisteredModel, error) {
	var list []RegisteredModel
	err := v.read(ctx, "the models", `SELECT study, content, from_position FROM {model} WHERE `+held+` AND ($2 = '' OR study = $2) ORDER BY study, name`, []any{study}, func(scan scanner) error {
		var m RegisteredModel
		var content string
		if err := scan(&m.Study, &content, &m.Since); err != nil {
			return err
		}
		list = append(list, m)
		return json.Unmarshal([]byte(content), &list[len(list)-1].ChangeModel)
	})
	return list, err
}

// closeStudy ends the row that held so far and returns what it said.
func (t *Tx) closeStudy(ctx context.Context, at events.Envelope) (domain.Study, error) {
	row, err := t.queryRow(ctx, `UPDATE {study} SET to_position = $1 WHERE key = $2 AND to_position = $3 RETURNING content`,
		int64(at.Position), []byte(studyKey(at.Study)), int64(forever))
	if err != nil {
		return domain.Study{}, err
	}
	var content string
	if err := row.Scan(&content); err != nil {
		return domain.Study{}, fmt.Errorf("find study %s: %w", at.Study, err)
	}
	return studyOf(content)
}

func studyOf(content string) (domain.Study, error) {
	var c studyContent
	if err := json.Unmarshal([]byte(content), &c); err != nil {
		return domain.Study{}, err
	}
	return domain.Study{Code: c.Code, Title: c.Title, Zone: c.Zone, Simulation: c.Simulation, Protocol: c.Protocol,
		Instruments: map[domain.InstrumentRef]domain.Instrument{}}, nil
}

// asJSON encodes what the domain validated; nothing in it can fail to encode.
func asJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("projections: %T does not encode: %v", v, err))
	}
	return string(b)
}

// Study is a study as it stood at the position of a view: what its own events add up to.
type Study struct {
	domain.Study
	Since events.Position // of the event that last changed title, zone or protocol
}

// Synthetic reports whether a program made the study's data. It is labelled so wherever it appears.
func (s Study) Synthetic() bool { return s.Simulation != nil }

// Role returns the label of a role: the protocol's word for it, or the letter itself where partners are exchangeable.
func (s Study) Role(r domain.Role) string {
	for _, l := range s.Protocol.Roles {
		if l.Role == r && !s.Protocol.Exchangeable {
			return l.Label
		}
	}
	return string(r)
}

// Study returns one study. A code that no study has is an error with code not_found.
func (v View) Study(ctx context.Context, code string) (Study, error) {
	found, err := v.StudiesByCode(ctx, []string{code})
	if err != nil {
		return Study{}, err
	}
	s, ok := found[code]
	if !ok {
		return Study{}, notFound("study", "there is no study %q", code)
	}
	return s, nil
}

// StudiesByCode returns the studies with the given codes; codes that no study has are left out.
func (v View) StudiesByCode(ctx context.Context, codes []string) (map[string]Study, error) {
	found := map[string]Study{}
	err := inParts(codes, func(part []string) error {
		condition, width := among("key", 2, len(part))
		keys := make([][]byte, len(part))
		for i, c := range part {
			keys[i] = studyKey(c)
		}
		return v.readStudies(ctx, `SELECT content, from_position FROM {study} WHERE `+held+` AND `+condition, fill(nil, keys, width),
			func(s Study) { found[s.Code] = s })
	})
	if err != nil {
		return nil, err
	}
	return found, v.addInstruments(ctx, found)
}

// Studies returns a page of all studies in natural order of their codes, which are the cursors.
func (v View) Studies(ctx context.Context, p Page) (Slice[Study], error) {
	if err := p.check(); err != nil {
		return Slice[Study]{}, err
	}
	low, high := []byte(nil), []byte{0xff}
	if p.After != "" {
		low = studyKey(p.After)
	}
	if p.Before != "" {
		high = studyKey(p.Before)
	}
	direction, limit := p.order()
	var list []Study
	err := v.readStudies(ctx, `SELECT content, from_position FROM {study} WHERE `+held+` AND key > $2 AND key < $3 ORDER BY key `+direction+` LIMIT $4`,
		[]any{append([]byte{}, low...), high, limit}, func(s Study) { list = append(list, s) })
	if err != nil {
		return Slice[Study]{}, err
	}
	byCode := map[string]Study{}
	for _, s := range list {
		byCode[s.Code] = s
	}
	if err := v.addInstruments(ctx, byCode); err != nil {
		return Slice[Study]{}, err
	}
	var total int
	err = v.read(ctx, "the studies", `SELECT count(*) FROM {study} WHERE `+held, nil, func(scan scanner) error { return scan(&total) })
	return slice(p, list, total), err
}

func (v View) readStudies(ctx context.Context, text string, args []any, f func(Study)) error {
	return v.read(ctx, "the studies", text, args, func(scan scanner) error {
		var content string
		var s Study
		if err := scan(&content, &s.Since); err != nil {
			return err
		}
		var err error
		if s.Study, err = studyOf(content); err != nil {
			return err
		}
		f(s)
		return nil
	})
}

// addInstruments fills the instruments of studies, which share the map of the study they came from.
func (v View) addInstruments(ctx context.Context, byCode map[string]Study) error {
	if len(byCode) == 0 {
		return nil
	}
	codes := make([]string, 0, len(byCode))
	for c := range byCode {
		codes = append(codes, c)
	}
	return inParts(codes, func(part []string) error {
		condition, width := among("study", 2, len(part))
		return v.read(ctx, "the instruments", `SELECT study, content FROM {study_instrument} WHERE from_position <= $1 AND `+condition, fill(nil, part, width),
			func(scan scanner) error {
				var study, content string
				if err := scan(&study, &content); err != nil {
					return err
				}
				in, err := instrumentOf(content)
				if err == nil {
					byCode[study].Instruments[in.Ref()] = in
				}
				return err
			})
	})
}

// instrumentOf decodes an instrument as a row keeps it.
func instrumentOf(content string) (domain.Instrument, error) {
	var in domain.Instrument
	err := json.NewDecoder(strings.NewReader(content)).Decode(&in)
	return in, err
}
