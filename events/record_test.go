package events

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"asem/domain"
)

func drawEnvelope(t *rapid.T) Envelope {
	text := func(name string) string { return rapid.StringN(0, 20, 60).Draw(t, name) }
	id := func(name string) (u uuid.UUID) {
		copy(u[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, name))
		return u
	}
	when := func(name string) time.Time {
		return time.UnixMicro(rapid.Int64Range(-62135596800000000, 253402300799999999).Draw(t, name)).UTC()
	}
	return Envelope{
		Position: Position(rapid.Int64Min(0).Draw(t, "position")), Stream: Stream(text("stream")), Version: Version(rapid.Int64Min(0).Draw(t, "version")),
		ID: id("id"), Type: text("type"), Schema: rapid.IntMin(0).Draw(t, "schema"), Study: text("study"), OccurredAt: when("occurred"), RecordedAt: when("recorded"),
		By: domain.Actor{Role: domain.ActorRole(text("role")), Subject: text("subject")}, Command: id("command"), Causation: id("causation"),
		Payload: rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "payload"), Owner: text("owner"), Sealed: rapid.Bool().Draw(t, "sealed"), Leaf: rapid.Int64Min(0).Draw(t, "leaf"),
	}
}

func TestRecordsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawEnvelope(t)
		back, err := DecodeRecord(encodeRecord(&e))
		require.NoError(t, err)
		assert.Equal(t, e, back)
	})
}

// Every envelope has one encoding: what decodes at all, encodes to the same bytes. A leaf of the tree can therefore not be
// replaced by another that reads the same.
func FuzzRecord(f *testing.F) {
	e := Envelope{Position: 300, Stream: "couple/S/1", Version: 2, Type: "diary.submitted", Schema: 1, Study: "S", OccurredAt: time.Unix(1, 0), RecordedAt: time.Unix(-2, 5000), Payload: []byte("{}")}
	f.Add(encodeRecord(&e))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := DecodeRecord(data)
		if err != nil {
			assert.ErrorIs(t, err, ErrDamaged)
			return
		}
		assert.Equal(t, data, encodeRecord(&e))
	})
}

func TestDamagedRecordsAreRefused(t *testing.T) {
	e := Envelope{Stream: "s", Type: "t", Payload: []byte("payload")}
	whole := encodeRecord(&e)
	for n := range whole {
		_, err := DecodeRecord(whole[:n])
		assert.ErrorIs(t, err, ErrDamaged, "cut after %d bytes", n)
	}
	_, err := DecodeRecord(append(bytes.Clone(whole), 0))
	assert.ErrorIs(t, err, ErrDamaged, "something behind it")
	_, err = DecodeRecord(append([]byte{9}, whole[1:]...))
	assert.ErrorContains(t, err, "format 9")
}

// The tree as it is kept in tiles is the tree that golang.org/x/mod/sumdb/tlog makes of the same leaves, in whatever pieces it grows.
func TestTreesAreThoseOfTlog(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom([]int{1, 2, 31, 32, 33, 63, 64, 65, 1023, 1024, 1025, 1100, 2049}).Draw(t, "leaves")
		store := map[TileID][]byte{}
		var stored []tlog.Hash
		var p Planter
		reader := tlog.HashReaderFunc(func(list []int64) ([]tlog.Hash, error) {
			out := make([]tlog.Hash, len(list))
			for i, x := range list {
				out[i] = stored[x]
			}
			return out, nil
		})
		for done := 0; done < n; {
			size := min(rapid.IntRange(1, 200).Draw(t, "batch"), n-done)
			list := make([]Envelope, size)
			for i := range list {
				list[i] = Envelope{Position: Position(done + i + 1), Stream: "s", Study: "S", Type: "t", Payload: []byte{byte(done + i)}}
			}
			records, tiles := p.Plant(list)
			for i, r := range records {
				hashes, err := tlog.StoredHashes(int64(done+i), r.Data, reader)
				require.NoError(t, err)
				stored = append(stored, hashes...)
			}
			for _, tile := range tiles {
				store[tile.TileID] = tile.Data
			}
			done += size
			if rapid.Bool().Draw(t, "from what is stored") {
				var last []Tile
				for l := 0; ; l++ {
					top, found := Tile{}, false
					for id, data := range store {
						if id.Level == l && (!found || id.N > top.N) {
							top, found = Tile{id, data}, true
						}
					}
					if !found {
						break
					}
					last = append(last, top)
				}
				tree, err := NewTree(last)
				require.NoError(t, err)
				p.Trees = map[string]*Tree{"S": tree}
			}
		}
		require.Equal(t, int64(n), p.Trees["S"].Size)
		root, err := tlog.TreeHash(int64(n), reader)
		require.NoError(t, err)
		require.Equal(t, root, p.Trees["S"].Root())
		for _, tile := range tlog.NewTiles(TileHeight, 0, int64(n)) {
			want, err := tlog.ReadTileData(tile, reader)
			require.NoError(t, err)
			require.Equal(t, want, store[TileID{"S", tile.L, tile.N}][:len(want)], "tile %v", tile)
		}
	})
}
