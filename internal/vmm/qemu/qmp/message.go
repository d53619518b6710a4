package qmp

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// maxMessage is the longest line accepted from a server, in bytes. The longest
// real one, the answer to query-qmp-schema, is about 200 KiB.
const maxMessage = 4 << 20

// maxRefusal bounds each of the texts of an [Error], in bytes: it goes into
// messages and logs.
const maxRefusal = 4 << 10

// Error is the server's refusal of a command.
type Error struct {
	Class string `json:"class"` // "GenericError", "CommandNotFound", "DeviceNotFound", …
	Desc  string `json:"desc"`  // for people
}

func (e *Error) Error() string { return e.Class + ": " + e.Desc }

// Event is something that happened to the machine.
type Event struct {
	Name string          // "SHUTDOWN", "RESET", …
	Data json.RawMessage // the event's own object; nil when it has none
	Time time.Time       // on the server's clock; zero when it does not know
}

// Version is what a server says of itself in its greeting.
type Version struct {
	Major, Minor, Micro int
	Package             string // of the distributor; may be empty
}

// String is the version as QEMU prints it: "7.2.22".
func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Micro) }

// greeting is the first message of a server.
type greeting struct {
	QMP *struct {
		Version struct {
			QEMU struct {
				Major int `json:"major"`
				Minor int `json:"minor"`
				Micro int `json:"micro"`
			} `json:"qemu"`
			Package string `json:"package"`
		} `json:"version"`
	} `json:"QMP"`
}

func parseGreeting(line []byte) (Version, error) {
	var g greeting
	if err := json.Unmarshal(line, &g); err != nil {
		return Version{}, fmt.Errorf("parse greeting: %w", err)
	}
	if g.QMP == nil {
		return Version{}, errors.New("first message is not a greeting")
	}
	q := g.QMP.Version.QEMU
	return Version{Major: q.Major, Minor: q.Minor, Micro: q.Micro, Package: g.QMP.Version.Package}, nil
}

// request is a command on the wire.
type request struct {
	Execute   string `json:"execute"`
	Arguments any    `json:"arguments,omitempty"`
	ID        uint64 `json:"id"`
}

// message is anything a server sends after its greeting: exactly one of
// Return, Error and Event is present.
type message struct {
	Return json.RawMessage `json:"return"`
	Error  *Error          `json:"error"`
	ID     *uint64         `json:"id"`

	Event     string          `json:"event"`
	Data      json.RawMessage `json:"data"`
	Timestamp struct {
		Seconds      int64 `json:"seconds"`
		Microseconds int64 `json:"microseconds"`
	} `json:"timestamp"`
}

func parseMessage(line []byte) (message, error) {
	var m message
	if err := json.Unmarshal(line, &m); err != nil {
		return message{}, fmt.Errorf("parse message: %w", err)
	}
	n := 0
	for _, present := range []bool{m.Return != nil, m.Error != nil, m.Event != ""} {
		if present {
			n++
		}
	}
	if m.Error != nil {
		m.Error.Class, m.Error.Desc = cut(m.Error.Class), cut(m.Error.Desc)
	}
	switch {
	case n != 1:
		return message{}, errors.New("message is not one of result, error and event")
	case m.Event == "" && m.ID == nil && m.Error != nil:
		// Without an id the server could not even read what was sent.
		return message{}, fmt.Errorf("server rejected a message: %w", m.Error)
	case m.Event == "" && m.ID == nil:
		return message{}, errors.New("result without an id")
	}
	return m, nil
}

func cut(s string) string {
	if len(s) > maxRefusal {
		return strings.ToValidUTF8(s[:maxRefusal], "") + "…"
	}
	return s
}

// event returns the message as an Event.
func (m message) event() Event {
	ev := Event{Name: m.Event, Data: m.Data}
	// QEMU sends -1 for both when its clock fails.
	if m.Timestamp.Seconds > 0 {
		ev.Time = time.Unix(m.Timestamp.Seconds, m.Timestamp.Microseconds*1000)
	}
	return ev
}
