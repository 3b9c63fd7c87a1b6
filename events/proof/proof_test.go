package proof_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"
	_ "modernc.org/sqlite"

	"asem/domain"
	"asem/events"
	"asem/events/eventstest"
	"asem/events/postgres"
	"asem/events/proof"
	"asem/events/sqlite"

	_ "github.com/jackc/pgx/v5/stdlib"
)

// desk is a log with a second way into its tables.
type desk struct {
	events.Archive
	signer, verifier string
	tamper           func(t *testing.T, text string, args ...any)
}

func onEach(t *testing.T, f func(t *testing.T, open func(t *testing.T) *desk)) {
	with := func(t *testing.T, log events.Archive, driver, source, schema string) *desk {
		db, err := sql.Open(driver, source)
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, db.Close()); assert.NoError(t, log.Close()) })
		signer, verifier, err := proof.NewSigner()
		require.NoError(t, err)
		return &desk{log, signer, verifier, func(t *testing.T, text string, args ...any) {
			for _, table := range []string{"event", "command", "tile", "seal_key", "signed_tree"} {
				text = strings.ReplaceAll(text, "{"+table+"}", schema+table)
			}
			r, err := db.ExecContext(t.Context(), text, args...)
			require.NoError(t, err)
			n, err := r.RowsAffected()
			require.NoError(t, err)
			require.Positive(t, n, "nothing was tampered with")
		}}
	}
	t.Run("sqlite", func(t *testing.T) {
		f(t, func(t *testing.T) *desk {
			path := filepath.Join(t.TempDir(), "log.db")
			log, err := sqlite.Open(t.Context(), path)
			require.NoError(t, err)
			return with(t, log, "sqlite", path, "")
		})
	})
	t.Run("postgres", func(t *testing.T) {
		dsn := eventstest.Postgres(t)
		n := 0
		f(t, func(t *testing.T) *desk {
			n++
			schema := fmt.Sprintf("asem_proof_%s_%d", strings.ReplaceAll(uuid.NewString()[:8], "-", ""), n)
			log, err := postgres.OpenSchema(t.Context(), dsn, schema)
			require.NoError(t, err)
			d := with(t, log, "pgx", dsn, schema+".")
			t.Cleanup(func() { d.tamper = nil })
			return d
		})
	})
}

// write appends n events, of two studies by turns, some of them two to a command.
func (d *desk) write(t *testing.T, n int) {
	versions := map[events.Stream]events.Version{}
	head, err := d.Head(t.Context())
	require.NoError(t, err)
	all, err := d.Records(t.Context(), 0, int(head)+1)
	require.NoError(t, err)
	for _, r := range all {
		versions[r.Stream] = r.Version
	}
	for i := 0; i < n; i++ {
		study := []string{"S", "T"}[i/5%2]
		s := events.Stream(fmt.Sprintf("couple/%s/%d", study, i%3))
		w := events.Write{Stream: s, Expected: versions[s]}
		for range 1 + i%2 {
			w.Events = append(w.Events, events.Envelope{ID: uuid.Must(uuid.NewV7()), Type: "diary.submitted", Schema: 1, Study: study, OccurredAt: time.Now(),
				By: domain.Actor{Role: domain.ActorSystem}, Payload: fmt.Appendf(nil, `{"n":%d}`, i)})
			versions[s]++
		}
		_, err := d.Append(t.Context(), events.Append{Command: uuid.Must(uuid.NewV7()), Writes: []events.Write{w}})
		require.NoError(t, err)
	}
}

func (d *desk) verify(t *testing.T, trusted ...string) proof.Report {
	r, err := proof.Verify(t.Context(), d, proof.Options{Verifiers: []string{d.verifier}, Trusted: trusted})
	require.NoError(t, err)
	return r
}

