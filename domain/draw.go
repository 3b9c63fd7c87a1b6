package domain

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
)

// Bounds of a plan of randomisation.
const (
	maxArms  = 20
	maxBlock = 1000
	seedSize = 32 // bytes
)

// Draw returns the arm of the unit that comes at a place of its stratum: a couple or a person, as the protocol says, by the order of randomisation
// from 1. The stratum is the code of the couple's site. Within each stratum every block of places holds each arm in the share of its weight, in an order that
// follows from the seed by HMAC-SHA256 and a shuffle without bias (Fisher & Yates), so that equal seeds give equal plans, which can be checked later, and
// nobody without the seed can tell the next arm. A protocol that randomises nobody, a seed that is not 32 bytes long and a place below 1 are refused.
func (p Protocol) Draw(seed []byte, stratum string, number int) (string, error) {
	switch {
	case p.Randomise == nil || len(p.Arms) == 0:
		return "", refuse(Conflict, "arm", "the protocol randomises nobody")
	case len(seed) != seedSize:
		return "", refuse(Invalid, "seed", "the seed has %d bytes; expected %d", len(seed), seedSize)
	case number < 1:
		return "", refuse(Invalid, "number", "number %d of the order; expected 1 or more", number)
	}
	block := p.block()
	chance := newStream(seed, stratum, (number-1)/len(block))
	for i := len(block) - 1; i > 0; i-- {
		j := chance.below(i + 1)
		block[i], block[j] = block[j], block[i]
	}
	return block[(number-1)%len(block)], nil
}

// block lists the arms of one block in the order of the protocol, each as often as its weight asks.
func (p Protocol) block() []string {
	var once []string
	for _, a := range p.Arms {
		for range max(a.Weight, 1) {
			once = append(once, a.Code)
		}
	}
	times := 2
	if p.Randomise.BlockSize > 0 {
		times = max(p.Randomise.BlockSize/len(once), 1)
	}
	var block []string
	for range times {
		block = append(block, once...)
	}
	return block
}

// stream is chance that follows from a seed.
type stream struct {
	seed, label []byte
	round       uint64
	rest        []byte
}

func newStream(seed []byte, stratum string, block int) *stream {
	label := append([]byte("asem arms 1\x00"), stratum...)
	return &stream{seed: seed, label: binary.BigEndian.AppendUint64(append(label, 0), uint64(block))}
}

func (s *stream) next() uint32 {
	if len(s.rest) < 4 {
		mac := hmac.New(sha256.New, s.seed)
		mac.Write(s.label)
		mac.Write(binary.BigEndian.AppendUint64(nil, s.round))
		s.rest = mac.Sum(nil)
		s.round++
	}
	x := binary.BigEndian.Uint32(s.rest)
	s.rest = s.rest[4:]
	return x
}

// below returns a number from 0 to just below n, each as likely: what would favour the small ones is drawn again.
func (s *stream) below(n int) int {
	limit := (1 << 32) / uint64(n) * uint64(n)
	for {
		if x := uint64(s.next()); x < limit {
			return int(x % uint64(n))
		}
	}
}

// Draw returns the arm at a place of a stratum by the plan of the study, see [Protocol.Draw].
func (s *Study) Draw(stratum string, number int) (string, error) {
	if s.seed == nil {
		return "", refuse(Conflict, "arm", "the randomisation of study %s has no seed yet; publish the protocol with asem study publish", s.Code)
	}
	return s.Protocol.Draw(s.seed, stratum, number)
}

// SeedRandomisation fixes the plan of randomisation of a study. It is done once, before anybody is randomised; a study that has a seed keeps it.
type SeedRandomisation struct {
	Study string
	Seed  []byte // 32 random bytes
}

func (c SeedRandomisation) Target() Target { return Target{Study: c.Study} }

func (c SeedRandomisation) decide(p Past) ([]Event, error) {
	switch err := p.needProtocol(); {
	case err != nil:
		return nil, err
	case p.Study.Protocol.Randomise == nil:
		return nil, refuse(Conflict, "seed", "study %s randomises nobody", c.Study)
	case p.Study.seed != nil:
		return nil, nil
	case len(c.Seed) != seedSize || bytes.Equal(c.Seed, make([]byte, seedSize)):
		return nil, refuse(Invalid, "seed", "the seed has %d bytes; expected %d random ones", len(c.Seed), seedSize)
	}
	return []Event{RandomisationSeeded{bytes.Clone(c.Seed)}}, nil
}
