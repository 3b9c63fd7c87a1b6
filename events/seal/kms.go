package seal

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"asem/domain"
)

// KMS is a key management service that wraps what a key file holds, so that the file alone opens nothing. It is asked once when a file is opened or
// written, never for single persons; who keeps persons' keys in the service itself implements [Master] instead.
type KMS interface {
	// Wrap returns secret, a few hundred bytes to some kilobytes, in a form that only Unwrap opens.
	Wrap(ctx context.Context, secret []byte) (wrapped []byte, err error)
	// Unwrap returns what was given to Wrap.
	Unwrap(ctx context.Context, wrapped []byte) (secret []byte, err error)
}

// Program is a [KMS] behind a program: a line of shell that calls the service's own client. It is run with "wrap" or "unwrap" as its last argument, reads base64 on
// its standard input and writes base64 to its standard output.
type Program struct {
	Command []string // the program and its first arguments
}

// programTime is how long a program may take.
const programTime = 30 * time.Second

// Wrap implements [KMS].
func (p Program) Wrap(ctx context.Context, secret []byte) ([]byte, error) {
	return p.run(ctx, "wrap", secret)
}

// Unwrap implements [KMS].
func (p Program) Unwrap(ctx context.Context, wrapped []byte) ([]byte, error) {
	return p.run(ctx, "unwrap", wrapped)
}

func (p Program) run(ctx context.Context, what string, in []byte) ([]byte, error) {
	failed := func(message string, err error) error {
		return &domain.Error{Code: domain.Unavailable, Path: "master-key-command", Message: fmt.Sprintf("%s %s %s", strings.Join(p.Command, " "), what, message), Err: err}
	}
	if len(p.Command) == 0 {
		return nil, failed("cannot be run: no program is named", nil)
	}
	ctx, cancel := context.WithTimeout(ctx, programTime)
	defer cancel()
	c := exec.CommandContext(ctx, p.Command[0], append(p.Command[1:len(p.Command):len(p.Command)], what)...)
	c.Stdin = strings.NewReader(base64.StdEncoding.EncodeToString(in) + "\n")
	c.WaitDelay = time.Second // a child that it left behind may hold its output open
	var out, said bytes.Buffer
	c.Stdout, c.Stderr = &out, &said
	if err := c.Run(); err != nil {
		reason := err.Error()
		if ctx.Err() != nil {
			reason = "it took too long"
		}
		if text := strings.TrimSpace(said.String()); text != "" {
			reason += ": " + text[:min(len(text), 300)]
		}
		return nil, failed("failed: "+reason, err)
	}
	answer, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(out.Bytes())))
	if err != nil || len(answer) == 0 {
		return nil, failed("did not answer in base64", nil)
	}
	return answer, nil
}

// wrappedHeader begins a key file that a KMS has wrapped. One line of base64 follows.
const wrappedHeader = "# asem: the keys of a study, wrapped by a key management service. Without this file and the service nobody can read anything, ever.\n"

// unwrapped returns the lines of a key file, wrapped or not.
func unwrapped(path string, text []byte, kms KMS) ([]byte, error) {
	line, is := bytes.CutPrefix(text, []byte(wrappedHeader))
	switch {
	case !is:
		return text, nil
	case kms == nil:
		return nil, &domain.Error{Code: domain.Invalid, Path: path, Message: "the key file is wrapped by a key management service; expected the program that reaches it, as ASEM_MASTER_KEY_COMMAND"}
	}
	wrapped, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(line)))
	if err != nil {
		return nil, &domain.Error{Code: domain.Invalid, Path: path, Message: "the key file is damaged: its second line is not base64"}
	}
	return kms.Unwrap(context.Background(), wrapped)
}

// content returns what is written to the file.
func (f *File) content() ([]byte, error) {
	text := []byte(f.text())
	if f.kms == nil {
		return text, nil
	}
	wrapped, err := f.kms.Wrap(context.Background(), text)
	if err != nil {
		return nil, err
	}
	// Keys that do not come back would be lost with all that is sealed under them.
	if back, err := f.kms.Unwrap(context.Background(), wrapped); err != nil || !bytes.Equal(back, text) {
		return nil, errors.Join(&domain.Error{Code: domain.Unavailable, Path: f.path, Message: "the key management service does not give back what it wrapped; nothing was written"}, err)
	}
	return fmt.Appendf(nil, "%s%s\n", wrappedHeader, base64.StdEncoding.EncodeToString(wrapped)), nil
}
