package dataimport

import (
	"errors"
	"fmt"

	"asem/cmd/asem/internal/yamltext"
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
	var p yamltext.Problems
	for _, o := range refused {
		if o.Index < 0 || o.Index >= len(b.origins) {
			p.Add(o.Err)
			continue
		}
		b.explain(&p, b.origins[o.Index], o.Err)
	}
	return p.Err(b.report.File)
}

func (b *Batch) explain(p *yamltext.Problems, from origin, err error) {
	list := yamltext.Refusals(err)
	if len(list) == 0 {
		p.Add(fmt.Errorf("%s: %w", b.place(from, ""), err))
	}
	for _, e := range list {
		p.Add(&domain.Error{Code: e.Code, Path: b.place(from, e.Path), Message: e.Message, Err: e.Err})
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
