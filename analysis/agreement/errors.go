package agreement

import (
	"errors"
	"fmt"
)

// ErrNotEstimable is what the data cannot tell, whoever asks: one judge, one clip, no variance. It is wrapped in a
// [*NotEstimableError] with the reason.
var ErrNotEstimable = errors.New("not estimable")

// NotEstimableError says what cannot be estimated from the data and why.
type NotEstimableError struct {
	What   string // the coefficient, as "ICC" or "Fleiss' kappa"
	Reason string
}

func (e *NotEstimableError) Error() string { return e.What + " is not estimable: " + e.Reason }

// Is reports that the error is [ErrNotEstimable].
func (e *NotEstimableError) Is(target error) bool { return target == ErrNotEstimable }

func notEstimable(what, format string, args ...any) error {
	return &NotEstimableError{what, fmt.Sprintf(format, args...)}
}

// InputError says what was asked for or handed in that makes no sense, and what was expected.
type InputError struct {
	Where   string // a field, or the rating that is meant
	Message string
}

func (e *InputError) Error() string { return e.Where + " " + e.Message }

func badInput(where, format string, args ...any) error {
	return &InputError{where, fmt.Sprintf(format, args...)}
}

// known returns a number that need not have been known.
func known(x float64) *float64 { return &x }
