package graphql

// loader gathers the keys that the resolvers of one level ask for and reads them at once, when the first of them is needed:
// graphql-go resolves a level before it calls the first thunk. It belongs to one request, whose fields are resolved one by one.
type loader[K comparable, V any] struct {
	fetch   func([]K) (map[K]V, error)
	waiting []K
	asked   map[K]bool // each key is read once, there or not
	found   map[K]V
	failed  map[K]error
}

func newLoader[K comparable, V any](fetch func([]K) (map[K]V, error)) *loader[K, V] {
	return &loader[K, V]{fetch: fetch, asked: map[K]bool{}, found: map[K]V{}, failed: map[K]error{}}
}

// load returns a thunk for the value of a key, which may be absent.
func (l *loader[K, V]) load(k K) func() (V, bool, error) {
	if !l.asked[k] {
		l.asked[k] = true
		l.waiting = append(l.waiting, k)
	}
	return func() (V, bool, error) {
		if len(l.waiting) > 0 {
			l.read()
		}
		v, ok := l.found[k]
		return v, ok, l.failed[k]
	}
}

func (l *loader[K, V]) read() {
	keys := l.waiting
	l.waiting = nil
	got, err := l.fetch(keys)
	for _, k := range keys {
		if err != nil {
			l.failed[k] = err
		} else if v, ok := got[k]; ok {
			l.found[k] = v
		}
	}
}
