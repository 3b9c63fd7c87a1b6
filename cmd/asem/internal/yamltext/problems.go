package yamltext

import (
	"errors"
	"fmt"

	"asem/domain"
)

// maxProblems bounds how many problems of one file are told one by one: a shifted column makes as many as the
// file has rows.
const maxProblems = 50

// Problems gathers what is wrong with an input, so that a person sees all at once.
type Problems struct {
	list []error
	more int
}

// Add notes a problem; nil is none.
func (p *Problems) Add(err error) {
	switch {
	case err == nil:
	case len(p.list) < maxProblems:
		p.list = append(p.list, err)
	default:
		p.more++
	}
}

// At notes that the input is invalid at a place.
func (p *Problems) At(path, format string, args ...any) { p.Add(Invalid(path, format, args...)) }

// Any reports whether there is a problem.
func (p *Problems) Any() bool { return len(p.list) > 0 }

// Err joins the problems. The name of the input stands on the line that counts those not told.
func (p *Problems) Err(name string) error {
	if p.more > 0 {
		return errors.Join(append(p.list[:len(p.list):len(p.list)], Invalid(name, "there are %d more problems", p.more))...)
	}
	return errors.Join(p.list...)
}

// Invalid makes the error that says what is wrong with an input at a place.
func Invalid(path, format string, args ...any) *domain.Error {
	return &domain.Error{Code: domain.Invalid, Path: path, Message: fmt.Sprintf(format, args...)}
}

// Refusals takes apart what the domain joined.
func Refusals(err error) []*domain.Error {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var list []*domain.Error
		for _, e := range many.Unwrap() {
			list = append(list, Refusals(e)...)
		}
		return list
	}
	var e *domain.Error
	if errors.As(err, &e) {
		return []*domain.Error{e}
	}
	return nil
}

// Element is the path of a list's element.
func Element(list string, i int) string { return fmt.Sprintf("%s[%d]", list, i) }
