package proof_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
	"asem/events"
	"asem/events/proof"
	"asem/events/seal"
)

// forge changes the last event of study S and everything that is computed from it, with access to the tables alone.
func (d *desk) forge(t *testing.T) {
	list, err := d.Records(t.Context(), 0, 10000)
	require.NoError(t, err)
	var last events.Record
	for _, r := range list {
		if e, err := events.DecodeRecord(r.Data); err == nil && e.Study == "S" {
			last = r
		}
	}
	forged := append([]byte(nil), last.Data...)
	forged[len(forged)-2]++ // a digit of the payload
	d.tamper(t, "UPDATE {event} SET record = $1 WHERE position = $2", forged, int64(last.Position))
	tree := &events.Tree{}
	for _, r := range list {
		if e, err := events.DecodeRecord(r.Data); err == nil && e.Study == "S" {
			data := r.Data
			if r.Position == last.Position {
				data = forged
			}
			for _, tile := range tree.Add("S", data) {
				d.tamper(t, "UPDATE {tile} SET hashes = $1 WHERE study = 'S' AND level = $2 AND n = $3", tile.Data, tile.Level, tile.N)
			}
		}
	}
	for _, tile := range tree.Edge("S") {
		d.tamper(t, "UPDATE {tile} SET hashes = $1 WHERE study = 'S' AND level = $2 AND n = $3", tile.Data, tile.Level, tile.N)
	}
}

// A tree that contradicts the one signed before is not signed, and the note that proves it is not written over.
func TestSigningKeepsTheEvidence(t *testing.T) {
	onEach(t, func(t *testing.T, open func(*testing.T) *desk) {
		d := open(t)
		d.write(t, 20)
		_, err := proof.Sign(t.Context(), d, d.signer, "S", time.Now())
		require.NoError(t, err)
		d.forge(t)
		require.NotEmpty(t, d.verify(t).Findings, "before the next signature the forgery is found")
		_, err = proof.Sign(t.Context(), d, d.signer, "S", time.Now()) // the server does so every minute
		assert.Error(t, err)
		assert.NotEmpty(t, d.verify(t).Findings, "after it, nothing shows it any more")
	})
}

// A key that was destroyed by hand, without a tombstone in the log, is found.
func TestKeyWithoutTombstone(t *testing.T) {
	onEach(t, func(t *testing.T, open func(*testing.T) *desk) {
		d := open(t)
		keys, err := seal.NewFile(filepath.Join(t.TempDir(), "keys"), d.signer, nil)
		require.NoError(t, err)
		d.tell(t, seal.New(d, keys), "S/1/a")
		d.tamper(t, "UPDATE {seal_key} SET wrapped = NULL")
		r, err := proof.Verify(t.Context(), d, proof.Options{Verifiers: []string{d.verifier}, Open: seal.New(d, keys).Unseal, Tombstone: events.Tombstone})
		require.NoError(t, err)
		assert.NotEmpty(t, r.Findings, "a person's data were made unreadable, and verify says all is as it was appended")
	})
}

func (d *desk) tell(t *testing.T, log events.Log, owner string) {
	_, err := log.Append(t.Context(), events.Append{Command: uuid.New(), Writes: []events.Write{{Stream: events.Stream("couple/" + owner), Events: []events.Envelope{{
		ID: uuid.Must(uuid.NewV7()), Type: "diary.submitted", Schema: 1, Study: "S", OccurredAt: time.Now(), By: domain.Actor{Role: domain.ActorSystem}, Owner: owner, Payload: []byte("secret")}}}}})
	require.NoError(t, err)
}

// One damaged key keeps one person's events sealed, and nobody else's; verify names it and goes on.
func TestOneDamagedKey(t *testing.T) {
	onEach(t, func(t *testing.T, open func(*testing.T) *desk) {
		d := open(t)
		keys, err := seal.NewFile(filepath.Join(t.TempDir(), "keys"), d.signer, nil)
		require.NoError(t, err)
		d.tell(t, seal.New(d, keys), "S/1/a")
		d.tell(t, seal.New(d, keys), "S/2/a")
		d.tamper(t, "UPDATE {seal_key} SET wrapped = $1 WHERE owner = 'S/1/a'", make([]byte, 72))
		log := seal.New(d, keys)
		list, err := log.Read(t.Context(), 0, 10)
		if assert.NoError(t, err, "nobody can read the log any more") {
			assert.True(t, list[0].Sealed)
			assert.Equal(t, "secret", string(list[1].Payload))
		}
		r, err := proof.Verify(t.Context(), d, proof.Options{Verifiers: []string{d.verifier}, Open: log.Unseal})
		assert.NoError(t, err, "verify gives up instead of naming the event")
		assert.NotEmpty(t, r.Findings)
	})
}
