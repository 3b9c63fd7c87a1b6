package projections

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Leadership makes sure that of several replicas on one PostgreSQL one drives each consumer along the log. The leader of a consumer holds
// an advisory lock on a connection that serves nothing else; when the process, its host or the connection dies or comes to a standstill, the server lets go of
// the lock and another replica takes it. Who takes it raises the epoch of the read model: whatever a former leader, who may not know yet, still
// tries to apply is refused with [events.ErrFenced]. Programs that build different versions of a read model lead each their own.
//
// On SQLite the process has the data folder to itself, and leads.
type Leadership struct {
	store  *Store
	names  []string
	logger *slog.Logger

	striving sync.WaitGroup

	mu      sync.Mutex
	leads   map[string]bool
	changed chan struct{} // closed and replaced whenever leads changes
}

// How often a replica tries to take a lead and makes sure that it still has those it took, and how long the server may take to answer.
const (
	leadEvery  = 500 * time.Millisecond
	leadAnswer = 2 * time.Second
)

// leadSilence is for how long the server leaves its locks to a leader of whom it hears nothing.
const leadSilence = "3s"

// Lead strives for the lead of all read models, and of others by name, until ctx ends. It then gives up what it leads.
func (s *Store) Lead(ctx context.Context, logger *slog.Logger, others ...string) *Leadership {
	l := &Leadership{store: s, logger: logger, leads: map[string]bool{}, changed: make(chan struct{})}
	for _, p := range s.projections {
		l.names = append(l.names, p.name)
	}
	l.names = append(l.names, others...)
	if s.dialect == SQLite {
		for _, n := range l.names {
			l.leads[n] = true
		}
		return l
	}
	l.striving.Go(func() { l.strive(ctx) })
	return l
}

// Ended returns when everything is given up, which follows the end of the context.
func (l *Leadership) Ended() { l.striving.Wait() }

// Wait returns when this process leads a consumer, or ctx's error if that ends first.
func (l *Leadership) Wait(ctx context.Context, name string) error {
	for {
		l.mu.Lock()
		leads, changed := l.leads[name], l.changed
		l.mu.Unlock()
		if leads {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// Leads reports whether this process leads a consumer, as far as it knows.
func (l *Leadership) Leads(name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.leads[name]
}

func (l *Leadership) set(name string, leads bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.leads[name] != leads {
		l.leads[name] = leads
		close(l.changed)
		l.changed = make(chan struct{})
		l.logger.Info("leadership", "consumer", name, "leads", leads)
	}
}

func (l *Leadership) strive(ctx context.Context) {
	for ctx.Err() == nil {
		err := l.session(ctx)
		for _, n := range l.names {
			l.set(n, false)
		}
		if err != nil && ctx.Err() == nil {
			l.logger.Warn("the connection that holds the leadership was lost", "error", err.Error())
		}
		select {
		case <-ctx.Done():
		case <-time.After(leadEvery):
		}
	}
}

// session holds locks on one connection for as long as it lives.
func (l *Leadership) session(ctx context.Context) error {
	conn, err := l.store.writer.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() {
		// Out of the pool with it, and the server lets go of the locks.
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
		_ = conn.Close()
	}()
	// A process that has come to a standstill lets go of its locks as one that has ended does.
	if _, err := conn.ExecContext(ctx, "SET idle_session_timeout = '"+leadSilence+"'"); err != nil {
		return err
	}
	for ctx.Err() == nil {
		if err := l.round(ctx, conn); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(leadEvery):
		}
	}
	return nil
}

// round tries to take what is free. That the statements succeed says that the connection, and what it holds, is still there.
func (l *Leadership) round(ctx context.Context, conn *sql.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, leadAnswer)
	defer cancel()
	if err := conn.PingContext(ctx); err != nil {
		return err
	}
	for _, name := range l.names {
		if l.Leads(name) {
			continue
		}
		var taken bool
		if err := conn.QueryRowContext(ctx, `SELECT pg_try_advisory_lock($1)`, l.lockOf(name)).Scan(&taken); err != nil {
			return err
		}
		if !taken {
			continue
		}
		if err := l.raise(ctx, conn, name); err != nil {
			return err
		}
		l.set(name, true)
	}
	return nil
}

// lockOf returns the number of the advisory lock of a consumer. Read models of another schema or version have others.
func (l *Leadership) lockOf(name string) int64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "asem leader %s %s", l.store.schema, name)
	if p := l.model(name); p != nil {
		fmt.Fprintf(h, " %d", p.version)
	}
	return int64(h.Sum64())
}

// model returns the read model of a name, nil if it is another consumer's.
func (l *Leadership) model(name string) *Projection {
	i := slices.IndexFunc(l.store.projections, func(p *Projection) bool { return p.name == name })
	if i < 0 {
		return nil
	}
	return l.store.projections[i]
}

// raise takes the next epoch for this leader. A crash of PostgreSQL forgets epochs; the clock keeps them rising all the same.
func (l *Leadership) raise(ctx context.Context, conn *sql.Conn, name string) error {
	p := l.model(name)
	if p == nil {
		return nil
	}
	var epoch int64
	err := conn.QueryRowContext(ctx, `UPDATE active_slot SET epoch = GREATEST(epoch + 1, $3) WHERE projection = $1 AND version = $2 RETURNING epoch`,
		p.name, p.version, micros(l.store.now())).Scan(&epoch)
	if errors.Is(err, sql.ErrNoRows) { // PostgreSQL has crashed and emptied the tables
		if err := l.store.create(ctx); err != nil {
			return err
		}
		return l.raise(ctx, conn, name)
	}
	if err == nil {
		p.epoch.Store(epoch)
	}
	return err
}
