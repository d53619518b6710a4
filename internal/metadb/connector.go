package metadb

import (
	"container/list"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
)

// maxStatements is how many statements a connection keeps prepared. What the
// service asks all day is some fifty; a compiled statement takes some 10 KiB.
const maxStatements = 100

// preparing opens connections that keep the statements prepared which they
// have seen. To compile a statement takes SQLite longer than to look up a row
// by it. (PostgreSQL's driver does this by itself.)
type preparing struct {
	under driver.Driver
	dsn   string
}

// Driver is the driver below.
func (p preparing) Driver() driver.Driver { return p.under }

// Connect opens a connection.
func (p preparing) Connect(context.Context) (driver.Conn, error) {
	c, err := p.under.Open(p.dsn)
	if err != nil {
		return nil, err
	}
	full, ok := c.(sqliteConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("%T lacks methods", c), c.Close())
	}
	return &preparedConn{sqliteConn: full, byQuery: map[string]*list.Element{}}, nil
}

// sqliteConn is what SQLite's driver offers of a connection.
type sqliteConn interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ConnBeginTx
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// preparedStmt is what SQLite's driver offers of a statement.
type preparedStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// preparedConn is a connection with its prepared statements. Like every
// connection it is used by one goroutine at a time.
type preparedConn struct {
	sqliteConn
	byQuery map[string]*list.Element
	recent  list.List // of *kept, the one used last in front
}

// kept is a statement that stays prepared.
type kept struct {
	query string
	stmt  preparedStmt
	rows  bool // an answer of it is being read, so that it must not start anew
}

// Close closes the statements and the connection.
func (c *preparedConn) Close() error {
	var err error
	for e := c.recent.Front(); e != nil; e = e.Next() {
		err = errors.Join(err, e.Value.(*kept).stmt.Close())
	}
	c.recent.Init()
	clear(c.byQuery)
	return errors.Join(err, c.sqliteConn.Close())
}

// statement finds or prepares a statement. It returns nil for a script of
// several statements, and while an answer of the statement is being read.
func (c *preparedConn) statement(ctx context.Context, query string) (*kept, error) {
	if e, ok := c.byQuery[query]; ok {
		c.recent.MoveToFront(e)
		k := e.Value.(*kept)
		if k.rows {
			return nil, nil
		}
		return k, nil
	}
	if strings.Contains(query, ";") {
		return nil, nil
	}
	s, err := c.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	stmt, ok := s.(preparedStmt)
	if !ok {
		return nil, errors.Join(fmt.Errorf("%T lacks methods", s), s.Close())
	}
	k := &kept{query: query, stmt: stmt}
	c.byQuery[query] = c.recent.PushFront(k)
	return k, c.evict()
}

// evict closes statements that were not used for long.
func (c *preparedConn) evict() error {
	var err error
	for e := c.recent.Back(); e != nil && c.recent.Len() > maxStatements; {
		k, before := e.Value.(*kept), e.Prev()
		if !k.rows {
			c.recent.Remove(e)
			delete(c.byQuery, k.query)
			err = errors.Join(err, k.stmt.Close())
		}
		e = before
	}
	return err
}

// ExecContext runs a statement without an answer.
func (c *preparedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	k, err := c.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	if k == nil {
		return c.sqliteConn.ExecContext(ctx, query, args)
	}
	return k.stmt.ExecContext(ctx, args)
}

// QueryContext runs a statement with an answer.
func (c *preparedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	k, err := c.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	if k == nil {
		return c.sqliteConn.QueryContext(ctx, query, args)
	}
	rows, err := k.stmt.QueryContext(ctx, args)
	if err != nil {
		return nil, err
	}
	k.rows = true
	return &preparedRows{rows, k}, nil
}

// preparedRows is the answer of a kept statement.
type preparedRows struct {
	driver.Rows
	k *kept
}

// Close ends the answer; the statement can start anew.
func (r *preparedRows) Close() error {
	r.k.rows = false
	return r.Rows.Close()
}
