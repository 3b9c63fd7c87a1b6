package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
	"asem/events"
	"asem/events/backup"
	"asem/events/eventstest"
	"asem/events/proof"
	"asem/events/seal"
	"asem/projections"
)

// What is known of the person alone, and must be found nowhere after the erasure; and of the partner, who stays.
const (
	canaryCode   = "canary-who-goes"
	canaryZone   = "Pacific/Chatham"
	canaryReason = "canary: told on the phone"
	partnerCode  = "partner-who-stays"
)

// observe stores a couple of whom both answered.
func observe(t *testing.T, s storage) {
	ctx, day := context.Background(), domain.NewDate(2025, 3, 1)
	require.NoError(t, s.with(ctx, func(h *house) error {
		var orders []domain.Order
		add := func(c domain.Command) {
			by := domain.Actor{Role: domain.ActorSystem, Subject: "test"}
			if c.Target().Couple != "" {
				by = domain.Actor{Role: domain.ActorParticipant, Subject: canaryCode}
			}
			orders = append(orders, domain.Order{By: by, At: day.At(12, time.UTC), Command: c})
		}
		add(domain.CreateStudy{Study: "S", Title: "A study", Zone: "Europe/Berlin"})
		add(domain.PublishProtocol{Study: "S", Protocol: domain.Protocol{Version: 1, TimeUnitMonths: 1, AfterSeparation: domain.ContinueAfterSeparation, Roles: []domain.RoleLabel{{Role: "A", Label: "wife"}, {Role: "B", Label: "husband"}},
			Waves:      []domain.Wave{{Index: 1, Label: "T1", ClosesDaysLate: 30}, {Index: 2, Label: "T2", Month: 8, ClosesDaysLate: 30}},
			Constructs: []domain.Construct{{Code: "quality", Title: "Quality"}}}})
		add(domain.EnrolCouple{Study: "S", Couple: "1", EnrolledOn: day, Participants: []domain.NewParticipant{{Role: "A", Code: canaryCode, Zone: canaryZone}, {Role: "B", Code: partnerCode}}})
		for i, r := range []domain.Role{"A", "B"} {
			add(domain.GiveConsent{Study: "S", Couple: "1", Role: r, Scope: domain.ScopeQuestionnaires, Version: "1"})
			for w := 1; w <= 2; w++ {
				add(domain.RecordScore{Study: "S", Couple: "1", Role: r, Wave: w, Construct: "quality", Value: []float64{73.0625, 41.5}[i], MeasuredAt: day.At(13, time.UTC)})
			}
		}
		add(domain.CorrectScore{Study: "S", Couple: "1", Role: "A", Wave: 1, Construct: "quality", Value: 73.03125, Reason: canaryReason})
		if _, err := h.exec.ExecuteAll(ctx, uuid.New(), orders); err != nil {
			return err
		}
		return h.catchUp(ctx)
	}))
}

// observeMore stores something more about the couple.
func observeMore(t *testing.T, h *house, value float64) {
	_, err := h.exec.Execute(t.Context(), domain.Order{ID: uuid.NewString(), At: time.Now(), Command: domain.CorrectScore{Study: "S", Couple: "1", Role: "B", Wave: 1, Construct: "quality", Value: value, Reason: "misread"}})
	require.NoError(t, err)
	require.NoError(t, h.catchUp(t.Context()))
}

// grep returns the files below folders that hold one of the texts.
func grep(t *testing.T, texts []string, dirs ...string) []string {
	var hits []string
	for _, dir := range dirs {
		require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			b, err := os.ReadFile(path)
			for _, text := range texts {
				if bytes.Contains(b, []byte(text)) {
					hits = append(hits, path+": "+text)
				}
			}
			return err
		}))
	}
	return hits
}

var canaries = []string{canaryCode, canaryZone, canaryReason, "73.0625", "73.03125"}

