package graphql

import (
	"context"
	"slices"

	"asem/domain"
	"asem/projections"
)

// Viewer is who asks.
type Viewer struct {
	Role    domain.ActorRole // empty: nobody is signed in
	Studies []string         // codes of the studies the viewer works in
}

// SignedIn reports whether the viewer is known.
func (v Viewer) SignedIn() bool { return v.Role != "" }

// policy says who may see a field. It is decided by the viewer and by the study that the object belongs to.
type policy struct {
	name  string
	allow func(v Viewer, study string) bool
}

// The policies. A new kind of viewer is a line here and a column in the authorisation table.
var (
	anybody       = policy{"anybody", func(Viewer, string) bool { return true }}
	ownStudyStaff = policy{"researchers and coordinators of the study", func(v Viewer, study string) bool {
		return (v.Role == domain.ActorResearcher || v.Role == domain.ActorCoordinator) && slices.Contains(v.Studies, study)
	}}
)

// state is what the resolvers of one request share: who asks, the state of the read models the request stands on,
// and the loaders that gather reads.
type state struct {
	viewer Viewer
	store  *projections.Store
	ledger Ledger     // nil: there is none
	live   LiveModels // nil: there are none
	now    projections.View
	at     map[projections.View]*loaders
	study  map[string]projections.Study
}

// loaders gather the reads at one view.
type loaders struct {
	couple *loader[projections.CoupleID, projections.Couple]
	rating *loader[projections.CoupleID, []projections.Rating]
	series *loader[projections.SeriesID, projections.Trajectory]
}

type stateKey struct{}

func withState(ctx context.Context, s *state) context.Context {
	return context.WithValue(ctx, stateKey{}, s)
}

func stateOf(ctx context.Context) *state { return ctx.Value(stateKey{}).(*state) }

func newState(ctx context.Context, store *projections.Store, viewer Viewer) (*state, error) {
	s := &state{viewer: viewer, store: store, at: map[projections.View]*loaders{}, study: map[string]projections.Study{}}
	if store == nil { // a schema without read models, in tests
		return s, nil
	}
	var err error
	s.now, err = store.View(ctx, projections.AsOf{})
	return s, err
}

// loadersAt returns the loaders of a view.
func (s *state) loadersAt(ctx context.Context, v projections.View) *loaders {
	l, ok := s.at[v]
	if !ok {
		l = &loaders{
			newLoader(func(ids []projections.CoupleID) (map[projections.CoupleID]projections.Couple, error) {
				return v.CouplesByID(ctx, ids)
			}),
			newLoader(func(ids []projections.CoupleID) (map[projections.CoupleID][]projections.Rating, error) {
				return v.RatingsOf(ctx, ids)
			}),
			newLoader(func(ids []projections.SeriesID) (map[projections.SeriesID]projections.Trajectory, error) {
				return v.TrajectoriesByID(ctx, ids)
			}),
		}
		s.at[v] = l
	}
	return l
}

// studyOf returns a study, read once a request. A study that the viewer may not see is not found.
func (s *state) studyOf(ctx context.Context, code string) (projections.Study, error) {
	if !ownStudyStaff.allow(s.viewer, code) {
		return projections.Study{}, absent("study")
	}
	if known, ok := s.study[code]; ok {
		return known, nil
	}
	found, err := s.now.Study(ctx, code)
	if err == nil {
		s.study[code] = found
	}
	return found, err
}

// absent is the answer for what is not there and for what the viewer may not know of: they look the same.
func absent(what string) error {
	return &domain.Error{Code: domain.NotFound, Message: "there is no such " + what}
}
