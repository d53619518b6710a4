package awsquery_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"origami/internal/awsquery"
)

type answer struct {
	ID     *string    `xml:"id"`
	On     *bool      `xml:"on"`
	N      *int32     `xml:"n"`
	Big    *int64     `xml:"big"`
	Ratio  *float64   `xml:"ratio"`
	When   *time.Time `xml:"when"`
	Data   []byte     `xml:"data"`
	Tags   []tag      `xml:"tagSet>item"`
	Names  []string   `xml:"nameSet>item"`
	Gone   []string   `xml:"goneSet>item" nil:"omit"`
	Inner  *inner     `xml:"inner"`
	Hidden *string    `query:"Hidden"`
}

type tag struct {
	Key   *string `xml:"key"`
	Value *string `xml:"value"`
}

type inner struct {
	A *string `xml:"a"`
}

const head = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

func TestEncode(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		body any
		want string
	}{
		{"empty", &answer{}, "<tagSet/><nameSet/>"},
		{"no output", &struct{}{}, "<return>true</return>"},
		{"nil", nil, "<return>true</return>"},
		{"nil pointer", (*answer)(nil), "<return>true</return>"},
		{"scalars", &answer{
			ID: ptr("i-1"), On: ptr(false), N: ptr(int32(-1)), Big: ptr(int64(1) << 40), Ratio: ptr(0.5),
			When: ptr(time.Date(2024, 5, 1, 14, 0, 0, 999_999, time.FixedZone("", 7200))),
			Data: []byte{0, 255}, Hidden: ptr("x"),
		}, "<id>i-1</id><on>false</on><n>-1</n><big>1099511627776</big><ratio>0.5</ratio>" +
			"<when>2024-05-01T12:00:00.000Z</when><data>AP8=</data><tagSet/><nameSet/>"},
		{"lists", &answer{
			Tags:  []tag{{ptr("k"), ptr("v")}, {Key: ptr("")}},
			Names: []string{"a", ""}, Gone: []string{"x"}, Inner: &inner{},
		}, "<tagSet><item><key>k</key><value>v</value></item><item><key></key></item></tagSet>" +
			"<nameSet><item>a</item><item></item></nameSet><goneSet><item>x</item></goneSet><inner></inner>"},
		{"empty, not nil", &answer{Gone: []string{}}, "<tagSet/><nameSet/><goneSet/>"},
		{"escapes", &answer{ID: ptr("<&>\x00\xff\u0001\uFFFEé世")},
			"<id>&lt;&amp;&gt;\uFFFD\uFFFD\uFFFD\uFFFDé世</id><tagSet/><nameSet/>"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got strings.Builder
			r := awsquery.Response{Operation: "Op", Namespace: "http://ns/", RequestID: "r-1", Body: tt.body}
			if err := awsquery.EC2.Encode(&got, r); err != nil {
				t.Fatal(err)
			}
			want := head + `<OpResponse xmlns="http://ns/"><requestId>r-1</requestId>` + tt.want + `</OpResponse>`
			if got.String() != want {
				t.Errorf("got  %s\nwant %s", got.String(), want)
			}
			if err := xml.Unmarshal([]byte(got.String()), new(struct{})); err != nil {
				t.Errorf("not well-formed: %v", err)
			}
		})
	}
}

func TestEncodeQueryDialect(t *testing.T) {
	t.Parallel()
	for want, body := range map[string]any{
		`<OpResult><a>1</a></OpResult>`: &inner{ptr("1")},
		``:                              nil,
	} {
		var got strings.Builder
		r := awsquery.Response{Operation: "Op", Namespace: "http://ns/", RequestID: "r-1", Body: body}
		if err := awsquery.Query.Encode(&got, r); err != nil {
			t.Fatal(err)
		}
		want = head + `<OpResponse xmlns="http://ns/">` + want +
			`<ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></OpResponse>`
		if got.String() != want {
			t.Errorf("got  %s\nwant %s", got.String(), want)
		}
	}
}

