package ec2server

import (
	"errors"
	"strings"
	"testing"
	"time"

	"origami"
	"origami/internal/ec2api"
)

type thing struct {
	name  string
	sizes []string
}

var thingProperties = properties[thing]{
	"name": func(v thing) []string { return one(v.name) },
	"size": func(v thing) []string { return v.sizes },
}

func filter(name string, values ...string) ec2api.Filter {
	return ec2api.Filter{Name: &name, Values: values}
}

func TestFilters(t *testing.T) {
	t.Parallel()
	noun := thing{"web-1", []string{"8", "16"}}
	tags := origami.Tags{"env": "prod", "empty": "", "Owner": "*amazon?\\"}
	tests := []struct {
		name    string
		filters []ec2api.Filter
		want    bool
	}{
		{"none", nil, true},
		{"equal", []ec2api.Filter{filter("name", "web-1")}, true},
		{"case", []ec2api.Filter{filter("name", "Web-1")}, false},
		{"or", []ec2api.Filter{filter("name", "db-1", "web-1")}, true},
		{"and", []ec2api.Filter{filter("name", "web-1"), filter("size", "4")}, false},
		{"same name twice", []ec2api.Filter{filter("size", "8"), filter("size", "16")}, true},
		{"star", []ec2api.Filter{filter("name", "web*")}, true},
		{"star inside", []ec2api.Filter{filter("name", "w*1")}, true},
		{"question mark is one", []ec2api.Filter{filter("name", "web-?")}, true},
		{"question mark is none", []ec2api.Filter{filter("name", "web-1?")}, true},
		{"escaped star", []ec2api.Filter{filter("name", `web\*`)}, false},
		{"absent property", []ec2api.Filter{filter("tag:none", "*")}, false},
		{"tag", []ec2api.Filter{filter("tag:env", "prod")}, true},
		{"tag of another case", []ec2api.Filter{filter("tag:Env", "prod")}, false},
		{"empty tag", []ec2api.Filter{filter("tag:empty", "")}, true},
		{"empty value and tag with one", []ec2api.Filter{filter("tag:env", "")}, false},
		{"escapes", []ec2api.Filter{filter("tag:Owner", `\*amazon\?\\`)}, true},
		{"tag key", []ec2api.Filter{filter("tag-key", "e*")}, true},
		{"no such key", []ec2api.Filter{filter("tag-key", "prod")}, false},
		{"tag value", []ec2api.Filter{filter("tag-value", "prod")}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			filters, err := thingProperties.parse(tt.filters)
			if err != nil {
				t.Fatal(err)
			}
			if got := thingProperties.match(filters, noun, tags); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestFilterErrors(t *testing.T) {
	t.Parallel()
	many := make([]string, 201)
	tests := []struct {
		name    string
		filters []ec2api.Filter
		want    string
	}{
		{"unknown", []ec2api.Filter{filter("color", "red")}, "InvalidParameterValue: The filter 'color' is invalid"},
		{"tag without key", []ec2api.Filter{filter("tag:", "x")}, "InvalidParameterValue: The filter 'tag:' is invalid"},
		{"no name", []ec2api.Filter{{Values: []string{"x"}}}, "MissingParameter: The request must contain the parameter Filter.Name"},
		{"no values", []ec2api.Filter{filter("name")}, "InvalidParameterValue: The filter 'name' has no values"},
		{"too many values", []ec2api.Filter{filter("name", many[:100]...), filter("size", many[:101]...)},
			"FilterLimitExceeded: The maximum number of filter values specified on a single call is 200"},
		{"long value", []ec2api.Filter{filter("name", strings.Repeat("é", 1025))}, "InvalidParameterValue: A value of the filter 'name' exceeds 1024 characters"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := thingProperties.parse(tt.filters)
			if err == nil || err.Error() != tt.want {
				t.Errorf("got error %v, want %s", err, tt.want)
			}
		})
	}
	if _, err := thingProperties.parse([]ec2api.Filter{filter("name", many[:200]...)}); err != nil {
		t.Errorf("200 values: %v", err)
	}
}

func TestFilterValues(t *testing.T) {
	t.Parallel()
	at := time.Date(2024, 5, 1, 14, 0, 0, 5e6, time.FixedZone("", 7200))
	for _, tt := range []struct {
		name string
		got  []string
		want string
	}{
		{"one", one(origami.ImageID("ami-1")), "ami-1"},
		{"empty", one(""), ""},
		{"boolean", boolean(true), "true"},
		{"number", number(int32(-7)), "-7"},
		{"time", timestamp(at), "2024-05-01T12:00:00.005Z"},
		{"zero time", timestamp(time.Time{}), ""},
		{"each", each([]string{"a", "", "b"}, one[string]), "a b"},
	} {
		if got := strings.Join(tt.got, " "); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func wantCode(t *testing.T, err error, code origami.Code) {
	t.Helper()
	if !errors.Is(err, &origami.Error{Code: code}) {
		t.Errorf("got error %v, want %s", err, code)
	}
}
