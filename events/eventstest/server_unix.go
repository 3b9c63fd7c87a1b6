//go:build unix

package eventstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Server is a throw-away PostgreSQL server with fsync on. It dies with the process that started it.
type Server struct {
	DSN string // key=value pairs
	Dir string // with everything that the server keeps

	bin, dir string
	as       *syscall.Credential // nil: the user who runs the tests
	keeper   *exec.Cmd           // the shell that keeps the server
	leash    io.WriteCloser      // its standard input; closed when this process ends
}

// keep runs the server, again and again if it ends by itself (after a kill it may have to wait for its orphans), until
// standard input ends: because the tests stop it, or because they are gone. The folder is removed unless the word
// "keep" was said.
const keep = `(
	while [ ! -e "$1/stop" ]; do
		"$0/postgres" -D "$1/data" -k "$1" -c listen_addresses= -c max_connections=400 -c shared_buffers=64MB
		sleep 0.1
	done
	touch "$1/stopped"
) >>"$1/log" 2>&1 &
read word
touch "$1/stop"
while [ ! -e "$1/stopped" ]; do
	kill -INT "$(head -n 1 "$1/data/postmaster.pid")"
	sleep 0.1
done 2>/dev/null
wait
rm "$1/stop" "$1/stopped"
[ "$word" = keep ] || rm -rf "$1"`

// startServer makes a new database cluster and serves it.
func startServer() (*Server, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "asem-pg") // short: the path of a socket has about 100 bytes
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin, dir: dir, Dir: dir, DSN: "host=" + dir + " user=asem dbname=postgres"}
	if err := s.setUp(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

func (s *Server) setUp() error {
	if os.Geteuid() == 0 { // PostgreSQL refuses to run as root
		var err error
		if s.as, err = unprivileged(); err != nil {
			return err
		}
		if err := os.Chown(s.dir, int(s.as.Uid), int(s.as.Gid)); err != nil {
			return err
		}
	}
	initdb := s.command(filepath.Join(s.bin, "initdb"), "-D", filepath.Join(s.dir, "data"), "-U", "asem", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return s.run()
}

// run serves the cluster and waits until it answers.
func (s *Server) run() error {
	s.keeper = s.command("sh", "-c", keep, s.bin, s.dir)
	var err error
	if s.leash, err = s.keeper.StdinPipe(); err != nil {
		return err
	}
	if err := s.keeper.Start(); err != nil {
		return err
	}
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		conn, err := pgx.Connect(ctx, s.DSN)
		if err == nil {
			err = conn.Close(ctx)
		}
		cancel()
		if err == nil {
			return nil
		}
		if time.Since(began) > time.Minute {
			log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			s.remove()
			return fmt.Errorf("the server does not answer: %w: %s", err, log)
		}
	}
}

// Start serves the cluster again after [Server.Stop] or [Server.Kill].
func (s *Server) Start(t testing.TB) {
	t.Helper()
	if err := s.run(); err != nil {
		t.Fatal(err)
	}
}

// Stop shuts the server down as an administrator would: connections are ended, commits are finished.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	fmt.Fprintln(s.leash, "keep")
	s.leash.Close()
	if err := s.keeper.Wait(); err != nil {
		t.Fatalf("stop PostgreSQL: %v", err)
	}
}

// Kill ends the server with SIGKILL at whatever it is doing, all its processes with it.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	file, err := os.ReadFile(filepath.Join(s.dir, "data", "postmaster.pid"))
	if err != nil {
		t.Fatalf("kill PostgreSQL: %v", err)
	}
	line, _, _ := bytes.Cut(file, []byte("\n"))
	pid, err := strconv.Atoi(string(line))
	if err != nil {
		t.Fatalf("kill PostgreSQL: %v", err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatalf("kill PostgreSQL: %v", err)
	}
	s.Stop(t)
}

func (s *Server) remove() {
	s.leash.Close()
	_ = s.keeper.Wait() // nothing is left that could be done about a server that does not end well
}

// command is a command run as the unprivileged user, in a session of its own: an interrupt typed at the tests ends
// them and so closes the leash, rather than killing the keeper before it has tidied up.
func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(context.Background(), name, args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: s.as}
	return cmd
}

// unprivileged finds somebody to run PostgreSQL as.
func unprivileged() (*syscall.Credential, error) {
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 == nil && err2 == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is neither a user postgres nor a user nobody")
}

// binaries finds the folder of the installed server, the newest version first.
func binaries() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			return filepath.Dir(path), nil
		}
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	more, _ := filepath.Glob("/opt/homebrew/opt/postgresql@*/bin/initdb")
	found = append(found, more...)
	if len(found) == 0 {
		return "", errors.New("neither PATH nor /usr/lib/postgresql has its binaries")
	}
	version := func(path string) int {
		n := 0
		for _, c := range path {
			if c >= '0' && c <= '9' {
				n = 10*n + int(c-'0')
			}
		}
		return n
	}
	return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })), nil
}
