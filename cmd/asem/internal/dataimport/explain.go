package dataimport

import (
	"errors"
	"fmt"

	"asem/domain"
	"asem/events"
)

// Explain turns the refusal of a batch into errors that name the place in the file, or in the mapping for what concerns the study as
// a whole. Any other error is returned as it is.
func (b *Batch) Explain(err error) error {
	var refused events.OrderErrors
	if !errors.As(err, &refused) {
		return err
	}
	var p problems
	for _, o := range refused {
		if o.Index < 0 || o.Index >= len(b.origins) {
			p.add(o.Err)
			continue
		}
		p.explain(b.origins[o.Index], o.Err)
	}
	return p.err(b.report.File)
}

func (p *problems) explain(from origin, err error) {
	list := refusals(err)
	if len(list) == 0 {
		p.add(fmt.Errorf("%s: %w", from.at, err))
	}
	for _, e := range list {
		at, known := from.fields[e.Path]
		if !known {
			at = from.at
		}
		p.add(&domain.Error{Code: e.Code, Path: at, Message: e.Message, Err: e.Err})
	}
}
