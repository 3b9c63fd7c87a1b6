package prompting

import (
	"context"

	"asem/events"
	"asem/projections"
)

// Directory knows every couple.
type Directory interface {
	// Couples lists the couples of all studies as of a position of the log; what comes after it is found by following the log from there.
	Couples(ctx context.Context) ([]Couple, events.Position, error)
}

// ReadModels is the directory of a store of read models.
type ReadModels struct{ Store *projections.Store }

// pageSize is how many couples are read at a time.
const pageSize = 100

// Couples implements [Directory].
func (r ReadModels) Couples(ctx context.Context) ([]Couple, events.Position, error) {
	view, err := r.Store.View(ctx, projections.AsOf{})
	if err != nil {
		return nil, 0, err
	}
	var list []Couple
	for study := ""; ; {
		studies, err := view.Studies(ctx, projections.Page{First: pageSize, After: study})
		if err != nil {
			return nil, 0, err
		}
		for _, s := range studies.Items {
			study = s.Code
			for couple := ""; ; {
				page, err := view.Couples(ctx, s.Code, projections.CoupleFilter{}, projections.Page{First: pageSize, After: couple})
				if err != nil {
					return nil, 0, err
				}
				for _, c := range page.Items {
					couple = c.Couple
					list = append(list, Couple{s.Code, c.Couple})
				}
				if !page.HasNext {
					break
				}
			}
		}
		if !studies.HasNext {
			return list, view.Position(), nil
		}
	}
}