// Nothing of an erased person is left: in no file of the databases, no backup, export or message; and no view of an earlier
// moment shows the person. The partner's data are as they were, and the log proves that nothing else was changed.
func TestErasureLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	data, backups, exports := filepath.Join(dir, "data"), filepath.Join(dir, "backups"), filepath.Join(dir, "exports")
	require.NoError(t, os.Mkdir(exports, 0o700))
	s := storage{Data: data}
	observe(t, s)
	must(t, "backup", backups, "--data", data)
	must(t, "verify", "--data", data, "--write", filepath.Join(dir, "checkpoints"))
	require.NotEmpty(t, grep(t, canaries, data), "the test would notice nothing")
	assert.Empty(t, grep(t, canaries, filepath.Join(data, "log.db"), backups), "nothing personal is readable in the log or a backup")

	token := strings.TrimSpace(must(t, "token", "--study", "S", "--data", data))
	assert.Contains(t, shownAtAll(t, token, "--data", data), canaryCode, "the test would notice nothing")

	_, message, code := asem(t, "erase", "--data", data, "--study", "S", "--couple", "1", "--role", "A")
	assert.Equal(t, 2, code, "never without being told for good")
	assert.Contains(t, message, "nothing was erased")
	said := must(t, "erase", "--data", data, "--study", "S", "--couple", "1", "--role", "A", "--backups", backups, "--yes-erase-for-good")
	must(t, "backup", backups, "--data", data)
	export := filepath.Join(exports, "waves.csv")
	must(t, "export", "--data", data, "--study", "S", "--out", export)
	must(t, "erase", "--data", data, "--study", "S", "--couple", "1", "--role", "A", "--yes-erase-for-good") // again

	assert.Empty(t, grep(t, canaries, dir))
	for _, text := range canaries {
		assert.NotContains(t, said, text)
	}
	csv, err := os.ReadFile(export)
	require.NoError(t, err)
	assert.Contains(t, string(csv), partnerCode)
	assert.Contains(t, string(csv), "41.5")
	require.NoError(t, s.with(t.Context(), func(h *house) error {
		head, err := h.log.Head(t.Context())
		require.NoError(t, err)
		for p := projections.Position(1); p <= head; p++ {
			v, err := h.read.View(t.Context(), projections.AsOf{Position: p})
			require.NoError(t, err)
			page, err := v.Couples(t.Context(), "S", projections.CoupleFilter{}, projections.Page{First: 10})
			require.NoError(t, err)
			for _, c := range page.Items {
				for _, who := range c.Participants {
					assert.Equal(t, partnerCode, who.Code, "as of %d", p)
				}
			}
		}
		_, err = h.exec.Execute(t.Context(), domain.Order{ID: uuid.NewString(), At: time.Now(), Command: domain.RecordScore{Study: "S", Couple: "1", Role: "A", Wave: 2, Construct: "quality", Value: 1, MeasuredAt: time.Now()}})
		assert.Equal(t, domain.NotFound, domain.CodeOf(err), "nothing more is taken of the person")
		return nil
	}))
	shown := shownAtAll(t, token, "--data", data)
	assert.Contains(t, shown, partnerCode)
	assert.Contains(t, shown, "41.5")
	for _, text := range canaries {
		assert.NotContains(t, shown, text)
	}
	checkpoint, err := filepath.Glob(filepath.Join(dir, "checkpoints", "S-*.txt"))
	require.NoError(t, err)
	assert.Contains(t, must(t, "verify", "--data", data, "--checkpoint", checkpoint[0]), "5 events were erased", "who joined, agreed, answered twice and corrected")

	// A rebuild and a backup from before the erasure bring nothing back.
	must(t, "rebuild", "--data", data)
	assert.Empty(t, grep(t, canaries, dir))
	files, err := filepath.Glob(filepath.Join(backups, "*.backup"))
	require.NoError(t, err)
	restored := filepath.Join(dir, "restored")
	must(t, "restore", files[0], "--data", restored, "--master-key-file", filepath.Join(data, "keys"))
	assert.Empty(t, grep(t, canaries, dir))
	assert.NotEmpty(t, grep(t, []string{partnerCode}, restored))
}

