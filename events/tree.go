package events

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// Every study has a Merkle tree as in RFC 6962, section 2.1: its leaves are the records of the study's events in the order of the
// log. The tree is kept in tiles: tile n on level l holds the hashes of up to 32 subtrees of 32^l leaves each, from
// the 32n-th on. All but the last tile of a level are full and never change again.

// TileHeight is the height of a tile as [tlog.Tile] counts it.
const TileHeight = 5

const tileWidth = 1 << TileHeight // hashes of a full tile

// TileID names a tile of a study's tree.
type TileID struct {
	Study string
	Level int
	N     int64
}

// Tile is a tile with the hashes it holds so far, 32 bytes each.
type Tile struct {
	TileID
	Data []byte
}

// Tree is the right edge of a study's tree: the last tile of every level, which is all that growing needs.
type Tree struct {
	Size int64    // leaves
	edge [][]byte // by level: the hashes of the last tile; empty where the next leaf begins a new tile
}

// NewTree returns the tree whose last tiles, from level 0 up, are given.
func NewTree(last []Tile) (*Tree, error) {
	t := &Tree{}
	for l, tile := range last {
		n := int64(len(tile.Data) / tlog.HashSize)
		if tile.Level != l || len(tile.Data)%tlog.HashSize != 0 || n == 0 || n > tileWidth {
			return nil, fmt.Errorf("tile %d on level %d of study %s holds %d bytes: %w", tile.N, tile.Level, tile.Study, len(tile.Data), ErrDamaged)
		}
		if l == 0 {
			t.Size = tile.N*tileWidth + n
		}
		if n == tileWidth {
			tile.Data = nil
		}
		t.edge = append(t.edge, slices.Clone(tile.Data))
	}
	return t, nil
}

func (t *Tree) clone() *Tree {
	c := &Tree{Size: t.Size, edge: slices.Clone(t.edge)}
	for l := range c.edge {
		c.edge[l] = slices.Clip(c.edge[l]) // the next append to it makes a copy
	}
	return c
}

// add appends a leaf and notes in changed which tiles hold more than before.
func (t *Tree) add(study string, leaf tlog.Hash, changed map[TileID][]byte) {
	h, n := leaf, t.Size
	for l := 0; ; l++ {
		if l == len(t.edge) {
			t.edge = append(t.edge, nil)
		}
		t.edge[l] = append(t.edge[l], h[:]...)
		id := TileID{study, l, n / tileWidth}
		changed[id] = t.edge[l]
		if len(t.edge[l]) < tileWidth*tlog.HashSize {
			break
		}
		h, n = subtree(t.edge[l]), n/tileWidth
		t.edge[l] = nil
	}
	t.Size++
}

// Add appends a record's leaf. It returns the tiles that are full by it.
func (t *Tree) Add(study string, record []byte) []Tile {
	changed := map[TileID][]byte{}
	t.add(study, tlog.RecordHash(record), changed)
	var whole []Tile
	for id, data := range changed {
		if len(data) == tileWidth*tlog.HashSize {
			whole = append(whole, Tile{id, data})
		}
	}
	return whole
}

// Edge returns the tiles at the end of the levels that are not full, from level 0 up.
func (t *Tree) Edge(study string) []Tile {
	var list []Tile
	n := t.Size
	for l, data := range t.edge {
		if len(data) > 0 {
			list = append(list, Tile{TileID{study, l, n / tileWidth}, data})
		}
		n /= tileWidth
	}
	return list
}

// Root returns the root of the tree, which must have a leaf.
func (t *Tree) Root() tlog.Hash {
	// The tree is a row of full subtrees of falling size; they are joined from the right.
	var root tlog.Hash
	begun := false
	join := func(left tlog.Hash) {
		if begun {
			left = tlog.NodeHash(left, root)
		}
		root, begun = left, true
	}
	for _, tile := range t.edge {
		for row := hashesOf(tile); len(row) > 0; {
			size := len(row) & -len(row) // the last full subtree of this tile
			join(full(row[len(row)-size:]))
			row = row[:len(row)-size]
		}
	}
	return root
}

// full returns the hash of the tree over a power of two of hashes.
func full(row []tlog.Hash) tlog.Hash {
	row = slices.Clone(row)
	for n := len(row); n > 1; n /= 2 {
		for i := range n / 2 {
			row[i] = tlog.NodeHash(row[2*i], row[2*i+1])
		}
	}
	return row[0]
}

// subtree returns the hash of the tree over the hashes of a full tile.
func subtree(tile []byte) tlog.Hash { return full(hashesOf(tile)) }

func hashesOf(tile []byte) []tlog.Hash {
	row := make([]tlog.Hash, len(tile)/tlog.HashSize)
	for i := range row {
		copy(row[i][:], tile[i*tlog.HashSize:])
	}
	return row
}

// Planter adds complete envelopes to the trees of their studies. The zero Planter begins with empty trees.
type Planter struct {
	Trees map[string]*Tree
}

// Plant gives each envelope its place in its study's tree and returns its record, and the tiles that changed. Trees that were given before
// stay as they were; those of the planter are new.
func (p *Planter) Plant(list []Envelope) ([]Record, []Tile) {
	records, grown, tiles := plant(p.Trees, list)
	if p.Trees == nil {
		p.Trees = map[string]*Tree{}
	}
	maps.Copy(p.Trees, grown)
	return records, tiles
}

// plant returns the records of complete envelopes, the trees as they grow by them, and the tiles to be stored. The trees given are left as they were.
func plant(trees map[string]*Tree, list []Envelope) ([]Record, map[string]*Tree, []Tile) {
	grown := map[string]*Tree{}
	changed := map[TileID][]byte{}
	records := make([]Record, len(list))
	for i := range list {
		e := &list[i]
		t := grown[e.Study]
		if t == nil {
			if old := trees[e.Study]; old != nil {
				t = old.clone()
			} else {
				t = &Tree{}
			}
			grown[e.Study] = t
		}
		e.Leaf = t.Size
		data := encodeRecord(e)
		t.add(e.Study, tlog.RecordHash(data), changed)
		records[i] = Record{e.Position, e.Stream, e.Version, data}
	}
	tiles := make([]Tile, 0, len(changed))
	for id, data := range changed {
		tiles = append(tiles, Tile{id, data})
	}
	return records, grown, tiles
}

// TileStore reads tiles. A tile that is not stored is an error.
type TileStore interface {
	Tiles(ctx context.Context, ids []TileID) ([]Tile, error)
	// LastTiles returns the last tile of every level of a study's tree, from level 0 up; none if the study has no events.
	LastTiles(ctx context.Context, study string) ([]Tile, error)
}
