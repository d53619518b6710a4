package imds_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"origami"
	"origami/internal/imds"
)

// fleet is a source that knows instances by their address.
type fleet map[string]*imds.Instance

func (f fleet) Instance(_ context.Context, a netip.Addr) (*imds.Instance, error) {
	if i := f[a.String()]; i != nil {
		return i, nil
	}
	if a.String() == "10.0.0.66" {
		return nil, errors.New("the database is away")
	}
	return nil, fmt.Errorf("%v: %w", a, imds.ErrNotFound)
}

// newInstance returns an instance with everything that can be told of one.
func newInstance() *imds.Instance {
	return &imds.Instance{
		Instance: origami.Instance{
			ID: "i-0123456789abcdef0", Region: "us-east-1", Owner: "123456789012", Reservation: "r-0123456789abcdef0",
			LaunchIndex: 2, Image: "ami-0123456789abcdef0", Type: "t3.micro",
			Launched: time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC), Architecture: origami.X8664, VirtualizationType: origami.HVM,
			RootDeviceName: "/dev/sda1", KeyName: "my-key", PublicKey: "ssh-ed25519 AAAA my-key",
			UserData: []byte("#!/bin/sh\n\x00\xff"), InstanceStores: []origami.BlockDevice{{DeviceName: "/dev/sdc", VirtualName: "ephemeral0"}},
			Zone: "us-east-1a", VPC: "vpc-0123456789abcdef0", Subnet: "subnet-0123456789abcdef0",
			SecurityGroups:   []origami.SecurityGroupID{"sg-0123456789abcdef0", "sg-0123456789abcdef1"},
			NetworkInterface: "eni-0123456789abcdef0", MAC: "0A:00:00:00:00:05",
			PrivateIP: netip.MustParseAddr("10.0.0.5"), PublicIP: netip.MustParseAddr("127.10.0.5"),
			Metadata: origami.MetadataOptions{Endpoint: "enabled", Tokens: "optional", HopLimit: 1, InstanceTags: "enabled"},
		},
		ZoneID: "use1-az1", SubnetCIDR: netip.MustParsePrefix("10.0.0.0/24"), VPCCIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")},
		GroupNames: []string{"default", "web"}, PrivateDNS: "ip-10-0-0-5.ec2.internal", PublicDNS: "ec2-127-10-0-5.compute-1.amazonaws.com",
		ProductCodes: []string{"abc123"}, Volumes: []string{"/dev/sda1", "/dev/sdb"},
		Tags: origami.Tags{"Name": "first", "a/b": "unreachable", "..": "unreachable"},
	}
}