// shownAtAll serves, asks over GraphQL for what is known of the couple as of every position, and returns all answers. That the server's own log holds
// nothing personal is checked where it ends.
func shownAtAll(t *testing.T, token string, args ...string) (all string) {
	t.Run("served", func(t *testing.T) {
		base := serveOn(t, args...)
		ask := func(query string) (answer struct {
			Data   json.RawMessage
			Errors json.RawMessage
		}) {
			body, err := json.Marshal(map[string]any{"query": query})
			require.NoError(t, err)
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/graphql", bytes.NewReader(body))
			require.NoError(t, err)
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Authorization", "Bearer "+token)
			res, err := http.DefaultClient.Do(r)
			require.NoError(t, err)
			defer res.Body.Close()
			require.NoError(t, json.NewDecoder(res.Body).Decode(&answer))
			return answer
		}
		var head struct{ Study struct{ HeadPosition string } }
		require.NoError(t, json.Unmarshal(ask(`{study(code:"S"){headPosition}}`).Data, &head))
		last, err := strconv.Atoi(head.Study.HeadPosition)
		require.NoError(t, err)
		for p := 1; p <= last; p++ {
			answer := ask(fmt.Sprintf(`{trajectories(first:100,input:{study:"S",asOf:{position:"%d"}}){nodes{value role}} study(code:"S"){couples(first:10,asOf:{position:"%d"}){nodes{partners{role code}}}}}`, p, p))
			require.Empty(t, answer.Errors, string(answer.Errors))
			all += string(answer.Data)
		}
		require.NotEmpty(t, ask(`{study(code:"S"){couples(first:1,after:"`+canaryCode+`"){nodes{`+canaryCode+`}}}}`).Errors, "a query that is wrong, and personal")
	})
	return all
}

// The same where another server keeps the data: in all files of its cluster, its write-ahead log included.
func TestErasureLeavesNothingInPostgres(t *testing.T) {
	server := eventstest.NewServer(t)
	dir := t.TempDir()
	s := storage{Data: filepath.Join(dir, "data"), Postgres: server.DSN}
	observe(t, s)
	onDisk := func() { // a server writes its buffers when it shuts down
		server.Stop(t)
		server.Start(t)
	}
	onDisk()
	require.NotEmpty(t, grep(t, canaries, server.Dir), "the test would notice nothing")
	must(t, "erase", "--data", s.Data, "--postgres", server.DSN, "--study", "S", "--couple", "1", "--role", "A", "--yes-erase-for-good")
	onDisk()
	assert.Empty(t, grep(t, canaries, server.Dir))
	assert.NotEmpty(t, grep(t, []string{partnerCode}, server.Dir))
	assert.Contains(t, must(t, "verify", "--data", s.Data, "--postgres", server.DSN), "5 events were erased")
	must(t, "rebuild", "--data", s.Data, "--postgres", server.DSN, "--grace", "0s")
	onDisk()
	assert.Empty(t, grep(t, canaries, server.Dir))
}

// An erasure that was interrupted after its tombstone is finished by the next command.
func TestAnInterruptedErasureIsFinished(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	s := storage{Data: data}
	observe(t, s)
	h, err := s.open(t.Context())
	require.NoError(t, err)
	_, err = h.exec.Execute(t.Context(), domain.Order{ID: uuid.NewString(), At: time.Now(), Command: domain.EraseParticipant{Study: "S", Couple: "1", Role: "A"}})
	require.NoError(t, err)
	require.NoError(t, h.close()) // here the power fails
	require.NotEmpty(t, grep(t, canaries, data))
	must(t, "export", "--data", data, "--study", "S", "--out", filepath.Join(t.TempDir(), "x.csv"))
	assert.Empty(t, grep(t, canaries, data))
	keys, err := s.keysOf(t, "S/1/A", "S/1/B", "S/1")
	require.NoError(t, err)
	assert.Equal(t, map[string]bool{"S/1/A": false, "S/1/B": true, "S/1": true}, keys)

	must(t, "erase", "--data", data, "--study", "S", "--couple", "1", "--role", "B", "--yes-erase-for-good")
	keys, err = s.keysOf(t, "S/1/A", "S/1/B", "S/1")
	require.NoError(t, err)
	assert.Equal(t, map[string]bool{"S/1/A": false, "S/1/B": false, "S/1": false}, keys, "with the last partner goes what was the couple's")
}

