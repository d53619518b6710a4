package imds_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"origami/internal/imds"
)

// TestRole reads the role of an instance; its credentials are made for who
// reads them and nobody else.
func TestRole(t *testing.T) {
	t.Parallel()
	i := newInstance()
	i.Profile, i.ProfileID = "arn:aws:iam::123456789012:instance-profile/web", "AIPAAAAAAAAAAAAAAAAAA"
	made := 0
	expires := time.Date(2030, 1, 1, 6, 0, 0, 0, time.UTC)
	i.Role = &imds.Role{Name: "builder", Credentials: func() (imds.Credentials, error) {
		if made++; made > 1 {
			return imds.Credentials{}, errors.New("the database is away")
		}
		return imds.Credentials{AccessKey: "ASIA", Secret: "secret", Token: "token", Updated: expires.Add(-6 * time.Hour), Expires: expires}, nil
	}}
	s := newServer(t, fleet{"10.0.0.5": i})
	get := func(path string, status int) string {
		t.Helper()
		w := request(s, "GET", "/latest/meta-data/"+path)
		if w.Code != status {
			t.Errorf("%s: got %d %s, want %d", path, w.Code, w.Body, status)
		}
		return w.Body.String()
	}
	if got, want := get("iam/", http.StatusOK), "info\nsecurity-credentials/"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := get("iam/security-credentials/", http.StatusOK), "builder"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	get("iam/security-credentials/other", http.StatusNotFound)
	get("ami-id", http.StatusOK)
	if made != 0 {
		t.Errorf("credentials were made %d times before anybody asked", made)
	}
	for path, want := range map[string]map[string]string{
		"iam/info": {"Code": "Success", "LastUpdated": "2024-05-06T07:08:09Z", "InstanceProfileArn": i.Profile, "InstanceProfileId": i.ProfileID},
		"iam/security-credentials/builder": {"Code": "Success", "Type": "AWS-HMAC", "LastUpdated": "2030-01-01T00:00:00Z",
			"AccessKeyId": "ASIA", "SecretAccessKey": "secret", "Token": "token", "Expiration": "2030-01-01T06:00:00Z"},
	} {
		var got map[string]string
		if err := json.Unmarshal([]byte(get(path, http.StatusOK)), &got); err != nil {
			t.Fatal(err)
		}
		for k, v := range want {
			if got[k] != v {
				t.Errorf("%s: got %s %q, want %q", path, k, got[k], v)
			}
		}
	}
	get("iam/security-credentials/builder", http.StatusInternalServerError)
	i.Role = nil // the profile lost it
	get("iam/info", http.StatusOK)
	get("iam/security-credentials/builder", http.StatusNotFound)
}
