package qmp_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"origami/internal/sockettest"
	"origami/internal/vmm/qemu/qmp"
)

const greeting = `{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "Debian"}, "capabilities": ["oob"]}}` + "\r\n"

// server is the other end of a client's connection, played by a test.
type server struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

// command is what a client sent.
type command struct {
	Execute   string          `json:"execute"`
	Arguments json.RawMessage `json:"arguments"`
	ID        uint64          `json:"id"`
}

func (s *server) send(format string, args ...any) {
	s.t.Helper()
	if _, err := fmt.Fprintf(s.conn, format+"\r\n", args...); err != nil {
		s.t.Errorf("server write: %v", err)
	}
}

func (s *server) receive() command {
	s.t.Helper()
	var c command
	line, err := s.in.ReadBytes('\n')
	if err != nil {
		s.t.Errorf("server read: %v", err)
		return c
	}
	if err := json.Unmarshal(line, &c); err != nil {
		s.t.Errorf("client sent %q: %v", line, err)
	}
	return c
}

// greet plays the server's part of NewClient.
func (s *server) greet() {
	s.t.Helper()
	if _, err := s.conn.Write([]byte(greeting)); err != nil {
		s.t.Errorf("server write: %v", err)
	}
	c := s.receive()
	if c.Execute != "qmp_capabilities" {
		s.t.Errorf("first command = %q, want qmp_capabilities", c.Execute)
	}
	s.send(`{"return": {}, "id": %d}`, c.ID)
}

// connect returns a greeted client and its server.
func connect(t *testing.T) (*qmp.Client, *server) {
	t.Helper()
	near, far := net.Pipe()
	s := &server{t: t, conn: far, in: bufio.NewReader(far)}
	greeted := make(chan struct{})
	go func() { defer close(greeted); s.greet() }()
	c, err := qmp.NewClient(t.Context(), near)
	if err != nil {
		t.Fatal(err)
	}
	<-greeted
	t.Cleanup(func() { c.Close(); far.Close() })
	return c, s
}

func TestExecute(t *testing.T) {
	t.Parallel()
	c, s := connect(t)
	if got, want := c.Version().String(), "7.2.22"; got != want {
		t.Errorf("Version() = %s, want %s", got, want)
	}
	go func() {
		cmd := s.receive()
		if got, want := string(cmd.Arguments), `{"device":"d\"0"}`; got != want {
			t.Errorf("arguments = %s, want %s", got, want)
		}
		s.send(`{"return": {"running": true, "status": "running"}, "id": %d}`, cmd.ID)
	}()
	var reply struct{ Status string }
	args := map[string]string{"device": `d"0`}
	if err := c.Execute(t.Context(), "query-status", args, &reply); err != nil {
		t.Fatal(err)
	}
	if got, want := reply.Status, "running"; got != want {
		t.Errorf("status = %q, want %q", got, want)
	}
}

func TestExecuteRefused(t *testing.T) {
	t.Parallel()
	c, s := connect(t)
	go func() {
		s.send(`{"error": {"class": "DeviceNotFound", "desc": "Device 'x' not found"}, "id": %d}`, s.receive().ID)
	}()
	err := c.Execute(t.Context(), "device_del", map[string]string{"id": "x"}, nil)
	var refused *qmp.Error
	if !errors.As(err, &refused) {
		t.Fatalf("error = %v, want a *qmp.Error", err)
	}
	if got, want := *refused, (qmp.Error{Class: "DeviceNotFound", Desc: "Device 'x' not found"}); got != want {
		t.Errorf("error = %+v, want %+v", got, want)
	}
	if !strings.Contains(err.Error(), "device_del") {
		t.Errorf("error %q does not name the command", err)
	}
	go func() {
		long := strings.Repeat("x", 1<<20)
		s.send(`{"error": {"class": "%s", "desc": "%s"}, "id": %d}`, long, long, s.receive().ID)
	}()
	if err := c.Execute(t.Context(), "stop", nil, nil); err == nil || len(err.Error()) > 16<<10 {
		t.Errorf("a refusal that is too long: error of %d bytes", len(fmt.Sprint(err)))
	}
}

func TestExecuteConcurrently(t *testing.T) {
	t.Parallel()
	c, s := connect(t)
	const n = 20
	go func() {
		var commands []command
		for range n {
			commands = append(commands, s.receive())
		}
		for i := range commands { // the last first
			cmd := commands[n-1-i]
			s.send(`{"return": %s, "id": %d}`, cmd.Arguments, cmd.ID)
		}
	}()
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			var reply struct{ N int }
			if err := c.Execute(t.Context(), "echo", map[string]int{"n": i}, &reply); err != nil {
				t.Error(err)
			}
			if got, want := reply.N, i; got != want {
				t.Errorf("answer = %d, want %d", got, want)
			}
		})
	}
	wg.Wait()
}

func TestExecuteCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, s := connect(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		late := make(chan command, 1)
		go func() { late <- s.receive() }()
		if err := c.Execute(ctx, "stop", nil, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("error = %v, want deadline exceeded", err)
		}
		// The late answer must not confuse the next command.
		go func() {
			s.send(`{"return": {"n": 1}, "id": %d}`, (<-late).ID)
			s.send(`{"return": {"n": 2}, "id": %d}`, s.receive().ID)
		}()
		var reply struct{ N int }
		if err := c.Execute(t.Context(), "cont", nil, &reply); err != nil {
			t.Fatal(err)
		}
		if got, want := reply.N, 2; got != want {
			t.Errorf("answer = %d, want %d", got, want)
		}
	})
}

// A server that reads nothing must not hold a caller beyond its context, and
// a command that was not begun does not cost the connection.
func TestExecuteCancelledWhileWriting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, s := connect(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				if err := c.Execute(ctx, "stop", nil, nil); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("error = %v, want deadline exceeded", err)
				}
			})
		}
		wg.Wait()
		go func() { s.send(`{"return": {}, "id": %d}`, s.receive().ID) }()
		if err := c.Execute(t.Context(), "cont", nil, nil); err != nil {
			t.Errorf("after a command that was not begun: %v", err)
		}
	})
}

// A command of which a part was written leaves the connection useless.
func TestExecuteCancelledHalfWritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, s := connect(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		go s.conn.Read(make([]byte, 3))
		if err := c.Execute(ctx, "stop", nil, nil); !errors.Is(err, qmp.ErrClosed) {
			t.Errorf("error = %v, want ErrClosed", err)
		}
		if err := c.Execute(t.Context(), "cont", nil, nil); !errors.Is(err, qmp.ErrClosed) {
			t.Errorf("next error = %v, want ErrClosed", err)
		}
	})
}

func TestEvents(t *testing.T) {
	t.Parallel()
	c, s := connect(t)
	s.send(`{"timestamp": {"seconds": 1700000000, "microseconds": 5}, "event": "SHUTDOWN", "data": {"guest": true}}`)
	s.send(`{"timestamp": {"seconds": -1, "microseconds": -1}, "event": "STOP"}`)
	s.conn.Close()
	var got []string
	for ev := range c.Events() {
		got = append(got, fmt.Sprintf("%s %s %d", ev.Name, ev.Data, max(ev.Time.UnixMicro(), 0)))
	}
	want := []string{`SHUTDOWN {"guest": true} 1700000000000005`, `STOP  0`}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("events = %q, want %q", got, want)
	}
	if err := c.Err(); !errors.Is(err, qmp.ErrClosed) {
		t.Errorf("Err() = %v, want ErrClosed", err)
	}
}

// Events that nobody receives must not keep answers from coming.
func TestEventsUnreceived(t *testing.T) {
	t.Parallel()
	c, s := connect(t)
	const n = 1000
	go func() {
		for i := range n {
			s.send(`{"event": "RESET", "data": {"n": %d}}`, i)
		}
		s.send(`{"return": {}, "id": %d}`, s.receive().ID)
	}()
	if err := c.Execute(t.Context(), "cont", nil, nil); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		ev := <-c.Events()
		if got, want := string(ev.Data), fmt.Sprintf(`{"n": %d}`, i); got != want {
			t.Fatalf("event %d carries %s, want %s", i, got, want)
		}
	}
}

// A flood of events ends the connection before it fills the memory, whichever
// part of them is large.
func TestEventsFlood(t *testing.T) {
	t.Parallel()
	for _, form := range []string{`{"event": "RESET", "data": {"pad": "%s"}}`, `{"event": "%s"}`} {
		flood(t, form)
	}
}