// keysOf tells whose keys exist.
func (s storage) keysOf(t *testing.T, owners ...string) (map[string]bool, error) {
	have := map[string]bool{}
	return have, s.withArchive(t.Context(), func(a *archived) error {
		keys, err := a.log.WrappedKeys(t.Context(), owners)
		for _, k := range keys {
			have[k.Owner] = k.Wrapped != nil
		}
		return err
	})
}

func TestRestoreToAPosition(t *testing.T) {
	dir := t.TempDir()
	data, backups := filepath.Join(dir, "data"), filepath.Join(dir, "backups")
	must(t, "simulate", "--data", data, "--couples", "8", "--separations", "0", "--study", "X")
	must(t, "backup", backups, "--data", data)
	files, err := filepath.Glob(filepath.Join(backups, "*.backup"))
	require.NoError(t, err)
	keys := filepath.Join(data, "keys")
	must(t, "verify", "--data", data, "--backup", files[0])

	_, message, code := asem(t, "restore", files[0], "--data", filepath.Join(dir, "nokeys"))
	assert.Equal(t, 2, code)
	assert.Contains(t, message, "no key file")
	_, message, code = asem(t, "restore", files[0], "--data", data)
	assert.Equal(t, 2, code)
	assert.Contains(t, message, "there is a log already")

	whole := must(t, "export", "--data", data, "--study", "X", "--out", filepath.Join(dir, "a.csv"))
	must(t, "restore", files[0], "--data", filepath.Join(dir, "all"), "--master-key-file", keys)
	assert.Equal(t, whole, must(t, "export", "--data", filepath.Join(dir, "all"), "--master-key-file", keys, "--study", "X", "--out", filepath.Join(dir, "a.csv")))

	text, err := os.ReadFile(files[0])
	require.NoError(t, err)
	for name, damaged := range map[string][]byte{"half": text[:len(text)/2], "flipped": append(append(bytes.Clone(text[:len(text)/2]), text[len(text)/2]^1), text[len(text)/2+1:]...), "text": []byte("hello")} {
		bad := write(t, "bad.backup", string(damaged))
		to := filepath.Join(dir, "bad-"+name)
		_, message, code := asem(t, "restore", bad, "--data", to, "--master-key-file", keys)
		assert.Equal(t, 2, code, name)
		assert.True(t, strings.Contains(message, "damaged") || strings.Contains(message, "not a backup"), message)
		_, err := os.Stat(filepath.Join(to, "log.db"))
		assert.ErrorIs(t, err, fs.ErrNotExist, "nothing half-written is left behind")
	}
}