func TestAnUntouchedLogIsInOrder(t *testing.T) {
	onEach(t, func(t *testing.T, open func(*testing.T) *desk) {
		d := open(t)
		assert.Empty(t, d.verify(t).Findings, "an empty log")
		for range 3 {
			d.write(t, 40)
			for _, study := range []string{"S", "T"} {
				_, err := proof.Sign(t.Context(), d, d.signer, study, time.Now())
				require.NoError(t, err)
			}
		}
		r := d.verify(t)
		assert.Empty(t, r.Findings)
		assert.Equal(t, 180, r.Events)
		assert.Equal(t, 6, r.Signed)
		assert.Len(t, r.Trees, 2)
		size, root, err := proof.Root(t.Context(), d, "S")
		require.NoError(t, err)
		assert.Equal(t, proof.Checkpoint{Study: "S", Size: size, Root: root, Position: r.Trees[0].Position}, r.Trees[0])
	})
}

// Every way to change the tables by hand is found, and its place is named.
func TestWhateverIsChangedIsFound(t *testing.T) {
	onEach(t, func(t *testing.T, open func(*testing.T) *desk) {
		record := func(t *testing.T, d *desk, at events.Position) events.Record {
			list, err := d.Records(t.Context(), at-1, 1)
			require.NoError(t, err)
			return list[0]
		}
		for _, c := range []struct {
			name   string
			at     events.Position // named by a finding
			what   string
			tamper func(t *testing.T, d *desk)
		}{
			{"a payload edited", 50, "its hash is not the one", func(t *testing.T, d *desk) {
				data := record(t, d, 50).Data
				data[len(data)-2] ^= 1
				d.tamper(t, `UPDATE {event} SET record = $1 WHERE position = 50`, data)
			}},
			{"the last payload edited", 90, "its hash is not the one", func(t *testing.T, d *desk) {
				data := record(t, d, 90).Data
				data[len(data)-2] ^= 1
				d.tamper(t, `UPDATE {event} SET record = $1 WHERE position = 90`, data)
			}},
			{"a record damaged", 50, "damaged", func(t *testing.T, d *desk) {
				d.tamper(t, `UPDATE {event} SET record = $1 WHERE position = 50`, []byte("nonsense"))
			}},
			{"an event removed", 49, "from position 50 to 50 are missing", func(t *testing.T, d *desk) { d.tamper(t, `DELETE FROM {event} WHERE position = 50`) }},
			{"the first event removed", 0, "from position 1 to 1 are missing", func(t *testing.T, d *desk) { d.tamper(t, `DELETE FROM {event} WHERE position = 1`) }},
			{"the last event removed", 89, "those behind this one were removed", func(t *testing.T, d *desk) { d.tamper(t, `DELETE FROM {event} WHERE position = 90`) }},
			{"two events exchanged", 50, "it was moved", func(t *testing.T, d *desk) {
				a, b := record(t, d, 50), record(t, d, 52)
				d.tamper(t, `UPDATE {event} SET record = $1 WHERE position = 52`, a.Data)
				d.tamper(t, `UPDATE {event} SET record = $1 WHERE position = 50`, b.Data)
			}},
			{"an event put in", 91, "damaged", func(t *testing.T, d *desk) {
				d.tamper(t, `INSERT INTO {event} (position, stream, version, record) VALUES (91, 'couple/S/9', 1, $1)`, []byte{1, 0})
			}},
			{"an event copied behind the last", 91, "it was moved", func(t *testing.T, d *desk) {
				d.tamper(t, `INSERT INTO {event} (position, stream, version, record) VALUES (91, 'couple/S/9', 1, $1)`, record(t, d, 50).Data)
			}},
			{"a column beside the record", 50, "columns beside it", func(t *testing.T, d *desk) {
				d.tamper(t, `UPDATE {event} SET stream = 'couple/S/x' WHERE position = 50`)
			}},
			{"a receipt removed", 50, "has no receipt", func(t *testing.T, d *desk) {
				d.tamper(t, `DELETE FROM {command} WHERE first_position = 50 OR first_position = 49`)
			}},
			{"a receipt changed", 47, "not what its events say", func(t *testing.T, d *desk) {
				d.tamper(t, `UPDATE {command} SET last_position = 47 WHERE first_position = 47`)
			}},
			{"a tile changed", 1, "its hash is not the one", func(t *testing.T, d *desk) {
				tiles, err := d.Tiles(t.Context(), []events.TileID{{Study: "S"}})
				require.NoError(t, err)
				tiles[0].Data[3] ^= 1
				d.tamper(t, `UPDATE {tile} SET hashes = $1 WHERE study = 'S' AND level = 0 AND n = 0`, tiles[0].Data)
			}},
			{"a tile removed", 0, "tile 0 on level 0", func(t *testing.T, d *desk) {
				d.tamper(t, `DELETE FROM {tile} WHERE study = 'S' AND level = 0 AND n = 0`)
			}},
			{"a higher tile changed", 0, "tile 0 on level 1", func(t *testing.T, d *desk) {
				tiles, err := d.Tiles(t.Context(), []events.TileID{{Study: "S", Level: 1}})
				require.NoError(t, err)
				tiles[0].Data[3] ^= 1
				d.tamper(t, `UPDATE {tile} SET hashes = $1 WHERE study = 'S' AND level = 1`, tiles[0].Data)
			}},
			{"a signed tree changed", 0, "signature", func(t *testing.T, d *desk) {
				d.tamper(t, `UPDATE {signed_tree} SET note = replace(note, 'position', 'positron')`)
			}},
		} {
			t.Run(c.name, func(t *testing.T) {
				d := open(t)
				d.write(t, 60)
				_, err := proof.Sign(t.Context(), d, d.signer, "S", time.Now())
				require.NoError(t, err)
				require.Empty(t, d.verify(t).Findings)
				c.tamper(t, d)
				found := d.verify(t).Findings
				named := false
				for _, f := range found {
					named = named || f.Position == c.at && strings.Contains(f.What, c.what)
				}
				assert.True(t, named, "%v", found)
			})
		}
	})
}

