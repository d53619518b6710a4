package qmp

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// ErrClosed is wrapped by the errors of a client whose connection has ended:
// closed by either side, or given up because the server broke the protocol.
var ErrClosed = errors.New("monitor connection closed")

// Client is a connection to the monitor of one QEMU process. Its methods may
// be called concurrently.
type Client struct {
	conn    net.Conn
	lines   *bufio.Scanner
	version Version
	events  chan Event
	queue   *queue
	writing chan struct{} // holds one token while a command is being written
	stop    chan struct{} // closed by Close
	wait    sync.WaitGroup

	closeOnce sync.Once
	done      chan struct{} // closed once err is set

	mu      sync.Mutex // guards the rest
	err     error      // why the connection ended
	lastID  uint64
	pending map[uint64]chan<- message // capacity 1 each
}

// Dial connects to the monitor that listens on the UNIX socket at path.
func Dial(ctx context.Context, path string) (*Client, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("connect to monitor: %w", err)
	}
	return NewClient(ctx, conn)
}

// NewClient greets the server at the other end of conn, which it owns from
// here on and closes if it returns an error. ctx bounds the greeting only.
func NewClient(ctx context.Context, conn net.Conn) (*Client, error) {
	c := &Client{
		conn:    conn,
		lines:   bufio.NewScanner(conn),
		events:  make(chan Event),
		queue:   newQueue(),
		writing: make(chan struct{}, 1),
		stop:    make(chan struct{}),
		done:    make(chan struct{}),
		pending: make(map[uint64]chan<- message),
	}
	c.lines.Buffer(nil, maxMessage)
	if err := c.greet(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("greet monitor: %w", err)
	}
	c.wait.Go(c.read)
	c.wait.Go(func() { c.queue.pump(c.events, c.stop) })
	if err := c.Execute(ctx, "qmp_capabilities", nil, nil); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// greet reads the greeting before the reader runs.
func (c *Client) greet(ctx context.Context) error {
	interrupted := interrupt(ctx, c.conn.SetReadDeadline)
	line, err := c.readLine()
	if cause := interrupted(); cause != nil {
		return cause
	}
	if err != nil {
		return err
	}
	c.version, err = parseGreeting(line)
	return err
}

// interrupt makes the current I/O of a connection fail when ctx ends, by
// setting a deadline in the past. The function it returns ends that and
// returns the cause if it happened.
func interrupt(ctx context.Context, setDeadline func(time.Time) error) func() error {
	fired := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		defer close(fired)
		setDeadline(time.Unix(1, 0)) // fails only on a closed connection
	})
	return func() error {
		if cancel() {
			return nil
		}
		<-fired
		setDeadline(time.Time{})
		return context.Cause(ctx)
	}
}

// Version is what the server said of itself.
func (c *Client) Version() Version { return c.version }

// Events is the stream of events since the greeting, in order. It is closed
// when the connection has ended and every event was received, or by Close.
// The receiver may be slow, but not for ever: beyond some thousands of events
// that wait, the connection is given up.
func (c *Client) Events() <-chan Event { return c.events }

// Err says why the connection ended; nil as long as it has not.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close ends the connection. Commands without an answer fail with [ErrClosed];
// events that were not received are dropped. The machine does not notice.
func (c *Client) Close() error {
	c.closeOnce.Do(func() {
		c.fail(errors.New("closed by client"))
		close(c.stop)
	})
	c.wait.Wait()
	return nil
}

// Execute runs a command and waits for its answer. args is marshalled as the
// command's arguments, nil for none; the result is unmarshalled into reply
// unless that is nil. A refusal is an [*Error]. When ctx ends first, the
// command may still be carried out.
func (c *Client) Execute(ctx context.Context, command string, args, reply any) error {
	m, err := c.roundTrip(ctx, command, args)
	if err != nil {
		return fmt.Errorf("execute %s: %w", command, err)
	}
	if reply == nil {
		return nil
	}
	if err := json.Unmarshal(m.Return, reply); err != nil {
		return fmt.Errorf("parse result of %s: %w", command, err)
	}
	return nil
}

func (c *Client) roundTrip(ctx context.Context, command string, args any) (message, error) {
	answer := make(chan message, 1)
	id, err := c.register(answer)
	if err != nil {
		return message{}, err
	}
	defer c.unregister(id)
	line, err := json.Marshal(request{Execute: command, Arguments: args, ID: id})
	if err != nil {
		return message{}, err
	}
	if err := c.writeLine(ctx, append(line, '\n')); err != nil {
		return message{}, err
	}
	select {
	case m := <-answer:
		if m.Error != nil {
			return message{}, m.Error
		}
		return m, nil
	case <-ctx.Done():
		return message{}, context.Cause(ctx)
	case <-c.done:
	}
	// The answer may have been the last thing that came.
	select {
	case m := <-answer:
		if m.Error != nil {
			return message{}, m.Error
		}
		return m, nil
	default:
		return message{}, c.Err()
	}
}

// register gives an answer its id.
func (c *Client) register(answer chan<- message) (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, c.err
	}
	c.lastID++
	c.pending[c.lastID] = answer
	return c.lastID, nil
}

func (c *Client) unregister(id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.pending, id)
}

// writeLine sends one whole line or ends the connection, since the server
// could make no sense of what follows a part of one.
func (c *Client) writeLine(ctx context.Context, line []byte) error {
	select {
	case c.writing <- struct{}{}:
		defer func() { <-c.writing }()
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-c.done:
		return c.Err()
	}
	interrupted := interrupt(ctx, c.conn.SetWriteDeadline)
	n, err := c.conn.Write(line)
	cause := interrupted()
	switch {
	case err == nil:
		return nil
	case cause != nil && n == 0:
		return cause
	default:
		c.fail(fmt.Errorf("write: %w", err))
		return c.Err()
	}
}

// read distributes what the server sends until the connection ends.
func (c *Client) read() {
	defer c.queue.end()
	for {
		line, err := c.readLine()
		if err == nil {
			err = c.dispatch(line)
		}
		if err != nil {
			c.fail(err)
			return
		}
	}
}

func (c *Client) dispatch(line []byte) error {
	m, err := parseMessage(line)
	if err != nil {
		return err
	}
	if m.Event != "" {
		return c.queue.put(m.event())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// An id that nobody waits for belongs to a command whose caller left.
	if answer, ok := c.pending[*m.ID]; ok {
		delete(c.pending, *m.ID)
		answer <- m
	}
	return nil
}

// readLine returns the next line that is not blank; it is valid until the next
// call.
func (c *Client) readLine() ([]byte, error) {
	for c.lines.Scan() {
		if line := bytes.TrimSpace(c.lines.Bytes()); len(line) > 0 {
			return line, nil
		}
	}
	if err := c.lines.Err(); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	return nil, io.EOF
}

// fail ends the connection for the given reason, unless it has ended already.
func (c *Client) fail(reason error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = fmt.Errorf("%w: %w", ErrClosed, reason)
	c.conn.Close()
	close(c.done)
}
