package kmsserver_test

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/kms"

	"origami"
	"origami/internal/awsjson"
	"origami/internal/durable/durabletest"
	"origami/internal/keywrap/keyfile"
	"origami/internal/kms"
	"origami/internal/kmsserver"
	"origami/internal/metadb"
)

// bare calls the handler without the front door.
func bare(t testing.TB) func(operation, body string) string {
	t.Helper()
	db, err := metadb.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "meta.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	s, err := kms.New(t.Context(), kms.Config{DB: db, Root: keyfile.New(durabletest.New(), "root.key"), Regions: []origami.Region{east}})
	if err != nil {
		t.Fatal(err)
	}
	h := kmsserver.New(s)
	who := origami.Caller{Account: alice, ARN: "arn:aws:iam::" + string(alice) + ":root", UserID: string(alice), Region: east, Request: "req"}
	ctx := t.Context()
	return func(operation, body string) string {
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("Content-Type", awsjson.ContentType)
		r.Header.Set("X-Amz-Target", "TrentService."+operation)
		w := httptest.NewRecorder()
		if err := h.ServeAWS(w, r, who); err != nil {
			e, ok := err.(*origami.Error)
			if !ok {
				t.Errorf("%s %.200s: internal error %v", operation, body, err)
				return ""
			}
			h.WriteError(w, "req", e)
		}
		return w.Body.String()
	}
}

// TestEveryOperation checks that each operation of the SDK's client is known,
// and that each parameter of those that are served is recognized: what is not
// supported is refused as such, and not as a misspelling.
func TestEveryOperation(t *testing.T) {
	t.Parallel()
	call := bare(t)
	client := reflect.TypeFor[*sdk.Client]()
	served := 0
	for i := range client.NumMethod() {
		m := client.Method(i)
		if m.Name == "Options" {
			continue
		}
		answer := call(m.Name, `{"NoSuchParameter":1}`)
		switch {
		case strings.Contains(answer, "UnknownOperationException"):
			t.Errorf("%s is not known", m.Name)
			continue
		case strings.Contains(answer, `"UnsupportedOperationException"`):
			continue
		case !strings.Contains(answer, "The parameter NoSuchParameter is not recognized"):
			t.Errorf("%s took a parameter that does not exist: %s", m.Name, answer)
		}
		served++
		in := m.Type.In(2).Elem()
		for j := range in.NumField() {
			if name := in.Field(j).Name; in.Field(j).IsExported() && strings.Contains(call(m.Name, `{"`+name+`":null}`), "is not recognized") {
				t.Errorf("%s does not know its parameter %s", m.Name, name)
			}
		}
	}
	if served < 36 {
		t.Errorf("%d operations are served", served)
	}
}

// Whatever comes in, the answer is JSON, and no internal error.
func FuzzServe(f *testing.F) {
	call := bare(f)
	f.Add("CreateKey", `{"Policy":"{}","Tags":[{"TagKey":"a","TagValue":"b"}],"MultiRegion":true}`)
	f.Add("DescribeKey", `{"KeyId":"alias/aws/ebs"}`)
	f.Add("DescribeKey", `{"KeyId":"arn:aws:kms:us-east-1:111111111111:key/mrk-00000000000000000000000000000000"}`)
	f.Add("Decrypt", `{"CiphertextBlob":"AQAAAAAAAAAAAAAAAAAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`)
	f.Add("CreateGrant", `{"KeyId":"alias/aws/ebs","GranteePrincipal":"x","Operations":["Decrypt"],"Constraints":{"EncryptionContextEquals":{"a":"b"}}}`)
	f.Add("CreateAlias", `{"AliasName":"alias/\u0000","TargetKeyId":"\ud800"}`)
	f.Add("ListKeys", `{"Limit":1,"Marker":"MSBrZXlzIGE"}`)
	f.Add("RetireGrant", `{"GrantToken":"AQAA"}`)
	f.Fuzz(func(t *testing.T, operation, body string) {
		if strings.ContainsFunc(operation, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return
		}
		if answer := call(operation, body); !strings.HasPrefix(answer, "{") || !strings.HasSuffix(answer, "}") {
			t.Errorf("%s %q: got %q", operation, body, answer)
		}
	})
}