func newServer(t testing.TB, source imds.Source) *imds.Server {
	t.Helper()
	s, err := imds.New(imds.Config{Source: source})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// request asks as the instance at 10.0.0.5, with headers as name and value.
func request(s http.Handler, method, path string, headers ...string) *httptest.ResponseRecorder {
	return requestFrom("10.0.0.5", s, method, path, headers...)
}

func requestFrom(from string, s http.Handler, method, path string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	r.RemoteAddr = from + ":40000"
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

const (
	ttl   = "X-aws-ec2-metadata-token-ttl-seconds"
	token = "X-aws-ec2-metadata-token"
)

func issue(t *testing.T, from string, s http.Handler, seconds string) string {
	t.Helper()
	w := requestFrom(from, s, "PUT", "/latest/api/token", ttl, seconds)
	if w.Code != 200 || w.Header().Get(ttl) != seconds {
		t.Fatalf("PUT token: %d, TTL %q", w.Code, w.Header().Get(ttl))
	}
	return w.Body.String()
}

func TestTree(t *testing.T) {
	t.Parallel()
	s := newServer(t, fleet{"10.0.0.5": newInstance()})
	const mac = "/latest/meta-data/network/interfaces/macs/0a:00:00:00:00:05/"
	for path, want := range map[string]string{
		"/latest":            "dynamic\nmeta-data\nuser-data",
		"/2009-04-04/":       "dynamic\nmeta-data\nuser-data",
		"/latest/user-data":  "#!/bin/sh\n\x00\xff",
		"/latest/user-data/": "#!/bin/sh\n\x00\xff",
		"/latest/meta-data/": "ami-id\nami-launch-index\nami-manifest-path\nblock-device-mapping/\nhostname\ninstance-action\n" +
			"instance-id\ninstance-life-cycle\ninstance-type\nlocal-hostname\nlocal-ipv4\nmac\nnetwork/\nplacement/\nproduct-codes\nprofile\n" +
			"public-hostname\npublic-ipv4\npublic-keys/\nreservation-id\nsecurity-groups\nservices/\ntags/",
		"/latest/meta-data/ami-id":                          "ami-0123456789abcdef0",
		"/1.0/meta-data/ami-launch-index":                   "2",
		"/latest/meta-data/ami-manifest-path":               "(unknown)",
		"/latest/meta-data/block-device-mapping/":           "ami\nebs1\nephemeral0\nroot",
		"/latest/meta-data/block-device-mapping/ami":        "sda1",
		"/latest/meta-data/block-device-mapping/root":       "/dev/sda1",
		"/latest/meta-data/block-device-mapping/ebs1":       "sdb",
		"/latest/meta-data/block-device-mapping/ephemeral0": "sdc",
		"/latest/meta-data/hostname":                        "ip-10-0-0-5.ec2.internal",
		"/latest/meta-data/instance-action":                 "none",
		"/2021-03-23/meta-data/instance-id":                 "i-0123456789abcdef0",
		"/latest/meta-data/instance-life-cycle":             "on-demand",
		"/latest/meta-data/instance-type":                   "t3.micro",
		"/latest/meta-data/local-ipv4":                      "10.0.0.5",
		"/latest/meta-data/mac":                             "0a:00:00:00:00:05",
		"/latest/meta-data/placement":                       "availability-zone\navailability-zone-id\nregion",
		"/latest/meta-data/placement/availability-zone":     "us-east-1a",
		"/latest/meta-data/placement/availability-zone-id":  "use1-az1",
		"/latest/meta-data/placement/region":                "us-east-1",
		"/latest/meta-data/product-codes":                   "abc123",
		"/latest/meta-data/profile":                         "default-hvm",
		"/latest/meta-data/public-ipv4":                     "127.10.0.5",
		"/latest/meta-data/public-keys/":                    "0=my-key",
		"/latest/meta-data/public-keys/0/":                  "openssh-key",
		"/latest/meta-data/public-keys/0/openssh-key":       "ssh-ed25519 AAAA my-key\n",
		"/latest/meta-data/security-groups":                 "default\nweb",
		"/latest/meta-data/services/domain":                 "amazonaws.com",
		"/latest/meta-data/services/partition":              "aws",
		"/latest/meta-data/tags/instance":                   "Name",
		"/latest/meta-data/tags/instance/Name":              "first",
		"/latest/meta-data/network/interfaces/macs/":        "0a:00:00:00:00:05/",
		mac + "device-number":                               "0",
		mac + "interface-id":                                "eni-0123456789abcdef0",
		mac + "ipv4-associations/127.10.0.5":                "10.0.0.5",
		mac + "local-ipv4s":                                 "10.0.0.5",
		mac + "mac":                                         "0a:00:00:00:00:05",
		mac + "owner-id":                                    "123456789012",
		mac + "security-group-ids":                          "sg-0123456789abcdef0\nsg-0123456789abcdef1",
		mac + "subnet-id":                                   "subnet-0123456789abcdef0",
		mac + "subnet-ipv4-cidr-block":                      "10.0.0.0/24",
		mac + "vpc-id":                                      "vpc-0123456789abcdef0",
		mac + "vpc-ipv4-cidr-block":                         "10.0.0.0/16",
		mac + "vpc-ipv4-cidr-blocks":                        "10.0.0.0/16",
		"/latest/dynamic/":                                  "fws/\ninstance-identity/",
		"/latest/dynamic/fws/instance-monitoring":           "disabled",
		"/latest/dynamic/instance-identity":                 "document",
		"/latest//meta-data///placement/region":             "us-east-1",
	} {
		w := request(s, "GET", path)
		if got := w.Body.String(); w.Code != 200 || got != want {
			t.Errorf("%s: got %d %q, want %q", path, w.Code, got, want)
		}
		wantType := "text/plain"
		if strings.Contains(path, "user-data") {
			wantType = "application/octet-stream"
		}
		if got := w.Header().Get("Content-Type"); got != wantType {
			t.Errorf("%s: content type is %q, want %q", path, got, wantType)
		}
	}
	versions := strings.Split(request(s, "GET", "/").Body.String(), "\n")
	if len(versions) != 28 || versions[0] != "1.0" || versions[27] != "latest" || !slices.IsSorted(versions) {
		t.Errorf("versions: %q", versions)
	}
	for _, path := range []string{
		"/2000-01-01/meta-data/", "/latest/meta-data/spot", "/latest/meta-data/iam", "/latest/meta-data/ipv6", "/latest/meta-data/ami-id/x",
		"/latest/meta-data/kernel-id", "/latest/meta-data/..", "/latest/meta-data/tags/instance/a", "/latest/meta-data/tags/instance/..",
		"/latest/user-data/x", "/latest/metadata", "/latest/dynamic/instance-identity/signature", "/latest/meta-data/public-keys/1", "/x",
	} {
		if w := request(s, "GET", path); w.Code != 404 {
			t.Errorf("%s: got %d, want 404", path, w.Code)
		}
	}
}

// A bare instance has fewer entries, and still no listed one that is missing.
func TestBareInstance(t *testing.T) {
	t.Parallel()
	i := newInstance()
	i.UserData, i.PublicKey, i.KeyName, i.PublicIP, i.PublicDNS = nil, "", "", netip.Addr{}, ""
	i.Metadata.InstanceTags = "disabled"
	i.RootDeviceName, i.Volumes = "/dev/xvda", []string{"/dev/xvda"}
	i.KernelID, i.VirtualizationType = "aki-1", origami.Paravirtual
	s := newServer(t, fleet{"10.0.0.5": i})
	for path, want := range map[string]int{
		"/latest/user-data": 404, "/latest/meta-data/public-keys/": 404, "/latest/meta-data/public-ipv4": 404,
		"/latest/meta-data/public-hostname": 404, "/latest/meta-data/tags/instance": 404, "/latest/meta-data/kernel-id": 200,
	} {
		if w := request(s, "GET", path); w.Code != want {
			t.Errorf("%s: got %d, want %d", path, w.Code, want)
		}
	}
	for path, want := range map[string]string{
		"/latest":                   "dynamic\nmeta-data",
		"/latest/meta-data/profile": "default-paravirtual",
		"/latest/meta-data/block-device-mapping/ami": "/dev/xvda",
	} {
		if got := request(s, "GET", path).Body.String(); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
	walk(t, s, "/2021-03-23/meta-data/", func(path string) *httptest.ResponseRecorder { return request(s, "GET", path) })
}

// walk follows a listing as the Ec2 data source of cloud-init does, and counts
// the leaves.
func walk(t *testing.T, s http.Handler, dir string, get func(string) *httptest.ResponseRecorder) int {
	t.Helper()
	w := get(dir)
	if w.Code != 200 {
		t.Fatalf("%s is listed and answers %d", dir, w.Code)
	}
	leaves := 0
	for line := range strings.SplitSeq(w.Body.String(), "\n") {
		switch id, _, isKey := strings.Cut(line, "="); {
		case strings.HasSuffix(line, "/"):
			leaves += walk(t, s, dir+line, get)
			continue
		case isKey:
			line = id + "/openssh-key"
		}
		if w := get(dir + line); w.Code != 200 || w.Body.Len() == 0 {
			t.Errorf("%s is listed and answers %d %q", dir+line, w.Code, w.Body)
		}
		leaves++
	}
	return leaves
}

func TestCloudInit(t *testing.T) {
	t.Parallel()
	i := newInstance()
	i.Metadata.Tokens = "required"
	s := newServer(t, fleet{"10.0.0.5": i})
	tok := issue(t, "10.0.0.5", s, "21600")
	get := func(path string) *httptest.ResponseRecorder { return request(s, "GET", path, token, tok) }
	if got := get("/2021-03-23/meta-data/instance-id").Body.String(); got != string(i.ID) {
		t.Fatalf("instance-id: %q", got)
	}
	if got := walk(t, s, "/2021-03-23/meta-data/", get); got < 40 {
		t.Errorf("the walk found %d entries, want at least 40", got)
	}
	if got := get("/2021-03-23/user-data").Body.String(); got != string(i.UserData) {
		t.Errorf("user data: %q", got)
	}
	names := get("/2021-03-23/dynamic/instance-identity").Body.String()
	if !slices.Contains(strings.Split(names, "\n"), "document") {
		t.Errorf("dynamic/instance-identity lists %q", names)
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	mine, other, off := newInstance(), newInstance(), newInstance()
	other.ID = "i-0123456789abcdef1"
	required := newInstance()
	required.Metadata.Tokens = "required"
	off.Metadata.Endpoint = "disabled"
	s := newServer(t, fleet{"10.0.0.5": mine, "10.0.0.6": other, "10.0.0.7": required, "10.0.0.8": off})
	good, foreign := issue(t, "10.0.0.5", s, "21600"), issue(t, "10.0.0.6", s, "21600")
	changed := []byte(good)
	changed[3] ^= 1
	if good == issue(t, "10.0.0.5", s, "21600") {
		t.Error("two tokens are the same")
	}

	const id = "/latest/meta-data/instance-id"
	tests := []struct {
		name         string
		from, method string
		path         string
		headers      []string
		want         int
	}{
		{"version 1", "10.0.0.5", "GET", id, nil, 200},
		{"version 2", "10.0.0.5", "GET", id, []string{token, good}, 200},
		{"HEAD", "10.0.0.5", "HEAD", id, []string{token, good}, 200},
		{"version 1, forwarded", "10.0.0.5", "GET", id, []string{"X-Forwarded-For", "1.2.3.4"}, 200},
		{"version 1 when 2 is required", "10.0.0.7", "GET", id, nil, 401},
		{"root when 2 is required", "10.0.0.7", "GET", "/", nil, 401},
		{"nonsense", "10.0.0.5", "GET", id, []string{token, "nonsense"}, 401},
		{"empty", "10.0.0.5", "GET", id, []string{token, ""}, 401},
		{"changed", "10.0.0.5", "GET", id, []string{token, string(changed)}, 401},
		{"of another instance", "10.0.0.5", "GET", id, []string{token, foreign}, 401},
		{"bad token before bad path", "10.0.0.5", "GET", "/nowhere", []string{token, foreign}, 401},

		{"put, shortest", "10.0.0.7", "PUT", "/latest/api/token", []string{ttl, "1"}, 200},
		{"put, longest", "10.0.0.7", "PUT", "/latest/api/token", []string{ttl, "21600"}, 200},
		{"put, too long", "10.0.0.7", "PUT", "/latest/api/token", []string{ttl, "21601"}, 400},
		{"put, zero", "10.0.0.7", "PUT", "/latest/api/token", []string{ttl, "0"}, 400},
		{"put, negative", "10.0.0.7", "PUT", "/latest/api/token", []string{ttl, "-1"}, 400},
		{"put, no number", "10.0.0.7", "PUT", "/latest/api/token", []string{ttl, "1h"}, 400},
		{"put, no TTL", "10.0.0.7", "PUT", "/latest/api/token", nil, 400},
		{"put, forwarded", "10.0.0.7", "PUT", "/latest/api/token", []string{ttl, "60", "X-Forwarded-For", ""}, 403},
		{"put, versioned path", "10.0.0.7", "PUT", "/2021-03-23/api/token", []string{ttl, "60"}, 403},
		{"put elsewhere", "10.0.0.5", "PUT", id, []string{ttl, "60"}, 405},
		{"post", "10.0.0.5", "POST", "/latest/api/token", []string{ttl, "60"}, 405},
		{"get of token", "10.0.0.5", "GET", "/latest/api/token", nil, 405},

		{"disabled, get", "10.0.0.8", "GET", id, nil, 403},
		{"disabled, put", "10.0.0.8", "PUT", "/latest/api/token", []string{ttl, "60"}, 403},
		{"stranger", "10.0.0.99", "GET", id, nil, 404},
		{"source fails", "10.0.0.66", "GET", id, nil, 500},
		{"mapped address", "[::ffff:10.0.0.5]", "GET", id, nil, 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := requestFrom(tt.from, s, tt.method, tt.path, tt.headers...)
			if w.Code != tt.want {
				t.Errorf("got %d, want %d", w.Code, tt.want)
			}
			if body := w.Body.String(); w.Code != 200 && (strings.Contains(body, "i-0123") || strings.Contains(body, "database")) {
				t.Errorf("a refusal tells %q", body)
			}
		})
	}
}

func TestTokenExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, fleet{"10.0.0.5": newInstance()})
		tok := issue(t, "10.0.0.5", s, "60")
		time.Sleep(59 * time.Second)
		if w := request(s, "GET", "/latest/meta-data/ami-id", token, tok); w.Code != 200 {
			t.Errorf("a second before its end: got %d, want 200", w.Code)
		}
		time.Sleep(time.Second)
		if w := request(s, "GET", "/latest/meta-data/ami-id", token, tok); w.Code != 401 {
			t.Errorf("at its end: got %d, want 401", w.Code)
		}
	})
}

