package events

import "sync/atomic"

// names keeps one copy of the few texts that stand in every record: types, studies and roles.
var names interner

// interner is a small set of texts. It only grows up to maxNames; what comes later is copied each time.
type interner struct {
	known atomic.Pointer[map[string]string]
}

const maxNames = 512

func (n *interner) get(b []byte) string {
	known := n.known.Load()
	if known != nil {
		if s, ok := (*known)[string(b)]; ok {
			return s
		}
	}
	s := string(b)
	if known != nil && len(*known) >= maxNames || len(s) > 64 {
		return s
	}
	more := map[string]string{s: s}
	if known != nil {
		for k, v := range *known {
			more[k] = v
		}
	}
	n.known.CompareAndSwap(known, &more) // whoever loses the race tries again with the next record
	return s
}