// Whoever rewrites events, receipts and trees as if it had always been so is found out by what was signed before.
func TestARewrittenLogIsFoundOutByWhatWasSigned(t *testing.T) {
	ctx := context.Background()
	open := func() *sqlite.Log {
		log, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "log.db"))
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, log.Close()) })
		return log
	}
	signer, verifier, err := proof.NewSigner()
	require.NoError(t, err)
	honest := &desk{Archive: open(), signer: signer, verifier: verifier}
	forged := &desk{Archive: open(), signer: signer, verifier: verifier}
	var kept []string
	for range 3 {
		honest.write(t, 20)
		s, err := proof.Sign(ctx, honest, signer, "S", time.Now())
		require.NoError(t, err)
		kept = append(kept, s.Note)
	}
	var planter events.Planter
	list, err := honest.Read(ctx, 0, 1000)
	require.NoError(t, err)
	lie := 30 + slices.IndexFunc(list[30:], func(e events.Envelope) bool { return e.Study == "S" })
	list[lie].Payload = []byte(`{"n":-1}`) // behind the first signed tree and before the second
	records, tiles := planter.Plant(list)
	receipts, err := honest.StoredReceipts(ctx, events.StoredReceipt{}, 1000)
	require.NoError(t, err)
	b := events.Batch{Records: records, Tiles: tiles, Receipts: map[uuid.UUID]events.Receipt{}}
	for _, r := range receipts {
		b.Receipts[r.Command] = r.Receipt
	}
	require.NoError(t, forged.Extend(ctx, b))
	assert.Empty(t, forged.verify(t).Findings, "by itself it is in order")
	assert.Empty(t, forged.verify(t, kept[0]).Findings, "so far nothing was changed")
	found := forged.verify(t, kept...).Findings
	require.NotEmpty(t, found)
	first, err := proof.Open(kept[0], verifier)
	require.NoError(t, err)
	assert.Equal(t, first.Position, found[0].Position, "what follows the last signed tree that fits")
	assert.Contains(t, found[0].What, "is not the one signed")

	short := &desk{Archive: open(), signer: signer, verifier: verifier}
	short.write(t, 20)
	assert.NotEmpty(t, short.verify(t, kept[2]).Findings, "a log cut short")
}