// Restored to a position, a log holds what it held then, byte for byte and whole commands only, is in order and goes on from there; and who was erased later is not in it.
func TestRestoreStopsAtAPosition(t *testing.T) {
	dir := t.TempDir()
	data, backups := filepath.Join(dir, "data"), filepath.Join(dir, "backups")
	s := storage{Data: data}
	observe(t, s)
	records := func(s storage) (list []events.Record) {
		require.NoError(t, s.withArchive(t.Context(), func(a *archived) (err error) {
			list, err = a.log.Records(t.Context(), 0, 1000)
			return err
		}))
		return list
	}
	require.NoError(t, s.with(t.Context(), func(h *house) error {
		for i := range 3 {
			observeMore(t, h, float64(i))
		}
		return nil
	}))
	all := records(s)
	must(t, "backup", backups, "--data", data)
	must(t, "erase", "--data", data, "--study", "S", "--couple", "1", "--role", "A", "--backups", backups, "--yes-erase-for-good")
	files, err := filepath.Glob(filepath.Join(backups, "*.backup"))
	require.NoError(t, err)
	head := len(all)
	commandOf := func(r events.Record) uuid.UUID {
		e, err := events.DecodeRecord(r.Data)
		require.NoError(t, err)
		return e.Command
	}
	restored := 0
	for n := 1; n <= head; n++ {
		whole := n // the last command that ends by then
		for whole > 0 && whole < head && commandOf(all[whole-1]) == commandOf(all[whole]) {
			whole--
		}
		to := storage{Data: filepath.Join(dir, fmt.Sprint("to", n)), Keys: filepath.Join(data, "keys")}
		must(t, "restore", files[0], "--data", to.Data, "--master-key-file", to.Keys, "--position", fmt.Sprint(n))
		got := records(to)
		require.GreaterOrEqual(t, len(got), whole)
		for i := range whole {
			require.Equal(t, all[i], got[i], "position %d of a log restored to %d", i+1, n)
		}
		for _, r := range got[whole:] { // what is more is the erasure, repeated
			e, err := events.DecodeRecord(r.Data)
			require.NoError(t, err)
			assert.Equal(t, "participant.erased", e.Type)
		}
		if whole > 0 {
			restored++
		}
		must(t, "verify", "--data", to.Data, "--master-key-file", to.Keys)
		assert.Empty(t, grep(t, canaries, to.Data))
		if whole == head {
			require.NoError(t, to.with(t.Context(), func(h *house) error { observeMore(t, h, 9); return nil }))
			must(t, "verify", "--data", to.Data, "--master-key-file", to.Keys)
		}
	}
	assert.Greater(t, restored, 3)
	for _, n := range []int{-1, head + 1} {
		_, message, code := asem(t, "restore", files[0], "--data", filepath.Join(dir, "none"), "--master-key-file", filepath.Join(data, "keys"), fmt.Sprintf("--position=%d", n))
		assert.Equal(t, 2, code)
		assert.Contains(t, message, fmt.Sprintf("expected 1 to %d", head))
	}
}

func TestExpiredBackups(t *testing.T) {
	at := func(text string) time.Time {
		v, err := time.Parse("2006-01-02 15", text)
		require.NoError(t, err)
		return v
	}
	all := []time.Time{at("2025-01-10 08"), at("2025-01-31 08"), at("2025-02-27 08"), at("2025-02-28 08"), at("2025-02-28 20"), at("2025-03-01 08")}
	assert.Equal(t, []time.Time{at("2025-02-28 08"), at("2025-02-27 08"), at("2025-01-31 08"), at("2025-01-10 08")}, expired(all, 0, 2, 0))
	assert.Equal(t, []time.Time{at("2025-02-28 08"), at("2025-02-27 08"), at("2025-01-10 08")}, expired(all, 0, 2, 3))
	assert.Equal(t, []time.Time{at("2025-01-31 08"), at("2025-01-10 08")}, expired(all, 4, 0, 0))
	assert.Empty(t, expired(nil, 1, 1, 1))
	assert.Empty(t, expired(all, 0, 10, 10)[1:], "several of one day, and the last of the day stays")
}

func TestErasureBesideAReader(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	s := storage{Data: data}
	observe(t, s)
	// A server runs: the write-ahead log lives.
	h, err := s.open(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, h.close()) }()
	_, err = h.exec.Execute(t.Context(), domain.Order{ID: uuid.NewString(), At: time.Now(), Command: domain.GiveConsent{Study: "S", Couple: "1", Role: "B", Scope: domain.ScopeVideo, Version: "1"}})
	require.NoError(t, err)
	keys, err := h.archive.WrappedKeys(t.Context(), []string{"S/1/A"})
	require.NoError(t, err)
	_, err = h.log.Rewrap(t.Context())
	require.NoError(t, err)
	require.NoError(t, h.archive.Rewrap(t.Context(), keys)) // so that the key is in the write-ahead log
	secret := string(keys[0].Wrapped)

	db, err := sql.Open("sqlite", filepath.Join(data, "log.db"))
	require.NoError(t, err)
	db.SetMaxOpenConns(1)
	tx, err := db.BeginTx(t.Context(), nil) // asem backup or verify reads
	require.NoError(t, err)
	var n int
	require.NoError(t, tx.QueryRowContext(t.Context(), "SELECT count(*) FROM event").Scan(&n))

	_, err = h.exec.Execute(t.Context(), domain.Order{ID: uuid.NewString(), At: time.Now(), Command: domain.EraseParticipant{Study: "S", Couple: "1", Role: "A"}})
	require.NoError(t, err)
	require.NoError(t, h.catchUp(t.Context()))
	require.Error(t, h.finishErasures(t.Context()))
	require.NoError(t, tx.Rollback())
	require.NoError(t, db.Close())
	require.NoError(t, h.finishErasures(t.Context()), "the next command")
	assert.Empty(t, grep(t, []string{secret}, data), "the destroyed key")
}

