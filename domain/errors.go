package domain

import (
	"errors"
	"fmt"
	"strings"
)

// Code says in one word what kind of problem an error is. HTTP statuses, GraphQL
// extension codes and exit codes are each derived from it in one place.
type Code string

// The codes, from the caller's mistakes to ours.
const (
	Invalid         Code = "invalid"         // the input breaks a rule the sender can see
	Unauthenticated Code = "unauthenticated" // nobody is signed in
	Forbidden       Code = "forbidden"       // somebody is, and may not
	NotFound        Code = "not_found"       // no such thing, or none the caller may know of
	Conflict        Code = "conflict"        // the state does not allow it, or has moved on
	Limited         Code = "limited"         // too much, too deep or too often
	Unavailable     Code = "unavailable"     // try again later
	Internal        Code = "internal"        // our fault: logged with an id, never shown
)

// Error is a refusal or a failure that a person can act on. It holds no answers,
// names or addresses: what it says may be logged and shown.
type Error struct {
	Code    Code
	Path    string // field, column or line:column that the person can change; empty if none
	Message string // what was wrong and what was expected
	Err     error  // the cause: logged, never shown
}

func (e *Error) Error() string {
	var b strings.Builder
	if e.Path != "" {
		b.WriteString(e.Path)
		b.WriteString(": ")
	}
	b.WriteString(e.Message)
	if e.Err != nil {
		b.WriteString(": ")
		b.WriteString(e.Err.Error())
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// CodeOf finds the code of an error through any wrapping. Joined errors have the
// code of the first that carries one; an error without a code is Internal.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return Internal
}

// refuse makes the error with which a decision says no.
func refuse(code Code, path, format string, args ...any) *Error {
	return &Error{Code: code, Path: path, Message: fmt.Sprintf(format, args...)}
}
