//go:build !unix

package eventstest

import (
	"errors"
	"testing"
)

// Server is a throw-away PostgreSQL server. On this system none can be started.
type Server struct{ DSN, Dir string }

func startServer() (*Server, error) {
	return nil, errors.New("a server is started on Unix systems only")
}

func (s *Server) remove() {}

// Start serves the cluster again.
func (s *Server) Start(testing.TB) {}

// Stop shuts the server down.
func (s *Server) Stop(testing.TB) {}

// Kill ends the server at whatever it is doing.
func (s *Server) Kill(testing.TB) {}
