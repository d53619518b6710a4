package awsquery_test

import (
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"origami/internal/awsquery"
)

// request has every kind of field.
type request struct {
	Name    *string    `query:"Name" valid:"min=3,max=5"`
	Note    *string    `query:"Note,keepempty"`
	Flag    *bool      `query:"Flag"`
	Small   *int32     `query:"Small" valid:"min=-5,max=5"`
	Big     *int64     `query:"Big"`
	Ratio   *float64   `query:"Ratio"`
	When    *time.Time `query:"When"`
	Data    []byte     `query:"Data"`
	Color   *string    `query:"Color" valid:"enum=Color"`
	Owners  []string   `query:"Owner" valid:"items=3"`
	Values  []string   `query:"Value"`
	Sizes   []int32    `query:"Size"`
	Colors  []string   `query:"Colour" valid:"enum=Color"`
	Filters []filter   `query:"Filter"`
	Place   *place     `query:"Place"`
	Code    *string    `query:"Code" pattern:"[0-9]{2}"`
	Hidden  *string
}

type filter struct {
	Name   *string  `query:"Name" valid:"required"`
	Values []string `query:"Value"`
}

type place struct {
	Zone *string `query:"Zone"`
	Deep *place  `query:"Deep"`
}

var enums = awsquery.Enums{"Color": {"red", "green"}}

func ptr[T any](v T) *T { return &v }

