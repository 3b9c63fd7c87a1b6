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
		b.explain(&p, b.origins[o.Index], o.Err)
	}
	return p.err(b.report.File)
}

func (b *Batch) explain(p *problems, from origin, err error) {
	list := refusals(err)
	if len(list) == 0 {
		p.add(fmt.Errorf("%s: %w", b.place(from, ""), err))
	}
	for _, e := range list {
		p.add(&domain.Error{Code: e.Code, Path: b.place(from, e.Path), Message: e.Message, Err: e.Err})
	}
}

// place says in words where the part of an order that a refusal names comes from.
func (b *Batch) place(from origin, named string) string {
	if from.mapping != "" {
		return from.mapping
	}
	for _, v := range from.values {
		if named != "" && (v.target.item.ID == named || v.target.construct.Code == named) {
			return cellPlace(b.report.File, from.line, v.target.column)
		}
	}
	return cellPlace(b.report.File, from.line, from.column)
}
