package metadb

import (
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"origami"
)

// noun has a field of every kind that nouns have.
type noun struct {
	Text, Empty, Quoted string
	Kind                origami.ImageState
	Yes, No             bool
	N                   int
	N32                 int32
	N64, Negative       int64
	U                   uint16
	F                   float64
	At                  time.Time
	Address             netip.Addr
	Prefix              netip.Prefix
	Bytes               []byte
	Words               []string
	None                []string
	Pointer             *bool
	Nil                 *bool
	Nested              *noun
	List                []noun
	Table               map[string]string
	Array               [2]int
}

func sampleNoun() *noun {
	yes := true
	return &noun{
		Text: "plain ünïcödé", Quoted: "quotes \" ' \\ <&> \u2028 \t\n", Kind: origami.ImageAvailable, Yes: true,
		N: 1, N32: -1 << 31, N64: 1<<63 - 1, Negative: -1 << 63, U: 1<<16 - 1, F: 1.5,
		At:      time.Date(2026, 1, 2, 3, 4, 5, 678, time.FixedZone("", 3600)),
		Address: netip.MustParseAddr("10.1.2.3"), Prefix: netip.MustParsePrefix("2001:db8::/32"),
		Bytes: []byte{0, 1, 255}, Words: []string{"a", "", "b\x00"}, Pointer: &yes,
		Nested: &noun{Text: "below", Words: []string{}}, List: []noun{{N: 1}, {}, {N: 3}},
		Table: map[string]string{"k": "v"}, Array: [2]int{1, 2},
	}
}

// Documents are read as encoding/json reads them.
func TestReadDocument(t *testing.T) {
	docs := documentOf[noun]()
	compact, err := docs.encode(sampleNoun())
	if err != nil {
		t.Fatal(err)
	}
	indented, err := json.MarshalIndent(sampleNoun(), " ", "\t")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		string(compact), string(indented), " \r\n\t{ } ", "null",
		`{"Text":"\u00fc\ud83d\ude00\/","Unknown":{"a":[1,{"b":"]}"}],"c":null},"N":7,"More":"x","Less":-1.5e3,"True":true}`,
		`{"Text":null,"N":null,"Yes":null,"At":null,"Words":null,"Pointer":null,"Nested":null,"List":[null],"Address":null}`,
		`{"Words":[],"List":[],"Bytes":"","N":0,"Negative":-0,"Nested":{}}`,
		`{"Words":["a"],"Words":["b","c"]}`,
	} {
		want := new(noun)
		if err := json.Unmarshal([]byte(text), want); err != nil {
			t.Fatal(err)
		}
		got, err := docs.decode(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
			cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

// Every beginning of a document, and much else, is refused.
func TestReadMalformedDocument(t *testing.T) {
	docs := documentOf[noun]()
	whole, err := docs.encode(sampleNoun())
	if err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		if _, err := docs.decode(string(whole[:n])); err == nil {
			t.Errorf("the first %d bytes are read without an error", n)
		}
	}
	for _, text := range []string{
		"", " ", "nul", "[]", "1", `""`, "{}{}", "{},", "{,}", `{"N":1,}`, `{"N" 1}`, `{N:1}`, `{"N":1 "U":1}`,
		`{"N":01}`, `{"N":+1}`, `{"N":-}`, `{"N":}`, `{"N":1.0}`, `{"N":1e2}`, `{"N":"1"}`, `{"N":true}`,
		`{"N64":9223372036854775808}`, `{"Negative":-9223372036854775809}`, `{"N32":2147483648}`, `{"U":65536}`,
		`{"U":-1}`, `{"N64":99999999999999999999999999}`,
		`{"Text":1}`, `{"Text":"` + "\n" + `"}`, `{"Text":"\x"}`, `{"Text":"\`, `{"Text":"` + "\xff" + `"}`,
		`{"Yes":1}`, `{"Yes":truer}`, `{"Words":"a"}`, `{"Words":["a",]}`, `{"Words":["a" "b"]}`, `{"Words":[1]}`,
		`{"Nested":[]}`, `{"At":"yesterday"}`, `{"At":1}`, `{"Address":"x"}`, `{"Unknown":{]}}`, `{"Unknown":}`,
		`{"Unknown":nope}`, `{"Unknown":[1,]}`, `{"Unknown":[`, `{"Unknown":"`,
	} {
		if _, err := docs.decode(text); err == nil {
			t.Errorf("%q is read without an error", text)
		}
	}
	if _, err := docs.decode("{"); !errors.Is(err, errDocument) {
		t.Errorf("got error %v, want one that is %v", err, errDocument)
	}
}

// Every field of every noun is read by a reader of its own or by
// encoding/json; none panics on anything.
func FuzzReadDocument(f *testing.F) {
	docs := documentOf[noun]()
	whole, err := docs.encode(sampleNoun())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(whole))
	f.Add(`{"Text":"\u00fc","Unknown":{"a":[1,{"b":"]}"}]},"List":[{"N":-7}],"At":"2026-01-02T03:04:05Z"}`)
	f.Add(strings.Repeat(`{"Nested":`, 50) + "{}" + strings.Repeat("}", 50))
	f.Fuzz(func(t *testing.T, text string) {
		v, err := docs.decode(text)
		if err != nil {
			return
		}
		if !json.Valid([]byte(text)) {
			t.Fatalf("%q is no JSON", text)
		}
		again, err := docs.encode(v)
		if err != nil {
			t.Skip(err) // a time that JSON cannot hold
		}
		w, err := docs.decode(string(again))
		if err != nil {
			t.Fatalf("%q became %q: %v", text, again, err)
		}
		if got, err := docs.encode(w); err != nil || string(got) != string(again) {
			t.Errorf("%q became %q, and that %q (%v)", text, again, got, err)
		}
	})
}

// BenchmarkDocument compares reading an image with encoding/json.
func BenchmarkDocument(b *testing.B) {
	yes := true
	i := &origami.Image{
		ID: origami.NewImageID(), Region: "us-east-1", Owner: "123456789012", Name: "golden-image-000001", State: origami.ImageAvailable,
		Description: "An image that was made for a benchmark, with a description", Location: "123456789012/golden-image-000001",
		Created: time.Now().UTC(), ImageType: "machine", Architecture: origami.X8664, VirtualizationType: origami.HVM,
		Hypervisor: "xen", RootDeviceType: "ebs", RootDeviceName: "/dev/xvda", ENASupport: true, SriovNetSupport: "simple",
		PlatformDetails: "Linux/UNIX", UsageOperation: "RunInstances",
		BlockDevices: []origami.BlockDevice{{DeviceName: "/dev/xvda", EBS: &origami.EBSBlockDevice{
			Snapshot: origami.NewSnapshotID(), VolumeSize: 8, VolumeType: origami.GP3, DeleteOnTermination: &yes, Encrypted: &yes}}},
	}
	text, err := images.doc.encode(i)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("metadb", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := images.doc.decode(string(text)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := json.Unmarshal(text, new(origami.Image)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
