package graphql

import (
	"encoding/base64"
	"strings"

	"asem/domain"
)

// An id is the base64url form of a kind and the codes that name a thing, "couple/DEMO/017". Clients treat it as opaque.
func globalID(parts ...string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strings.Join(parts, "/")))
}

// readID takes an id apart and makes sure of its kind and the number of its parts.
func readID(id, kind string, parts int) ([]string, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(id)
	list := strings.Split(string(b), "/")
	if err != nil || len(list) != parts+1 || list[0] != kind {
		return nil, &domain.Error{Code: domain.NotFound, Path: "id", Message: "this is not the id of a " + kind}
	}
	return list[1:], nil
}

// kindOf returns the kind that an id names, or nothing if it is no id.
func kindOf(id string) string {
	b, err := base64.RawURLEncoding.Strict().DecodeString(id)
	if err != nil {
		return ""
	}
	kind, _, _ := strings.Cut(string(b), "/")
	return kind
}

func encodeCursor(key string) string {
	return base64.RawURLEncoding.EncodeToString([]byte("after " + key))
}

func decodeCursor(path, cursor string) (string, error) {
	if cursor == "" {
		return "", nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	key, ok := strings.CutPrefix(string(b), "after ")
	if err != nil || !ok {
		return "", &domain.Error{Code: domain.Invalid, Path: path, Message: "this is not a cursor of this list"}
	}
	return key, nil
}
