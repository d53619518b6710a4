package restjson_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"origami"
	"origami/internal/restjson"
)

type input struct {
	ID    *string  `json:"-" uri:"id" min:"1" max:"8"`
	Index *int32   `json:"-" query:"index" min:"0" max:"100"`
	Keys  []string `json:"-" query:"keys"`
	Sum   *string  `json:"-" header:"x-amz-Sum"`
	Size  *int64   `required:"true" min:"1"`
	Tags  []string `max:"2"`
	Name  *string  `json:"TheName"`
}

type output struct {
	Sum  *string `json:"-" header:"x-amz-Sum"`
	Name *string `json:",omitempty"`
	When restjson.Time
}

type blobInput struct {
	Rest *string           `uri:"rest"`
	Data []byte            `payload:"true"`
	Sum  [sha256.Size]byte `payload:"sha256"`
}

type blobOutput struct {
	Length *int32 `header:"x-amz-Length"`
	Data   []byte `payload:"true"`
}

type none struct{}

// got is what the last operation was called with.
type got struct {
	in  any
	who origami.Caller
	err error
}

func newHandler(g *got) *restjson.Handler {
	return restjson.New("svc", []restjson.Operation{
		restjson.Define("Make", "POST", "/things/{id}", 201, func(_ context.Context, who origami.Caller, in *input) (*output, error) {
			g.in, g.who = in, who
			return &output{Sum: in.Sum, Name: in.Name, When: restjson.Time(time.UnixMilli(1234567890123))}, g.err
		}),
		restjson.Define("Copy", "PUT", "/blobs/{rest+}", 200, func(_ context.Context, who origami.Caller, in *blobInput) (*blobOutput, error) {
			g.in, g.who = in, who
			n := int32(len(in.Data))
			return &blobOutput{&n, in.Data}, g.err
		}),
		restjson.Define("Drop", "DELETE", "/things", 204, func(_ context.Context, _ origami.Caller, in *none) (*none, error) {
			g.in = in
			return &none{}, g.err
		}),
	}, func(_ context.Context, who origami.Caller, action string, in any) error {
		if who.Account == "" {
			return origami.Errorf(origami.CodeUnauthorizedOperation, "no %s of %T", action, in)
		}
		return nil
	})
}

// ask sends a request and answers errors as the front door does.
func ask(h *restjson.Handler, who origami.Caller, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for n := 0; n < len(headers); n += 2 {
		r.Header.Add(headers[n], headers[n+1])
	}
	w := httptest.NewRecorder()
	if err := h.ServeAWS(w, r, who); err != nil {
		var e *origami.Error
		if !errors.As(err, &e) {
			e = origami.Errorf(origami.CodeInternalError, "An internal error has occurred")
		}
		h.WriteError(w, "request", e)
	}
	return w
}

var alice = origami.Caller{Account: "111111111111"}