func TestEncodeError(t *testing.T) {
	t.Parallel()
	r := awsquery.ErrorResponse{Code: "C.D", Message: "a < b", RequestID: "r-1", Namespace: "http://ns/", Receiver: true}
	sender := r
	sender.Receiver = false
	tests := []struct {
		dialect awsquery.Dialect
		r       awsquery.ErrorResponse
		want    string
	}{
		{awsquery.EC2, r, `<Response><Errors><Error><Code>C.D</Code><Message>a &lt; b</Message></Error></Errors><RequestID>r-1</RequestID></Response>`},
		{awsquery.Query, r, `<ErrorResponse xmlns="http://ns/"><Error><Type>Receiver</Type><Code>C.D</Code><Message>a &lt; b</Message></Error><RequestId>r-1</RequestId></ErrorResponse>`},
		{awsquery.Query, sender, `<ErrorResponse xmlns="http://ns/"><Error><Type>Sender</Type><Code>C.D</Code><Message>a &lt; b</Message></Error><RequestId>r-1</RequestId></ErrorResponse>`},
	}
	for _, tt := range tests {
		var got strings.Builder
		if err := tt.dialect.EncodeError(&got, tt.r); err != nil {
			t.Fatal(err)
		}
		if got.String() != head+tt.want {
			t.Errorf("got  %s\nwant %s", got.String(), head+tt.want)
		}
	}
}

type brokenWriter struct{}

var errBroken = errors.New("broken")

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestEncodeWriteError(t *testing.T) {
	t.Parallel()
	if err := awsquery.EC2.Encode(brokenWriter{}, awsquery.Response{}); !errors.Is(err, errBroken) {
		t.Errorf("got error %v, want %v", err, errBroken)
	}
	if err := awsquery.EC2.EncodeError(brokenWriter{}, awsquery.ErrorResponse{}); !errors.Is(err, errBroken) {
		t.Errorf("got error %v, want %v", err, errBroken)
	}
}

// Text is escaped as encoding/xml does it, wherever in it something is to be
// escaped.
func TestEncodeEscapes(t *testing.T) {
	t.Parallel()
	for c := range rune(0x180) {
		for _, s := range []string{string(c), "plain " + string(c), string(c) + " plain", "a" + string(c) + "b" + string(c)} {
			var want, got strings.Builder
			if err := xml.EscapeText(&want, []byte(s)); err != nil {
				t.Fatal(err)
			}
			r := awsquery.Response{Operation: "Op", Body: &inner{&s}}
			if err := awsquery.EC2.Encode(&got, r); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(got.String(), "<a>"+want.String()+"</a>") {
				t.Errorf("%q: got %s, want %s", s, got.String(), want.String())
			}
		}
	}
}

// Documents that are written at the same time, long ones and short ones, do not
// get into each other's way.
func TestEncodeConcurrently(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for k := range 20 {
				length := 1 << k
				body := &answer{Names: []string{strings.Repeat(string(rune('a'+n)), length), fmt.Sprint(n, k)}}
				var got strings.Builder
				if err := awsquery.EC2.Encode(&got, awsquery.Response{Operation: "Op", RequestID: "r", Body: body}); err != nil {
					t.Error(err)
				}
				want := head + `<OpResponse xmlns=""><requestId>r</requestId><tagSet/><nameSet><item>` + body.Names[0] +
					"</item><item>" + body.Names[1] + "</item></nameSet></OpResponse>"
				if got.String() != want {
					t.Errorf("document %d of length %d differs", n, length)
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkEncode writes a list of a thousand.
func BenchmarkEncode(b *testing.B) {
	a := &answer{}
	for n := range 1000 {
		a.Tags = append(a.Tags, tag{ptr("Name"), ptr(fmt.Sprint("golden-image-", n))})
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := awsquery.EC2.Encode(io.Discard, awsquery.Response{Operation: "Op", Body: a}); err != nil {
			b.Fatal(err)
		}
	}
}