func TestTokenKey(t *testing.T) {
	t.Parallel()
	key := []byte(strings.Repeat("k", 32))
	start := func(key []byte) *imds.Server {
		s, err := imds.New(imds.Config{Source: fleet{"10.0.0.5": newInstance()}, TokenKey: key})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	tok := issue(t, "10.0.0.5", start(key), "21600")
	if w := request(start(key), "GET", "/latest/meta-data/ami-id", token, tok); w.Code != 200 {
		t.Errorf("after a restart with the same key: got %d, want 200", w.Code)
	}
	if w := request(start(nil), "GET", "/latest/meta-data/ami-id", token, tok); w.Code != 401 {
		t.Errorf("after a restart with another key: got %d, want 401", w.Code)
	}
	if _, err := imds.New(imds.Config{Source: fleet{}, TokenKey: key[:31]}); err == nil {
		t.Error("a short key was accepted")
	}
	if _, err := imds.New(imds.Config{}); err == nil {
		t.Error("a server without a source was made")
	}
}

// hopConn is a connection that notes the TTL it was given.
type hopConn struct {
	net.Conn
	l *hopListener
}

func (c hopConn) SetTTL(hops int) error {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	c.l.hops = append(c.l.hops, hops)
	if hops == 13 {
		return errors.New("bad luck")
	}
	return nil
}

type hopListener struct {
	net.Listener
	mu   sync.Mutex // guards hops
	hops []int
}

func (l *hopListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return hopConn{c, l}, nil
}

func TestServe(t *testing.T) {
	t.Parallel()
	inst := newInstance()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	hops := &hopListener{Listener: ln}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	var mu sync.Mutex
	limit := 2
	go func() {
		ended <- newServer(t, sourceFunc(func() *imds.Instance {
			mu.Lock()
			defer mu.Unlock()
			i := *inst
			i.Metadata.HopLimit = limit
			return &i
		})).Serve(ctx, hops)
	}()
	do := func(method, path string) int {
		r, err := http.NewRequestWithContext(ctx, method, "http://"+ln.Addr().String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(ttl, "60")
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if _, err := io.ReadAll(resp.Body); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode
	}
	set := func(n int) {
		mu.Lock()
		defer mu.Unlock()
		limit = n
	}
	if got := do("GET", "/latest/meta-data/ami-id"); got != 200 {
		t.Errorf("GET: %d", got)
	}
	for _, n := range []int{2, 0, 100} {
		set(n)
		if got := do("PUT", "/latest/api/token"); got != 200 {
			t.Errorf("PUT: %d", got)
		}
	}
	set(13)
	if got := do("PUT", "/latest/api/token"); got != 500 {
		t.Errorf("PUT when the limit cannot be set: got %d, want 500", got)
	}
	hops.mu.Lock()
	if got, want := hops.hops, []int{2, 1, 64, 13}; !slices.Equal(got, want) {
		t.Errorf("hops: got %v, want %v", got, want)
	}
	hops.mu.Unlock()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Serve: got %v, want the end of the context", err)
	}
}

// sourceFunc is a source with one instance at every address.
type sourceFunc func() *imds.Instance

func (f sourceFunc) Instance(context.Context, netip.Addr) (*imds.Instance, error) { return f(), nil }

// No path makes the service fail, and none tells a version 2 instance's secrets
// without a token.
func FuzzPath(f *testing.F) {
	required := newInstance()
	required.Metadata.Tokens = "required"
	s := newServer(f, fleet{"10.0.0.5": newInstance(), "10.0.0.7": required})
	for _, p := range []string{"/", "/latest/meta-data/", "//latest/../meta-data/.", "/latest/meta-data/tags/instance/Name",
		"/latest/user-data", "/1.0/dynamic/instance-identity/document", "/latest/api/token", "latest%2f"} {
		f.Add("GET", p, "AQ")
		f.Add("PUT", p, "")
	}
	f.Fuzz(func(t *testing.T, method, path, shown string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Method, r.URL.Path, r.RemoteAddr = method, path, "10.0.0.5:1"
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		switch w.Code {
		case 200, 400, 403, 404, 405:
		default:
			t.Fatalf("%s %q: %d", method, path, w.Code)
		}
		r.RemoteAddr = "10.0.0.7:1"
		r.Header.Set(token, shown)
		w = httptest.NewRecorder()
		if s.ServeHTTP(w, r); w.Code == 200 {
			t.Fatalf("%s %q was answered for the token %q", method, path, shown)
		}
	})
}