func flood(t *testing.T, form string) {
	t.Helper()
	c, s := connect(t)
	data := strings.Repeat("x", 1<<20)
	for range 64 {
		if _, err := fmt.Fprintf(s.conn, form+"\n", data); err != nil {
			break
		}
	}
	for range c.Events() {
		// What was queued is still delivered; then the channel ends.
	}
	if err := c.Err(); err == nil || !strings.Contains(err.Error(), "behind") {
		t.Errorf("Err() = %v, want one about the receiver", err)
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	c, s := connect(t)
	s.send(`{"event": "STOP"}`)
	failed := make(chan error, 1)
	go func() { failed <- c.Execute(t.Context(), "cont", nil, nil) }()
	s.receive()
	if err := c.Close(); err != nil {
		t.Errorf("Close() = %v", err)
	}
	if err := <-failed; !errors.Is(err, qmp.ErrClosed) {
		t.Errorf("Execute = %v, want ErrClosed", err)
	}
	if err := c.Execute(t.Context(), "cont", nil, nil); !errors.Is(err, qmp.ErrClosed) {
		t.Errorf("Execute after Close = %v, want ErrClosed", err)
	}
	for range c.Events() {
		// Closed, with or without the event.
	}
	if err := c.Close(); err != nil {
		t.Errorf("second Close() = %v", err)
	}
}

func TestBrokenServer(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, line, want string }{
		{"not JSON", "hello", "parse message"},
		{"nothing in it", `{}`, "not one of"},
		{"both", `{"event": "STOP", "return": {}, "id": 1}`, "not one of"},
		{"no id", `{"return": {}}`, "without an id"},
		{"rejection", `{"error": {"class": "GenericError", "desc": "JSON parse error"}}`, "JSON parse error"},
		{"long line", strings.Repeat(" ", 5<<20), "too long"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c, s := connect(t)
			go fmt.Fprintf(s.conn, "%s\n", test.line)
			for range c.Events() {
				t.Error("an event came")
			}
			err := c.Execute(t.Context(), "cont", nil, nil)
			if !errors.Is(err, qmp.ErrClosed) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error = %v, want ErrClosed with %q", err, test.want)
			}
		})
	}
}

func TestGreeting(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, sent, want string }{
		{"end", "", "EOF"},
		{"not a greeting", `{"return": {}}` + "\n", "not a greeting"},
		{"not JSON", "SSH-2.0\n", "parse greeting"},
		{"capabilities refused", greeting + `{"error": {"class": "GenericError", "desc": "no"}, "id": 1}` + "\n", "qmp_capabilities"},
		{"end after it", greeting, "qmp_capabilities"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			near, far := net.Pipe()
			go func() {
				far.Write([]byte(test.sent))
				if strings.HasSuffix(test.sent, "1}\n") {
					bufio.NewReader(far).ReadBytes('\n')
				}
				far.Close()
			}()
			_, err := qmp.NewClient(t.Context(), near)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error = %v, want %q", err, test.want)
			}
			if _, err := near.Write([]byte("x")); err == nil {
				t.Error("the connection was left open")
			}
		})
	}
}

// A QEMU that hangs accepts a connection and never speaks.
func TestDialHungServer(t *testing.T) {
	t.Parallel()
	dir := sockettest.Dir(t)
	path := filepath.Join(dir, "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := qmp.Dial(ctx, path); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error = %v, want deadline exceeded", err)
	}
	ln.Close()
	if _, err := qmp.Dial(t.Context(), path); err == nil {
		t.Error("connected to nobody")
	}
}

// FuzzServer plays a hostile server: whatever it sends after the greeting, the
// client ends cleanly and a caller gets its answer or an error.
func FuzzServer(f *testing.F) {
	f.Add([]byte(`{"return": {}, "id": 2}`))
	f.Add([]byte(`{"error": {"class": "GenericError", "desc": ""}, "id": 2}`))
	f.Add([]byte(`{"event": "RESET", "data": {"guest": true}, "timestamp": {"seconds": 1, "microseconds": 2}}` + "\r\n" + `{"return": [1,2], "id": 2}`))
	f.Add([]byte(`{"return": null, "id": 18446744073709551615}`))
	f.Add([]byte(`{"id": -1}`))
	f.Add([]byte("\n\n\x00"))
	f.Fuzz(func(t *testing.T, sent []byte) {
		near, far := net.Pipe()
		go func() {
			defer far.Close()
			in := bufio.NewReader(far)
			far.Write([]byte(greeting))
			in.ReadBytes('\n')
			far.Write([]byte(`{"return": {}, "id": 1}` + "\n"))
			in.ReadBytes('\n')
			far.Write(append(sent, '\n'))
		}()
		c, err := qmp.NewClient(t.Context(), near)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		var reply json.RawMessage
		if err := c.Execute(t.Context(), "query-status", nil, &reply); err == nil && !json.Valid(reply) {
			t.Errorf("result = %q", reply)
		}
		for ev := range c.Events() {
			if ev.Name == "" || ev.Data != nil && !json.Valid(ev.Data) {
				t.Errorf("event = %+v", ev)
			}
		}
		if c.Err() == nil {
			t.Error("no reason for the end")
		}
	})
}
