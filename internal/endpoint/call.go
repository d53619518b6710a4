package endpoint

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"origami"
)

// Call is a request and its outcome, for those who count and those who audit.
type Call struct {
	Caller   origami.Caller // without an account if the signature was not verified
	Service  string         // that the signature was for
	Action   string         // as the request claims, or the path where there is no such parameter
	Remote   string         // address of the client
	Agent    string
	Start    time.Time
	Duration time.Duration
	Status   int          // of HTTP
	Code     origami.Code // of the error answered, or ""
	Bytes    int64        // of the answer; 0 in an audit, which comes before it

	// Resources are the IDs in the path and the parameters of the request, and in the beginning of the
	// answer to one that succeeded, at most maxResources of them. They are
	// only there in an audit.
	Resources []string
}

// Bounds of what an audit looks at.
const (
	maxResources  = 100
	maxAnswerSeen = 64 << 10 // bytes of the answer
)

// Verified reports whether the caller is who the request says.
func (c *Call) Verified() bool { return c.Caller.Account != "" }

func (x *exchange) call() Call {
	return Call{
		Caller: x.who, Service: x.name, Action: x.action, Remote: x.r.RemoteAddr, Agent: x.r.UserAgent(),
		Start: x.start, Duration: x.h.c.Clock().Sub(x.start), Status: x.w.status, Code: x.code, Bytes: x.w.bytes,
	}
}

// audit tells about a verified request before its answer, of which first is
// the beginning, goes out.
func (x *exchange) audit(status int, first []byte) error {
	if x.h.c.Audit == nil || x.who.Account == "" {
		return nil
	}
	c := x.call()
	c.Status = status
	c.Resources = x.resources(first)
	if err := x.h.c.Audit(c); err != nil {
		return fmt.Errorf("audit the request: %w", err)
	}
	return nil
}

// idPattern finds what looks like the ID of a resource.
var idPattern = regexp.MustCompile(`\b[a-z]{1,8}-[0-9a-f]{8,17}\b`)

// resources lists the IDs in the parameters and, if the request succeeded, in
// the answer.
func (x *exchange) resources(first []byte) []string {
	var ids []string
	add := func(id string) {
		if len(ids) < maxResources && origami.ResourceType(id) != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	for part := range strings.SplitSeq(x.r.URL.Path, "/") {
		if len(part) <= 64 {
			add(part)
		}
	}
	for _, form := range []string{x.r.URL.RawQuery, formOf(x.r, x.body)} {
		for part := range strings.SplitSeq(form, "&") {
			_, value, ok := strings.Cut(part, "=")
			if !ok || len(value) > 64 {
				continue
			}
			if value, err := url.QueryUnescape(value); err == nil {
				add(value)
			}
		}
	}
	if x.code == "" {
		for _, id := range idPattern.FindAll(first[:min(len(first), maxAnswerSeen)], -1) {
			add(string(id))
		}
	}
	return ids
}

// nameAction gives requests without a parameter Action the name of their path.
func nameAction(r *http.Request, action string) string {
	if action == "" && r.Method == http.MethodPost {
		if path := strings.Trim(r.URL.Path, "/"); len(path) <= 32 && strings.Trim(path, "abcdefghijklmnopqrstuvwxyz") == "" {
			return path
		}
	}
	return action
}