func TestDecode(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, query string
		want        request
	}{
		{"nothing", "Action=A&Version=1", request{}},
		{"string", "Name=abc", request{Name: ptr("abc")}},
		{"runes and not bytes are counted", "Name=%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9", request{Name: ptr("ééééé")}},
		{"empty is absent", "Name=&Flag=&Small=&When=&Data=&Color=&Owner=&Place.Zone=&Place=&Filter=", request{}},
		{"empty is kept", "Note=", request{Note: ptr("")}},
		{"bool", "Flag=TRUE", request{Flag: ptr(true)}},
		{"bool false", "Flag=false", request{Flag: ptr(false)}},
		{"integers", "Small=-5&Big=9223372036854775807", request{Small: ptr(int32(-5)), Big: ptr(int64(9223372036854775807))}},
		{"float", "Ratio=-1.5e3", request{Ratio: ptr(-1500.0)}},
		{"time", "When=2030-01-02T03:04:05Z", request{When: ptr(time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC))}},
		{"time with fraction and offset", "When=2030-01-02T03:04:05.25%2B01:00", request{When: ptr(time.Date(2030, 1, 2, 2, 4, 5, 25e7, time.UTC))}},
		{"time without seconds", "When=2030-01-02T03:04Z", request{When: ptr(time.Date(2030, 1, 2, 3, 4, 0, 0, time.UTC))}},
		{"blob", "Data=AP8%3D", request{Data: []byte{0, 255}}},
		{"enum", "Color=red&Colour.1=green", request{Color: ptr("red"), Colors: []string{"green"}}},
		{"pattern", "Code=42", request{Code: ptr("42")}},
		{"list in numeric order with gaps", "Owner.10=c&Owner.9=b&Owner.2=a", request{Owners: []string{"a", "b", "c"}}},
		{"bare list", "Owner=self", request{Owners: []string{"self"}}},
		{"bare list beside others", "Owner=a&Owner.2=b", request{Owners: []string{"a", "b"}}},
		{"empty elements of other lists are not", "Size.1=&Size.2=4", request{Sizes: []int32{4}}},
		{"empty elements are kept", "Owner.1=&Owner.3=b", request{Owners: []string{"", "b"}}},
		{"list of structures", "Filter.2.Name=y&Filter.1.Name=x&Filter.1.Value.1=1&Filter.1.Value.2=2",
			request{Filters: []filter{{ptr("x"), []string{"1", "2"}}, {ptr("y"), nil}}}},
		{"empty structure in a list", "Filter.1.Name=&Filter.2.Name=y", request{Filters: []filter{{Name: ptr("y")}}}},
		{"nested", "Place.Deep.Deep.Zone=a", request{Place: &place{Deep: &place{Deep: &place{Zone: ptr("a")}}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got request
			if _, err := awsquery.EC2.Decode(parse(t, tt.query), &got, enums); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestDecodeErrors(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, query, want string }{
		{"unknown", "Foo=1", "UnknownParameter: The parameter Foo is not recognized"},
		{"unknown and empty", "Foo=", "UnknownParameter: The parameter Foo is not recognized"},
		{"unknown below", "Place.Foo.Bar=1", "UnknownParameter: The parameter Place.Foo.Bar is not recognized"},
		{"field without a name", "Hidden=1", "UnknownParameter: The parameter Hidden is not recognized"},
		{"wrong case", "name=abc", "UnknownParameter: The parameter name is not recognized"},
		{"below a scalar", "Name.1=abc", "UnknownParameter: The parameter Name.1 is not recognized"},
		{"member list", "Owner.member.1=a", "UnknownParameter: The parameter Owner.member.1 is not recognized"},
		{"index 0", "Owner.0=a", "UnknownParameter: The parameter Owner.0 is not recognized"},
		{"index 01", "Owner.01=a", "UnknownParameter: The parameter Owner.01 is not recognized"},
		{"index too large", "Owner.100000=a", "UnknownParameter: The parameter Owner.100000 is not recognized"},
		{"negative index", "Owner.-1=a", "UnknownParameter: The parameter Owner.-1 is not recognized"},
		{"structure without index", "Filter.Name=a", "UnknownParameter: The parameter Filter.Name is not recognized"},
		{"scalar for a structure", "Place=a", "InvalidParameterValue: Value (a) for parameter Place is invalid. It must be a structure."},
		{"scalar for a list of structures", "Filter=a", "InvalidParameterValue: Value (a) for parameter Filter is invalid. It must be a list of structures."},
		{"scalar for an element", "Filter.1=a", "InvalidParameterValue: Value (a) for parameter Filter.1 is invalid. It must be a structure."},
		{"twice by index", "Owner=a&Owner.1=b", "MalformedQueryString: The parameter Owner is given both with and without an index"},
		{"twice", "Name=abc&Name=abc", "MalformedQueryString: The parameter Name is given more than once"},
		{"empty part", "Place..Zone=a", `MalformedQueryString: The parameter name "Place..Zone" has an empty part`},
		{"no name", "=a", `MalformedQueryString: The parameter name "" has an empty part`},
		{"required below", "Filter.2.Value.1=a", "MissingParameter: The request must contain the parameter Filter.2.Name"},
		{"bool", "Flag=yes", "InvalidParameterValue: Value (yes) for parameter Flag is invalid. It must be true or false."},
		{"integer", "Small=1.5", "InvalidParameterValue: Value (1.5) for parameter Small is invalid. It must be a decimal integer of 32 bits."},
		{"integer with plus", "Small=%2B1", "InvalidParameterValue: Value (+1) for parameter Small is invalid. It must be a decimal integer of 32 bits."},
		{"integer overflow", "Small=4294967297", "InvalidParameterValue: Value (4294967297) for parameter Small is invalid. It must be a decimal integer of 32 bits."},
		{"integer below", "Small=-6", "InvalidParameterValue: Value (-6) for parameter Small is invalid. It must be at least -5."},
		{"integer above", "Small=6", "InvalidParameterValue: Value (6) for parameter Small is invalid. It must be at most 5."},
		{"float", "Ratio=inf", "InvalidParameterValue: Value (inf) for parameter Ratio is invalid. It must be a decimal number."},
		{"float overflow", "Ratio=1e999", "InvalidParameterValue: Value (1e999) for parameter Ratio is invalid. It must be a decimal number."},
		{"time", "When=yesterday", "InvalidParameterValue: Value (yesterday) for parameter When is invalid. It must be a time such as 2030-01-01T00:00:00Z."},
		{"time before year 1", "When=0000-01-01T00:00:00Z", "InvalidParameterValue: Value (0000-01-01T00:00:00Z) for parameter When is invalid. It must be a time such as 2030-01-01T00:00:00Z."},
		{"blob", "Data=*", "InvalidParameterValue: Value (*) for parameter Data is invalid. It must be base64."},
		{"too short", "Name=ab", "InvalidParameterValue: Value (ab) for parameter Name is invalid. Length is less than minimum of 3."},
		{"too long", "Name=abcdef", "InvalidParameterValue: Value (abcdef) for parameter Name is invalid. Length exceeds maximum of 5."},
		{"enum", "Color=blue", "InvalidParameterValue: Value (blue) for parameter Color is invalid. Valid values are: red, green."},
		{"enum in a list", "Colour.2=blue", "InvalidParameterValue: Value (blue) for parameter Colour.2 is invalid. Valid values are: red, green."},
		{"pattern", "Code=423", `InvalidParameterValue: Value (423) for parameter Code is invalid. It must match the pattern \A(?:[0-9]{2})\z.`},
		{"too many elements", "Owner.1=a&Owner.2=a&Owner.3=a&Owner.4=a", "InvalidParameterValue: Value (4 values) for parameter Owner is invalid. It takes at most 3."},
		{"invalid UTF-8", "Name=%FF%FF%FF", `InvalidCharacter: The parameter "Name" contains an invalid character`},
		{"control character", "Name=a%00b", `InvalidCharacter: The parameter "Name" contains an invalid character`},
		{"invalid name", "Na%FFme=a", `InvalidCharacter: The parameter "Na\ufffdme" contains an invalid character`},
		{"too deep", strings.Repeat("Place.", 16) + "Zone=a", "MalformedQueryString: The parameter " + strings.Repeat("Place.", 16) + "Zone is nested too deeply"},
		{"long values are cut", "Flag=" + strings.Repeat("é", 200), "InvalidParameterValue: Value (" + strings.Repeat("é", 128) + "...) for parameter Flag is invalid. It must be true or false."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := awsquery.EC2.Decode(parse(t, tt.query), new(request), enums)
			if err == nil || err.Error() != tt.want {
				t.Errorf("got error  %v\nwant error %s", err, tt.want)
			}
		})
	}
}

func TestDecodeTopLevelRequired(t *testing.T) {
	t.Parallel()
	type in struct {
		Filters []filter `query:"Filter" valid:"required"`
		Place   *struct {
			Zone *string `query:"Zone" valid:"required"`
		} `query:"Place" valid:"required"`
	}
	for query, want := range map[string]string{
		"":                           "MissingParameter: The request must contain the parameter Filter",
		"Filter.1.Name=":             "MissingParameter: The request must contain the parameter Filter",
		"Filter.1.Name=a":            "MissingParameter: The request must contain the parameter Place",
		"Filter.1.Name=a&Place.Zone": "MissingParameter: The request must contain the parameter Place",
	} {
		_, err := awsquery.EC2.Decode(parse(t, query), new(in), enums)
		if err == nil || err.Error() != want {
			t.Errorf("%q: got error %v, want %s", query, err, want)
		}
	}
}

func TestDecodeBounds(t *testing.T) {
	t.Parallel()
	many := url.Values{}
	for i := range awsquery.MaxParameters + 1 {
		many.Set(fmt.Sprintf("Owner.%d", i+1), "a")
	}
	for name, form := range map[string]url.Values{
		"parameters": many,
		"bytes":      {"Note": {strings.Repeat("a", awsquery.MaxBytes)}},
	} {
		_, err := awsquery.EC2.Decode(form, new(request), enums)
		if e, ok := err.(*awsquery.Error); !ok || e.Code != "MalformedQueryString" {
			t.Errorf("too many %s: got error %v, want MalformedQueryString", name, err)
		}
	}
}

func TestDecodeQueryDialect(t *testing.T) {
	t.Parallel()
	var got request
	params, err := awsquery.Query.Decode(parse(t, "Owner.member.2=b&Owner.member.1=a&Filter.member.1.Name=x&Value="), &got, enums)
	if err != nil {
		t.Fatal(err)
	}
	want := request{Owners: []string{"a", "b"}, Filters: []filter{{Name: ptr("x")}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got, want := params[0].Pattern, "Owner.member.N"; got != want {
		t.Errorf("got pattern %s, want %s", got, want)
	}
	for query, want := range map[string]string{
		"Owner.1=a":        "UnknownParameter: The parameter Owner.1 is not recognized",
		"Owner.member=a":   "UnknownParameter: The parameter Owner.member is not recognized",
		"Owner=a":          "InvalidParameterValue: Value (a) for parameter Owner is invalid. It must be a list.",
		"Owner.member.x=a": "UnknownParameter: The parameter Owner.member.x is not recognized",
	} {
		_, err := awsquery.Query.Decode(parse(t, query), new(request), enums)
		if err == nil || err.Error() != want {
			t.Errorf("%s: got error %v, want %s", query, err, want)
		}
	}
}

func TestParams(t *testing.T) {
	t.Parallel()
	got, err := awsquery.EC2.Decode(parse(t, "Owner=a&Filter.3.Value.7=v&Filter.3.Name=n&Note=&Name="), new(request), enums)
	if err != nil {
		t.Fatal(err)
	}
	want := []awsquery.Param{
		{Path: "Note", Pattern: "Note"},
		{Path: "Owner.1", Pattern: "Owner.N", Value: "a"},
		{Path: "Filter.3.Name", Pattern: "Filter.N.Name", Value: "n"},
		{Path: "Filter.3.Value.7", Pattern: "Filter.N.Value.N", Value: "v"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestSupport(t *testing.T) {
	t.Parallel()
	s, err := awsquery.EC2.ParseSupport("Name Owner.N\nFilter.* Flag=false Color=red|green Place.Zone", &request{})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		query, refused string
		value          bool
	}{
		{"Name=abc&Owner.3=x&Filter.1.Name=a&Filter.1.Value.1=b&Flag=False&Color=green&Place.Zone=a", "", false},
		{"Name=abc&Note=x", "Note", false},
		{"Note=", "Note", false},
		{"Small=", "", false},
		{"Flag=true", "Flag", true},
		{"Colour.2=red", "Colour.2", false},
	}
	for _, tt := range tests {
		params, err := awsquery.EC2.Decode(parse(t, tt.query), new(request), enums)
		if err != nil {
			t.Fatal(err)
		}
		p, value, refused := s.Refuse(params)
		if p.Path != tt.refused || refused != (tt.refused != "") || value != tt.value {
			t.Errorf("%s: got %q, %v, %v, want %q, %v", tt.query, p.Path, value, refused, tt.refused, tt.value)
		}
	}
	for _, bad := range []string{"Nmae", "Filter", "Filter.N", "Owner", "Name.*", "Owner.1", "*", "Place.Deep.Zone"} {
		if _, err := awsquery.EC2.ParseSupport(bad, request{}); err == nil {
			t.Errorf("pattern %q was accepted", bad)
		}
	}
	if _, _, refused := (awsquery.Support{}).Refuse([]awsquery.Param{{Path: "A", Pattern: "A"}}); !refused {
		t.Error("the zero Support refused nothing")
	}
}

func parse(t *testing.T, query string) url.Values {
	t.Helper()
	form, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	return form
}