// A restore that is killed half-way leaves nothing that passes for a log, and can be repeated.
func TestKilledRestore(t *testing.T) {
	for name, postgres := range map[string]string{"sqlite": "", "postgres": eventstest.NewServer(t).DSN} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			data, backups, to := filepath.Join(dir, "data"), filepath.Join(dir, "backups"), filepath.Join(dir, "to")
			must(t, "simulate", "--data", data, "--couples", "60", "--separations", "0", "--study", "X")
			must(t, "backup", backups, "--data", data)
			files, err := filepath.Glob(filepath.Join(backups, "*.backup"))
			require.NoError(t, err)
			s := storage{Data: to, Postgres: postgres, Keys: filepath.Join(data, "keys")}
			keys, err := seal.OpenFile(s.Keys, nil)
			require.NoError(t, err)
			verifier, err := proof.VerifierOf(keys.Signer())
			require.NoError(t, err)
			log, err := s.site().open(t.Context())
			require.NoError(t, err)
			ctx, kill := context.WithCancel(t.Context())
			_, err = backup.Restore(ctx, openBackup(files[0]), log, keys, 0, func(_, _ events.Position) { kill() }, verifier)
			require.Error(t, err, "the test would notice nothing")
			head, err := log.Head(t.Context())
			require.NoError(t, err)
			require.NotZero(t, head)
			require.NoError(t, log.Close())

			_, message, code := asem(t, "verify", "--data", to, "--postgres", postgres, "--master-key-file", s.Keys)
			if postgres == "" {
				assert.Equal(t, 2, code, "there is no log here")
			} else {
				assert.NotContains(t, message, "events up to")
			}
			must(t, "restore", files[0], "--data", to, "--postgres", postgres, "--master-key-file", s.Keys)
			left, _ := filepath.Glob(filepath.Join(to, "restoring*"))
			assert.Empty(t, left)
			assert.Contains(t, must(t, "verify", "--data", to, "--postgres", postgres, "--master-key-file", s.Keys), "as they were appended")
		})
	}
}

// Who was erased stays erased in a log that is restored to a moment before, and the log says so.
func TestRestoreToBeforeAnErasure(t *testing.T) {
	dir := t.TempDir()
	data, backups, to := filepath.Join(dir, "data"), filepath.Join(dir, "backups"), filepath.Join(dir, "to")
	observe(t, storage{Data: data})
	must(t, "backup", backups, "--data", data)
	must(t, "erase", "--data", data, "--study", "S", "--couple", "1", "--role", "A", "--backups", backups, "--yes-erase-for-good")
	files, err := filepath.Glob(filepath.Join(backups, "*.backup"))
	require.NoError(t, err)
	keys := filepath.Join(data, "keys")
	must(t, "restore", files[0], "--data", to, "--master-key-file", keys)
	assert.Contains(t, must(t, "verify", "--data", to, "--master-key-file", keys), "5 events were erased")
	s := storage{Data: to, Keys: keys}
	require.NoError(t, s.with(t.Context(), func(h *house) error {
		v, err := h.read.View(t.Context(), projections.AsOf{})
		require.NoError(t, err)
		list, err := v.Erasures(t.Context())
		require.NoError(t, err)
		require.Len(t, list, 1)
		assert.Equal(t, domain.Role("A"), list[0].Role)
		assert.False(t, list[0].Last)
		return nil
	}))
}