func TestDecode(t *testing.T) {
	t.Parallel()
	var g got
	h := newHandler(&g)
	w := ask(h, alice, "POST", "/things/a%2Fb?index=7&keys=x&keys=y", `{"Size": 3, "Tags": ["t"], "TheName": "n"}`, "X-Amz-Sum", "s")
	in, ok := g.in.(*input)
	if !ok || *in.ID != "a/b" || *in.Index != 7 || !slices.Equal(in.Keys, []string{"x", "y"}) || *in.Sum != "s" || *in.Size != 3 ||
		!slices.Equal(in.Tags, []string{"t"}) || *in.Name != "n" || g.who != alice {
		t.Errorf("decoded %+v for %+v", g.in, g.who)
	}
	if w.Code != 201 || w.Header().Get("X-Amz-Sum") != "s" || w.Body.String() != `{"Name":"n","When":1234567890.123}` || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("answer %d %v %s", w.Code, w.Header(), w.Body)
	}
	w = ask(h, alice, "PUT", "/blobs/arn:x:rule/id", "\x00bytes")
	blob, ok := g.in.(*blobInput)
	if !ok || *blob.Rest != "arn:x:rule/id" || string(blob.Data) != "\x00bytes" || blob.Sum != sha256.Sum256(blob.Data) || w.Body.String() != "\x00bytes" ||
		w.Header().Get("X-Amz-Length") != "6" || w.Header().Get("Content-Type") != "application/octet-stream" {
		t.Errorf("blob %+v, answer %v %q", g.in, w.Header(), w.Body)
	}
	if ask(h, alice, "PUT", "/blobs/arn:x:rule%2Fid", ""); *g.in.(*blobInput).Rest != "arn:x:rule/id" {
		t.Errorf("escaped path: %q", *g.in.(*blobInput).Rest)
	}
	for _, body := range []string{"", "{}", " {} "} {
		if w = ask(h, alice, "DELETE", "/things", body); w.Code != 204 || w.Body.Len() != 0 {
			t.Errorf("no content: %d %q", w.Code, w.Body)
		}
	}
	for path, want := range map[string]string{"/things/a": "Make", "/things": "", "/": ""} {
		if got := h.Action(httptest.NewRequest("POST", path, nil)); got != want {
			t.Errorf("action of POST %s = %q, want %q", path, got, want)
		}
	}
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	const ok = `{"Size":1}`
	for name, tt := range map[string]struct {
		method, target, body, want string
		header                     string
	}{
		"no such path":       {"POST", "/other", ok, "404 UnknownOperationException", ""},
		"longer path":        {"POST", "/things/a/b", ok, "404 UnknownOperationException", ""},
		"no such method":     {"PATCH", "/things/a", ok, "404 UnknownOperationException", ""},
		"empty part":         {"POST", "/things/", ok, "404 UnknownOperationException", ""},
		"long part":          {"POST", "/things/123456789", ok, "400 ValidationException", ""},
		"index is no number": {"POST", "/things/a?index=x", ok, "400 ValidationException", ""},
		"index too large":    {"POST", "/things/a?index=101", ok, "400 ValidationException", ""},
		"index negative":     {"POST", "/things/a?index=-1", ok, "400 ValidationException", ""},
		"index overflows":    {"POST", "/things/a?index=4294967296", ok, "400 ValidationException", ""},
		"index twice":        {"POST", "/things/a?index=1&index=1", ok, "400 ValidationException", ""},
		"unknown parameter":  {"POST", "/things/a?x=1", ok, "400 ValidationException", ""},
		"bad query":          {"POST", "/things/a?x=%zz", ok, "400 ValidationException", ""},
		"query not UTF-8":    {"POST", "/things/a?keys=a", `{"Size":1}`, "400 ValidationException", "\xff"},
		"too many keys":      {"POST", "/things/a?keys=" + strings.Repeat("&keys=", 1000), ok, "400 ValidationException", ""},
		"no body":            {"POST", "/things/a", "", "400 ValidationException", ""},
		"size of zero":       {"POST", "/things/a", `{"Size":0}`, "400 ValidationException", ""},
		"long list":          {"POST", "/things/a", `{"Size":1,"Tags":["","",""]}`, "400 ValidationException", ""},
		"size is text":       {"POST", "/things/a", `{"Size":"1"}`, "400 SerializationException", ""},
		"size is a fraction": {"POST", "/things/a", `{"Size":1.5}`, "400 SerializationException", ""},
		"size overflows":     {"POST", "/things/a", `{"Size":9223372036854775808}`, "400 SerializationException", ""},
		"unknown member":     {"POST", "/things/a", `{"Size":1,"X":1}`, "400 SerializationException", ""},
		"a member of a path": {"POST", "/things/a", `{"Size":1,"ID":"b"}`, "400 SerializationException", ""},
		"no object":          {"POST", "/things/a", `[1]`, "400 SerializationException", ""},
		"two objects":        {"POST", "/things/a", ok + ok, "400 SerializationException", ""},
		"broken":             {"POST", "/things/a", `{"Size":`, "400 SerializationException", ""},
		"not UTF-8":          {"POST", "/things/a", "{\"TheName\":\"\xff\"}", "400 SerializationException", ""},
		"a body for nothing": {"DELETE", "/things", ok, "400 ValidationException", ""},
	} {
		var g got
		headers := []string{}
		if tt.header != "" {
			headers = []string{"X-Amz-Sum", tt.header}
		}
		w := ask(newHandler(&g), alice, tt.method, tt.target, tt.body, headers...)
		if got := http.StatusText(w.Code); got == "" || g.in != nil {
			t.Errorf("%s: called with %+v", name, g.in)
		}
		if got := strings.Join([]string{itoa(w.Code), w.Header().Get("X-Amzn-ErrorType")}, " "); got != tt.want {
			t.Errorf("%s: got %s %s, want %s", name, got, w.Body, tt.want)
		}
	}
}

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }

func TestErrors(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		err        error
		status     int
		code, body string
	}{
		"with a reason": {origami.Errorf(origami.CodeResourceNotFoundException, "gone").Because(origami.ReasonRuleNotFound),
			404, "ResourceNotFoundException", `{"Message":"gone","Reason":"RULE_NOT_FOUND"}`},
		"without": {origami.Errorf(origami.CodeConflictException, "no"), 409, "ConflictException", `{"Message":"no"}`},
		"quota":   {origami.Errorf(origami.CodeServiceQuotaException, "no"), 402, "ServiceQuotaExceededException", `{"Message":"no"}`},
		"of EC2": {origami.Errorf(origami.CodeInvalidParameterValue, "bad"), 400, "ValidationException",
			`{"Message":"bad","Reason":"INVALID_PARAMETER_VALUE"}`},
		"full":     {origami.Full(syscall.ENOSPC), 500, "InternalServerException", `{"Message":"` + origami.Full(syscall.ENOSPC).Message + `"}`},
		"internal": {errors.New("secret"), 500, "InternalServerException", `{"Message":"An internal error has occurred"}`},
		"long": {origami.Errorf(origami.CodeConflictException, "%s", strings.Repeat("é", 300)), 409, "ConflictException",
			`{"Message":"` + strings.Repeat("é", 126) + `..."}`},
	} {
		g := got{err: tt.err}
		w := ask(newHandler(&g), alice, "DELETE", "/things", "")
		if w.Code != tt.status || w.Header().Get("X-Amzn-ErrorType") != tt.code || w.Body.String() != tt.body {
			t.Errorf("%s: got %d %s %s", name, w.Code, w.Header().Get("X-Amzn-ErrorType"), w.Body)
		}
	}
	var g got
	w := ask(newHandler(&g), origami.Caller{}, "DELETE", "/things", "")
	if w.Code != 403 || w.Body.String() != `{"Message":"no svc:Drop of *restjson_test.none","Reason":"UNAUTHORIZED_ACCOUNT"}` || g.in != nil {
		t.Errorf("without permission: %d %s", w.Code, w.Body)
	}
}

// TestDefine gives operations inputs that cannot be.
func TestDefine(t *testing.T) {
	t.Parallel()
	panics := func(what string, f func()) {
		defer func() {
			if recover() == nil {
				t.Errorf("%s is accepted", what)
			}
		}()
		f()
	}
	type bad1 struct {
		ID *string `uri:"id"`
		X  *string
	}
	type bad2 struct {
		Data string `payload:"true"`
	}
	type bad3 struct {
		ID *string `uri:"id" json:"-"`
	}
	type bad4 struct {
		N *bool `query:"n"`
	}
	panics("a path member that is in the body", func() {
		restjson.Define("X", "GET", "/{id}", 200, func(context.Context, origami.Caller, *bad1) (*none, error) { return nil, nil })
	})
	panics("a payload of text", func() {
		restjson.Define("X", "GET", "/", 200, func(context.Context, origami.Caller, *bad2) (*none, error) { return nil, nil })
	})
	type bad5 struct {
		Sum []byte `payload:"sha256"`
	}
	panics("a hash of any length", func() {
		restjson.Define("X", "GET", "/", 200, func(context.Context, origami.Caller, *bad5) (*none, error) { return nil, nil })
	})
	panics("a path without the member", func() {
		restjson.Define("X", "GET", "/{other}", 200, func(context.Context, origami.Caller, *bad3) (*none, error) { return nil, nil })
	})
	panics("a boolean in the query", func() {
		restjson.Define("X", "GET", "/", 200, func(context.Context, origami.Caller, *bad4) (*none, error) { return nil, nil })
	})
}

// FuzzRequest decodes any request: it is refused with an error document, or
// the input keeps its bounds.
func FuzzRequest(f *testing.F) {
	f.Add("POST", "/things/a%2Fb", "index=7&keys=x", "s", `{"Size": 3, "Tags": ["t"]}`)
	f.Add("POST", "/things/a", "index=-1", "", `{"Size": 1e3}`)
	f.Add("PUT", "/blobs/a/b/c", "", "", "\xff")
	f.Add("DELETE", "/things", "%", "", "{}")
	f.Fuzz(func(t *testing.T, method, path, query, header, body string) {
		r := httptest.NewRequest("GET", "/", strings.NewReader(body))
		r.Method, r.URL.RawQuery = method, query
		u, err := r.URL.Parse(path)
		if err != nil {
			return
		}
		r.URL.Path, r.URL.RawPath = u.Path, u.RawPath
		r.Header["X-Amz-Sum"] = []string{header}
		var g got
		h := newHandler(&g)
		w := httptest.NewRecorder()
		if err := h.ServeAWS(w, r, alice); err != nil {
			var e *origami.Error
			if !errors.As(err, &e) {
				t.Fatalf("internal error: %v", err)
			}
			h.WriteError(w, "", e)
			var document struct{ Message, Reason string }
			if json.Unmarshal(w.Body.Bytes(), &document) != nil || w.Code < 400 || w.Code > 499 {
				t.Fatalf("error document %d %q", w.Code, w.Body)
			}
			return
		}
		if in, ok := g.in.(*input); ok && (len(*in.ID) < 1 || len([]rune(*in.ID)) > 8 || in.Size == nil || *in.Size < 1 ||
			in.Index != nil && (*in.Index < 0 || *in.Index > 100) || len(in.Tags) > 2) {
			t.Fatalf("input out of bounds: %+v", in)
		}
		if _, err := io.ReadAll(w.Result().Body); err != nil {
			t.Fatal(err)
		}
	})
}
