package access

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"asem/domain"
)

// draftLife is how long a draft is kept that nobody goes on with.
const draftLife = 60 * 24 * time.Hour

// maxDraft bounds a draft, in bytes: a trace of an hour at four values a second in six dimensions is less.
const maxDraft = 1 << 20

func draftLabel(assignment string) string { return "draft/" + assignment }

// Draft returns what a coder has noted of an assignment and not submitted, with its version; version 0 where there is none.
func (s *Store) Draft(ctx context.Context, assignment string) (body []byte, version int64, err error) {
	var master string
	var sealed []byte
	err = s.reader.QueryRowContext(ctx, `SELECT version, master, sealed FROM draft WHERE assignment = $1`, assignment).Scan(&version, &master, &sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, 0, nil
	}
	if err == nil {
		body, err = s.keys.Unwrap(ctx, master, sealed, draftLabel(assignment))
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read a draft: %w", err)
	}
	return body, version, nil
}

// SaveDraft keeps a draft that follows on a version, and returns the new one. Where another was saved meanwhile, from a second window, it is refused with
// code conflict.
func (s *Store) SaveDraft(ctx context.Context, assignment, study, couple string, after int64, body []byte) (int64, error) {
	if len(body) > maxDraft {
		return 0, &domain.Error{Code: domain.Invalid, Path: "draft", Message: fmt.Sprintf("the draft has %d bytes; at most %d are kept", len(body), maxDraft)}
	}
	master, sealed, err := s.keys.Wrap(ctx, body, draftLabel(assignment))
	if err != nil {
		return 0, fmt.Errorf("seal a draft: %w", err)
	}
	var ok bool
	if after == 0 {
		ok, err = s.changed(ctx, `INSERT INTO draft (assignment, study, couple, version, master, sealed, saved) VALUES ($1, $2, $3, 1, $4, $5, $6) ON CONFLICT (assignment) DO NOTHING`,
			assignment, study, couple, master, sealed, s.now().UnixMicro())
	} else {
		ok, err = s.changed(ctx, `UPDATE draft SET version = version + 1, master = $3, sealed = $4, saved = $5 WHERE assignment = $1 AND version = $2`,
			assignment, after, master, sealed, s.now().UnixMicro())
	}
	switch {
	case err != nil:
		return 0, fmt.Errorf("save a draft: %w", err)
	case !ok:
		return 0, &domain.Error{Code: domain.Conflict, Path: "draft", Message: "another window has saved this meanwhile; load the page again"}
	}
	return after + 1, nil
}

// DropDraft removes a draft, once it was submitted or given back.
func (s *Store) DropDraft(ctx context.Context, assignment string) error {
	if _, err := s.writer.ExecContext(ctx, `DELETE FROM draft WHERE assignment = $1`, assignment); err != nil {
		return fmt.Errorf("remove a draft: %w", err)
	}
	return nil
}
