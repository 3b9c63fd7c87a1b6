package access

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"asem/domain"
)

// copied lists the tables and columns that a copy holds: all but sessions, attempts and drafts. Kinds of columns: t text, b bytes, n number.
var copied = []struct{ table, columns string }{
	{"secret", "name:t master:t sealed:b"},
	{"staff", "id:t name:t password:t master:t totp:b totp_step:n epoch:t disabled:n setup:b setup_expires:n"},
	{"staff_role", "staff:t study:t role:t"},
	{"participant", "study:t couple:t role:t epoch:t code:b pin:t email:b link:b link_expires:n"},
	{"invitation", "id:t study:t token:b created:n expires:n closed:n"},
	{"pairing", "code:b study:t couple:t role:t language:t zone:t word:t expires:n"},
}

const copyLabel = "access/copy"

// sealedCopy is a copy as it lies in a file.
type sealedCopy struct {
	Master string `json:"master"` // names the master key that sealed it
	Sealed []byte `json:"sealed"`
}

// Copy returns everything that is needed to let the same people in after a disaster, sealed under the master key.
func (s *Store) Copy(ctx context.Context) ([]byte, error) {
	rows := map[string][][]*string{}
	err := s.within(ctx, func(tx *sql.Tx) error {
		for _, c := range copied {
			var err error
			if rows[c.table], err = readAll(ctx, tx, c.table, strings.Fields(c.columns)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("copy who may come in: %w", err)
	}
	plain, err := json.Marshal(rows)
	if err != nil {
		return nil, err
	}
	var c sealedCopy
	if c.Master, c.Sealed, err = s.keys.Wrap(ctx, plain, copyLabel); err != nil {
		return nil, err
	}
	return json.Marshal(c)
}

func readAll(ctx context.Context, tx *sql.Tx, table string, columns []string) (list [][]*string, _ error) {
	names, kinds := split(columns)
	rows, err := tx.QueryContext(ctx, "SELECT "+strings.Join(names, ", ")+" FROM "+table)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		cells, into := make([]any, len(names)), make([]any, len(names))
		for i := range cells {
			into[i] = &cells[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		row := make([]*string, len(cells))
		for i, cell := range cells {
			var text string
			switch v := cell.(type) {
			case nil:
				continue
			case int64:
				text = strconv.FormatInt(v, 10)
			case string:
				text = v
			case []byte:
				if text = string(v); kinds[i] == "b" {
					text = base64.StdEncoding.EncodeToString(v)
				}
			default:
				return nil, fmt.Errorf("column %s of %s holds a %T", names[i], table, cell)
			}
			row[i] = &text
		}
		list = append(list, row)
	}
	return list, rows.Err()
}

func split(columns []string) (names, kinds []string) {
	for _, c := range columns {
		name, kind, _ := strings.Cut(c, ":")
		names, kinds = append(names, name), append(kinds, kind)
	}
	return names, kinds
}

// Restore fills a store in which nobody is yet from a copy. It is run before anything else uses the store.
func (s *Store) Restore(ctx context.Context, text []byte) error {
	damaged := func(err error) error {
		return &domain.Error{Code: domain.Invalid, Path: "access", Message: "the copy of who may come in is damaged", Err: err}
	}
	var c sealedCopy
	if err := json.Unmarshal(text, &c); err != nil {
		return damaged(err)
	}
	plain, err := s.keys.Unwrap(ctx, c.Master, c.Sealed, copyLabel)
	if err != nil {
		return err
	}
	var rows map[string][][]*string
	if err := json.Unmarshal(plain, &rows); err != nil {
		return damaged(err)
	}
	err = s.within(ctx, func(tx *sql.Tx) error {
		var some bool
		if err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM staff) OR EXISTS (SELECT 1 FROM participant)`).Scan(&some); err != nil {
			return err
		}
		if some {
			return &domain.Error{Code: domain.Conflict, Path: "access", Message: "there are people already who may come in; a copy is restored to where there is nobody"}
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM secret`); err != nil { // made when the store was opened; nothing depends on it yet
			return err
		}
		for _, t := range copied {
			names, kinds := split(strings.Fields(t.columns))
			marks := make([]string, len(names))
			for i := range marks {
				marks[i] = "$" + strconv.Itoa(i+1)
			}
			insert := fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", t.table, strings.Join(names, ", "), strings.Join(marks, ", "))
			for _, row := range rows[t.table] {
				values, err := valuesOf(row, kinds)
				if err != nil {
					return damaged(err)
				}
				if _, err := tx.ExecContext(ctx, insert, values...); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("restore who may come in: %w", err)
	}
	s.pepper, err = s.openPepper(ctx)
	return err
}

func valuesOf(row []*string, kinds []string) ([]any, error) {
	if len(row) != len(kinds) {
		return nil, fmt.Errorf("a row has %d columns; expected %d", len(row), len(kinds))
	}
	values := make([]any, len(row))
	for i, text := range row {
		if text == nil {
			continue
		}
		var err error
		switch kinds[i] {
		case "b":
			values[i], err = base64.StdEncoding.DecodeString(*text)
		case "n":
			values[i], err = strconv.ParseInt(*text, 10, 64)
		default:
			values[i] = *text
		}
		if err != nil {
			return nil, err
		}
	}
	return values, nil
}