func TestProofs(t *testing.T) {
	onEach(t, func(t *testing.T, open func(*testing.T) *desk) {
		d := open(t)
		d.write(t, 150)
		size, root, err := proof.Root(t.Context(), d, "S")
		require.NoError(t, err)
		list, err := d.Records(t.Context(), 0, 1000)
		require.NoError(t, err)
		for _, r := range list {
			e, err := events.DecodeRecord(r.Data)
			require.NoError(t, err)
			if e.Study != "S" {
				continue
			}
			p, err := proof.Inclusion(t.Context(), d, "S", e.Leaf, size)
			require.NoError(t, err)
			require.NoError(t, tlog.CheckRecord(p, size, root, e.Leaf, tlog.RecordHash(r.Data)))
			require.Error(t, tlog.CheckRecord(p, size, root, e.Leaf, tlog.RecordHash([]byte("another"))))
		}
		for old := int64(1); old <= size; old += 3 {
			before, err := proof.RootAt(t.Context(), d, "S", old)
			require.NoError(t, err)
			p, err := proof.Consistency(t.Context(), d, "S", old, size)
			require.NoError(t, err)
			require.NoError(t, tlog.CheckTree(p, size, root, old, before))
		}
		for _, bad := range [][2]int64{{-1, size}, {size, size}, {0, 0}, {0, size + 1}} {
			_, err := proof.Inclusion(t.Context(), d, "S", bad[0], bad[1])
			assert.Equal(t, domain.Invalid, domain.CodeOf(err), "%v", bad)
			_, err = proof.Consistency(t.Context(), d, "S", bad[0]-size, bad[1])
			assert.Equal(t, domain.Invalid, domain.CodeOf(err), "%v", bad)
		}
		_, _, err = proof.Root(t.Context(), d, "nobody's")
		assert.Equal(t, domain.NotFound, domain.CodeOf(err))
	})
}

func TestCheckpoints(t *testing.T) {
	d := &desk{}
	var err error
	d.Archive, err = sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "log.db"))
	require.NoError(t, err)
	defer func() { assert.NoError(t, d.Close()) }()
	d.signer, d.verifier, err = proof.NewSigner()
	require.NoError(t, err)
	_, err = proof.Sign(t.Context(), d, d.signer, "S", time.Now())
	assert.Equal(t, domain.NotFound, domain.CodeOf(err), "nothing to sign")
	d.write(t, 3)
	now := time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)
	s, err := proof.Sign(t.Context(), d, d.signer, "S", now)
	require.NoError(t, err)
	again, err := proof.Sign(t.Context(), d, d.signer, "S", now.Add(time.Hour))
	require.NoError(t, err)
	assert.Equal(t, s, again, "the same tree is signed once")
	assert.True(t, strings.HasPrefix(s.Note, "asem/S\n4\n"), s.Note)
	v, err := proof.VerifierOf(d.signer)
	require.NoError(t, err)
	assert.Equal(t, d.verifier, v)
	c, err := proof.Open(s.Note, d.verifier)
	require.NoError(t, err)
	assert.Equal(t, int64(4), c.Size)
	assert.Equal(t, now, c.SignedAt)
	assert.Equal(t, events.Position(4), c.Position)
	_, stranger, err := proof.NewSigner()
	require.NoError(t, err)
	for name, err := range map[string]error{
		"another key":     second(proof.Open(s.Note, stranger)),
		"another size":    second(proof.Open(strings.Replace(s.Note, "\n4\n", "\n5\n", 1), d.verifier)),
		"no key":          second(proof.Open(s.Note)),
		"a key of no use": second(proof.Open(s.Note, "key")),
		"nothing":         second(proof.Open("", d.verifier)),
	} {
		assert.Equal(t, domain.Invalid, domain.CodeOf(err), name)
	}
}

func second(_ proof.Checkpoint, err error) error { return err }
