package awsjson_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"origami/internal/awsjson"
)

// document has every kind of field.
type document struct {
	Name    *string           `json:"Name" valid:"min=2,max=5"`
	Must    *string           `json:"Must" valid:"required"`
	Code    *string           `json:"Code" pattern:"[0-9]{2}"`
	Color   *string           `json:"Color" valid:"enum=red|green"`
	Flag    *bool             `json:"Flag"`
	Small   *int32            `json:"Small" valid:"min=-5,max=5"`
	Big     *int64            `json:"Big"`
	Ratio   *float64          `json:"Ratio"`
	When    *time.Time        `json:"When"`
	Data    []byte            `json:"Data" valid:"min=1,max=4"`
	Words   []string          `json:"Words" valid:"max=2" each:"min=1" pattern:"[a-z]*"`
	Things  []thing           `json:"Things"`
	Context map[string]string `json:"Context" valid:"max=2"`
	Place   *thing            `json:"place"`
	Other   awsjson.Present   `json:"Other"`
}

type thing struct {
	Key  *string `json:"Key" valid:"required"`
	Deep *thing  `json:"Deep"`
}

func ptr[T any](v T) *T { return &v }

func TestDecode(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body string
		want       document
	}{
		{"scalars", `{"Must":"x","Name":"ab","Code":"42","Color":"red","Flag":false,"Small":-5,"Big":9223372036854775807,"Ratio":1.5e1}`,
			document{Must: ptr("x"), Name: ptr("ab"), Code: ptr("42"), Color: ptr("red"), Flag: ptr(false), Small: ptr(int32(-5)),
				Big: ptr(int64(math.MaxInt64)), Ratio: ptr(15.0)}},
		{"nulls are absent", `{"Must":"x","Name":null,"Flag":null,"Data":null,"Words":null,"Context":null,"place":null,"Other":null}`,
			document{Must: ptr("x")}},
		{"runes are counted", `{"Must":"","Name":"ééééé"}`, document{Must: ptr(""), Name: ptr("ééééé")}},
		{"times", `{"Must":"x","When":1767323045.125}`, document{Must: ptr("x"), When: ptr(time.Date(2026, 1, 2, 3, 4, 5, 125e6, time.UTC))}},
		{"time in other notation", `{"Must":"x","When":1.767323045E9}`, document{Must: ptr("x"), When: ptr(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))}},
		{"blob", `{"Must":"x","Data":"AP8="}`, document{Must: ptr("x"), Data: []byte{0, 255}}},
		{"empty things", `{"Must":"x","Words":[],"Things":[],"Context":{}}`,
			document{Must: ptr("x"), Words: []string{}, Things: []thing{}, Context: map[string]string{}}},
		{"lists and maps", `{"Must":"x","Words":["a","b"],"Things":[{"Key":"k"}],"Context":{"a":"b","":"c"}}`,
			document{Must: ptr("x"), Words: []string{"a", "b"}, Things: []thing{{Key: ptr("k")}}, Context: map[string]string{"a": "b", "": "c"}}},
		{"nested", `{"Must":"x","place":{"Key":"a","Deep":{"Key":"b"}}}`, document{Must: ptr("x"), Place: &thing{ptr("a"), &thing{Key: ptr("b")}}}},
		{"present", `{"Must":"x","Other":{"a":[1,{"b":null}]}}`, document{Must: ptr("x"), Other: true}},
		{"spaces", " \n{ \"Must\" : \"x\" }\t ", document{Must: ptr("x")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got document
			if err := awsjson.Decode([]byte(tt.body), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	var none struct{}
	for _, body := range []string{"", "  ", "{}"} {
		if err := awsjson.Decode([]byte(body), &none); err != nil {
			t.Errorf("body %q: %v", body, err)
		}
	}
}

func TestDecodeErrors(t *testing.T) {
	t.Parallel()
	one := "ValidationException: 1 validation error detected: Value "
	tests := []struct{ name, body, want string }{
		{"nothing", "", one + "null at 'must' failed to satisfy constraint: Member must not be null"},
		{"null where needed", `{"Must":null}`, one + "null at 'must' failed to satisfy constraint: Member must not be null"},
		{"needed below", `{"Must":"","Things":[{"Key":"a"},{}]}`,
			one + "null at 'things.2.member.key' failed to satisfy constraint: Member must not be null"},
		{"needed deep below", `{"Must":"","place":{"Key":"a","Deep":{}}}`,
			one + "null at 'place.deep.key' failed to satisfy constraint: Member must not be null"},
		{"unknown", `{"Foo":1}`, "ValidationException: The parameter Foo is not recognized"},
		{"unknown below", `{"place":{"Foo":1}}`, "ValidationException: The parameter place.Foo is not recognized"},
		{"wrong case", `{"must":"x"}`, "ValidationException: The parameter must is not recognized"},
		{"twice", `{"Must":"x","Must":"y"}`, "SerializationException: The parameter Must is given more than once."},
		{"twice in a map", `{"Context":{"a":"b","a":"c"}}`, "SerializationException: The entry a of a map is given more than once."},
		{"number for a string", `{"Must":1}`, "SerializationException: NUMBER_VALUE can not be converted to a String"},
		{"string for a number", `{"Small":"1"}`, "SerializationException: STRING_VALUE can not be converted to an Integer"},
		{"fraction for a number", `{"Small":1.0}`, "SerializationException: NUMBER_VALUE can not be converted to an Integer"},
		{"too large for 32 bits", `{"Small":4294967297}`, "SerializationException: NUMBER_VALUE can not be converted to an Integer"},
		{"too large for 64 bits", `{"Big":9223372036854775808}`, "SerializationException: NUMBER_VALUE can not be converted to an Integer"},
		{"string for a boolean", `{"Flag":"true"}`, "SerializationException: STRING_VALUE can not be converted to a Boolean"},
		{"boolean for a string", `{"Must":true}`, "SerializationException: TRUE_VALUE can not be converted to a String"},
		{"list for a string", `{"Must":["x"]}`, "SerializationException: Start of list found where not expected."},
		{"object for a list", `{"Words":{}}`, "SerializationException: Start of structure or map found where not expected."},
		{"string for a list", `{"Words":"a"}`, "SerializationException: STRING_VALUE can not be converted to a List"},
		{"string for a structure", `{"place":"a"}`, "SerializationException: STRING_VALUE can not be converted to a Structure"},
		{"null in a list", `{"Words":[null]}`, "SerializationException: A list has an element that is null."},
		{"null in a map", `{"Context":{"a":null}}`, "SerializationException: NULL_VALUE can not be converted to a String"},
		{"no base64", `{"Data":"*"}`, "SerializationException: The parameter data is not base64."},
		{"time as text", `{"When":"2026-01-02T03:04:05Z"}`, "SerializationException: STRING_VALUE can not be converted to a Timestamp"},
		{"time out of range", `{"When":1e300}`, "SerializationException: NUMBER_VALUE can not be converted to a Timestamp"},
		{"too short", `{"Must":"","Name":"a"}`, one + "'a' at 'name' failed to satisfy constraint: Member must have length greater than or equal to 2"},
		{"too long", `{"Must":"","Name":"abcdef"}`, one + "'abcdef' at 'name' failed to satisfy constraint: Member must have length less than or equal to 5"},
		{"too small", `{"Must":"","Small":-6}`, one + "'-6' at 'small' failed to satisfy constraint: Member must have value greater than or equal to -5"},
		{"enum", `{"Must":"","Color":"blue"}`, one + "'blue' at 'color' failed to satisfy constraint: Member must satisfy enum value set: [red, green]"},
		{"pattern", `{"Must":"","Code":"423"}`, one + "'423' at 'code' failed to satisfy constraint: Member must satisfy regular expression pattern: [0-9]{2}"},
		{"element", `{"Must":"","Words":["a","B"]}`,
			one + "'B' at 'words.2.member' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-z]*"},
		{"blob is not repeated", `{"Must":"","Data":"QUFBQUE="}`,
			one + "'a blob of 5 bytes' at 'data' failed to satisfy constraint: Member must have length less than or equal to 4"},
		{"list too long", `{"Must":"","Words":["a","a","a"]}`,
			one + "of 3 elements at 'words' failed to satisfy constraint: Member must have length less than or equal to 2"},
		{"two at once", `{"Name":"a"}`, "ValidationException: 2 validation errors detected: " +
			"Value 'a' at 'name' failed to satisfy constraint: Member must have length greater than or equal to 2; " +
			"Value null at 'must' failed to satisfy constraint: Member must not be null"},
		{"list", `[]`, "SerializationException: Start of list found where not expected."},
		{"string", `"x"`, "SerializationException: STRING_VALUE can not be converted to a Structure"},
		{"null", `null`, "SerializationException: NULL_VALUE can not be converted to a Structure"},
		{"form", `Action=CreateKey`, "SerializationException: The request body is not well-formed JSON."},
		{"cut", `{"Must":"x"`, "SerializationException: The request body is not well-formed JSON."},
		{"no value", `{"Must":}`, "SerializationException: The request body is not well-formed JSON."},
		{"comma at the end", `{"Must":"x",}`, "SerializationException: The request body is not well-formed JSON."},
		{"more behind", `{"Must":"x"}{}`, "SerializationException: The request body has something behind its end."},
		{"junk behind", `{"Must":"x"}x`, "SerializationException: The request body has something behind its end."},
		{"no UTF-8", "{\"Must\":\"\xff\"}", "SerializationException: The request body is not valid UTF-8."},
		{"too deep", `{"Other":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, "SerializationException: The request body is nested too deeply."},
		{"too deep below", strings.Repeat(`{"place":`, 1) + strings.Repeat(`{"Deep":`, 40) + "{}" + strings.Repeat("}", 41), "SerializationException: The request body is nested too deeply."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := awsjson.Decode([]byte(tt.body), new(document))
			if err == nil || err.Error() != tt.want {
				t.Errorf("got error  %v\nwant error %s", err, tt.want)
			}
		})
	}
}

// However many rules a body breaks, the message has a bound.
func TestManyViolations(t *testing.T) {
	t.Parallel()
	body := `{"Must":"x","Words":["` + strings.Repeat("é", 1000) + `"` + strings.Repeat(`,"X"`, 9999) + `]}`
	err := awsjson.Decode([]byte(body), new(document))
	if err == nil || !strings.Contains(err.Error(), "10001 validation errors") || len(err.Error()) > 10000 {
		t.Errorf("got %.200v of %d bytes", err, len(fmt.Sprint(err)))
	}
}

func TestEncode(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	err := awsjson.Encode(w, &document{
		Name: ptr("a<b>\"\u2028"), Flag: ptr(false), Small: ptr(int32(-1)), Ratio: ptr(0.5), Data: []byte{0, 255}, Words: []string{}, Things: []thing{{Key: ptr("k")}},
		When: ptr(time.Date(2026, 1, 2, 3, 4, 5, 125e6, time.UTC)), Context: map[string]string{"b": "", "a": "x"}, Other: true,
		Place: &thing{Deep: &thing{}},
	})
	want := `{"Name":"a<b>\"\u2028","Flag":false,"Small":-1,"Ratio":0.5,"When":1767323045.125,"Data":"AP8=","Words":[],` +
		`"Things":[{"Key":"k"}],"Context":{"a":"x","b":""},"place":{"Deep":{}}}`
	if err != nil || w.Body.String() != want || w.Header().Get("Content-Type") != "application/x-amz-json-1.1" {
		t.Errorf("got  %s, %v\nwant %s", w.Body, err, want)
	}
	for when, want := range map[time.Time]string{
		time.Unix(5, 0): "5", time.Unix(5, 1e6): "5.001", time.Unix(-2, 5e8): "-1.500", time.Unix(0, 999_999): "0",
	} {
		got, err := awsjson.Marshal(&struct {
			T *time.Time `json:"T"`
		}{&when})
		if string(got) != `{"T":`+want+`}` || err != nil {
			t.Errorf("%v: got %s, %v, want %s", when, got, err, want)
		}
	}
	if _, err := awsjson.Marshal(&document{Ratio: ptr(math.NaN())}); err == nil {
		t.Error("no number was encoded")
	}
}

func TestEncodeError(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	if err := awsjson.EncodeError(w, 400, "NotFoundException", `Key "x" does not exist`); err != nil {
		t.Fatal(err)
	}
	if w.Code != 400 || w.Body.String() != `{"__type":"NotFoundException","message":"Key \"x\" does not exist"}` ||
		w.Header().Get("X-Amzn-Errortype") != "NotFoundException" {
		t.Errorf("got %d %s %v", w.Code, w.Body, w.Header())
	}
}

func TestParseRequest(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, method, target, content, code string }{
		{"good", "POST", "TrentService.Encrypt", "application/x-amz-json-1.1", ""},
		{"with a parameter", "POST", "TrentService.Encrypt", "application/x-amz-json-1.1; charset=utf-8", ""},
		{"get", "GET", "TrentService.Encrypt", "application/x-amz-json-1.1", "UnknownOperationException"},
		{"no target", "POST", "", "application/x-amz-json-1.1", "UnknownOperationException"},
		{"other service", "POST", "AmazonSSM.GetParameter", "application/x-amz-json-1.1", "UnknownOperationException"},
		{"no operation", "POST", "TrentService.", "application/x-amz-json-1.1", "UnknownOperationException"},
		{"no dot", "POST", "TrentService", "application/x-amz-json-1.1", "UnknownOperationException"},
		{"long", "POST", "TrentService." + strings.Repeat("x", 200), "application/x-amz-json-1.1", "UnknownOperationException"},
		{"form", "POST", "TrentService.Encrypt", "application/x-www-form-urlencoded", "SerializationException"},
		{"no type", "POST", "TrentService.Encrypt", "", "SerializationException"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(tt.method, "/", strings.NewReader("{}"))
			if tt.target != "" {
				r.Header.Set("X-Amz-Target", tt.target)
			}
			r.Header.Set("Content-Type", tt.content)
			op, body, err := awsjson.ParseRequest(r, "TrentService")
			var e *awsjson.Error
			switch {
			case tt.code == "" && (err != nil || op != "Encrypt" || string(body) != "{}"):
				t.Errorf("got %q, %q, %v", op, body, err)
			case tt.code != "" && (!errors.As(err, &e) || e.Code != tt.code):
				t.Errorf("got error %v, want %s", err, tt.code)
			}
		})
	}
	r := httptest.NewRequest("POST", "/", io.MultiReader(strings.NewReader("{"), broken{}))
	r.Header.Set("X-Amz-Target", "TrentService.Encrypt")
	r.Header.Set("Content-Type", awsjson.ContentType)
	if _, _, err := awsjson.ParseRequest(r, "TrentService"); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("broken body: got error %v", err)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestPanics(t *testing.T) {
	t.Parallel()
	for name, v := range map[string]any{
		"no pointer": document{},
		"nil":        (*document)(nil),
		"no struct":  new(int),
		"no name":    &struct{ A *string }{},
		"no pointer type": &struct {
			A string `json:"A"`
		}{},
		"list of numbers": &struct {
			A []int `json:"A"`
		}{},
		"channel": &struct {
			A *chan int `json:"A"`
		}{},
		"rule": &struct {
			A *string `json:"A" valid:"most=3"`
		}{},
		"pattern": &struct {
			A *string `json:"A" pattern:"("`
		}{},
		"twice": reflect.New(reflect.StructOf([]reflect.StructField{
			{Name: "A", Type: reflect.TypeFor[*string](), Tag: `json:"A"`}, {Name: "B", Type: reflect.TypeFor[*string](), Tag: `json:"A"`},
		})).Interface(),
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			_ = awsjson.Decode([]byte("{}"), v)
		}()
	}
}

// What decodes encodes into what decodes to the same.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"Must":"x","Words":["a"],"Things":[{"Key":"k","Deep":{"Key":"l"}}],"Context":{"a":"b"}}`))
	f.Add([]byte(`{"Must":"x","When":1767323045.125,"Data":"AP8=","Ratio":1e-7,"Big":-1,"Other":[{}]}`))
	f.Add([]byte(`{"Must":"\ud800","When":-0.001}`))
	f.Add([]byte(`{"Must":`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var first, second document
		if err := awsjson.Decode(body, &first); err != nil {
			var e *awsjson.Error
			if !errors.As(err, &e) || e.Code == "" || len(e.Message) > 16<<10 {
				t.Errorf("error %.100v", err)
			}
			return
		}
		first.Other = false
		text, err := awsjson.Marshal(&first)
		if err != nil {
			t.Fatal(err)
		}
		if err := awsjson.Decode(text, &second); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		again, err := awsjson.Marshal(&second)
		if err != nil || !bytes.Equal(text, again) {
			t.Errorf("got %s, %v, want %s", again, err, text)
		}
	})
}
