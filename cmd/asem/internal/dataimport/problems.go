package dataimport

import (
	"errors"
	"fmt"

	"asem/domain"
)

// maxProblems bounds how many problems of one file are told one by one: a shifted column makes as many as the
// file has rows.
const maxProblems = 50

// problems gathers what is wrong with an input, so that a person sees all at once.
type problems struct {
	list []error
	more int
}

func (p *problems) add(err error) {
	switch {
	case err == nil:
	case len(p.list) < maxProblems:
		p.list = append(p.list, err)
	default:
		p.more++
	}
}

// at notes that the input is invalid at a place.
func (p *problems) at(path, format string, args ...any) { p.add(invalid(path, format, args...)) }

func (p *problems) any() bool { return len(p.list) > 0 }

// err joins the problems. The name of the input stands on the line that counts those not told.
func (p *problems) err(name string) error {
	if p.more > 0 {
		return errors.Join(append(p.list[:len(p.list):len(p.list)], invalid(name, "there are %d more problems", p.more))...)
	}
	return errors.Join(p.list...)
}

func invalid(path, format string, args ...any) *domain.Error {
	return &domain.Error{Code: domain.Invalid, Path: path, Message: fmt.Sprintf(format, args...)}
}

// refusals takes apart what the domain joined.
func refusals(err error) []*domain.Error {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var list []*domain.Error
		for _, e := range many.Unwrap() {
			list = append(list, refusals(e)...)
		}
		return list
	}
	var e *domain.Error
	if errors.As(err, &e) {
		return []*domain.Error{e}
	}
	return nil
}

// element is the path of a list's element.
func element(list string, i int) string { return fmt.Sprintf("%s[%d]", list, i) }
