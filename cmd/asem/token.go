package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"asem/domain"
	"asem/graphql"
	"asem/projections"
)

// tokenCmd gives out a token to read a study.
type tokenCmd struct {
	storage
	Study    string `help:"Code of the study that a researcher may read." placeholder:"CODE" xor:"whom" required:""`
	Operator bool   `help:"For somebody who keeps the server running: to see the operations page and metrics, and no data." xor:"whom" required:""`
}

func (c *tokenCmd) Help() string {
	return `Prints a token with which a researcher may read the study over GraphQL, or an operator see the operations page (/admin) and metrics
(/metrics). It is shown once; the data folder keeps only its hash, in tokens.json. Take a line out of that file to withdraw a token.
A browser asks for it as a password; the user name does not matter. Programs send it as "Authorization: Bearer".

Examples:
  asem token --study DEMO
  asem token --operator`
}

func (c *tokenCmd) Run(ctx context.Context, io streams) error {
	if c.Operator { // also beside a server, and when something stands still: then above all
		if err := c.mustExist(); err != nil {
			return err
		}
		return c.give(graphql.Viewer{Role: operator}, io)
	}
	return c.withExisting(ctx, func(h *house) error {
		v, err := h.read.View(ctx, projections.AsOf{})
		if err != nil {
			return err
		}
		if _, err := v.Study(ctx, c.Study); err != nil {
			return err
		}
		return c.give(graphql.Viewer{Role: domain.ActorResearcher, Studies: []string{c.Study}}, io)
	})
}

// give makes a token and prints it.
func (c *tokenCmd) give(who graphql.Viewer, io streams) error {
	known, err := readTokens(c.tokenFile())
	if err != nil {
		return err
	}
	token := newToken()
	known[hashOf(token)] = who
	if err := known.write(c.tokenFile()); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(io.out, token); err != nil {
		delete(known, hashOf(token)) // nobody has seen it
		return errors.Join(fmt.Errorf("print the token: %w", err), known.write(c.tokenFile()))
	}
	return nil
}

func (s storage) tokenFile() string { return filepath.Join(s.Data, "tokens.json") }

// tokens are those who may ask, by the SHA-256 of their token in hexadecimal. The tokens themselves are not kept.
type tokens map[string]graphql.Viewer

func newToken() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func hashOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

func readTokens(path string) (tokens, error) {
	t := tokens{}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return t, nil
	}
	if err != nil {
		return nil, &domain.Error{Code: domain.Invalid, Path: path, Message: "the tokens cannot be read", Err: err}
	}
	if err := json.Unmarshal(text, &t); err != nil {
		return nil, &domain.Error{Code: domain.Invalid, Path: path, Message: "the file does not hold tokens", Err: err}
	}
	return t, nil
}

func (t tokens) write(path string) error {
	text, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("write the tokens: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".tokens-*") // readable for its owner alone
	if err != nil {
		return fmt.Errorf("write the tokens: %w", err)
	}
	defer os.Remove(f.Name()) // does nothing once renamed
	if _, err := f.Write(append(text, '\n')); err != nil {
		f.Close()
		return fmt.Errorf("write the tokens: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("write the tokens: %w", err)
	}
	return os.Rename(f.Name(), path)
}

var errToken = errors.New("the token is not known")

// tokenFile follows a file of tokens: one that is given out or withdrawn counts from the next request on.
type tokenFile struct {
	path string

	mu       sync.Mutex
	known    tokens
	modified time.Time
	size     int64
}

// authenticate finds out who asks, by the file as it is now. A file that cannot be read lets nobody in.
func (f *tokenFile) authenticate(r *http.Request) (graphql.Viewer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.known, f.modified, f.size = tokens{}, time.Time{}, 0
	case err != nil:
		return graphql.Viewer{}, err
	case f.known == nil || !info.ModTime().Equal(f.modified) || info.Size() != f.size:
		if f.known, err = readTokens(f.path); err != nil {
			return graphql.Viewer{}, err
		}
		f.modified, f.size = info.ModTime(), info.Size()
	}
	return f.known.authenticate(r)
}

// authenticate finds out who asks. No token is nobody, which is no error; a wrong one is.
func (t tokens) authenticate(r *http.Request) (graphql.Viewer, error) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return graphql.Viewer{}, nil
	}
	scheme, token, _ := strings.Cut(header, " ")
	if _, password, ok := r.BasicAuth(); ok { // what a browser asks for by itself
		scheme, token = "Bearer", password
	}
	v, ok := t[hashOf(strings.TrimSpace(token))]
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return graphql.Viewer{}, errToken
	}
	return v, nil
}
