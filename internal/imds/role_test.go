package imds_test

import (
	"encoding/json"
	"errors"
	"fmt"
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
	i.ProfileSince = time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	made, delivered := 0, ""
	expires := time.Date(2030, 1, 1, 6, 0, 0, 0, time.UTC)
	i.Role = &imds.Role{Name: "builder", Credentials: func(delivery string) (imds.Credentials, error) {
		delivered = delivery
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
	if delivered != "1.0" {
		t.Errorf("without a token: delivered by version %s", delivered)
	}
	get("iam/security-credentials/builder", http.StatusInternalServerError)
	shown := request(s, "PUT", "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds", "60").Body.String()
	request(s, "GET", "/latest/meta-data/iam/security-credentials/builder", "X-aws-ec2-metadata-token", shown)
	if delivered != "2.0" {
		t.Errorf("with a token: delivered by version %s", delivered)
	}
	i.Role = nil // the profile lost it
	get("iam/info", http.StatusOK)
	get("iam/security-credentials/builder", http.StatusNotFound)
}

// TestRoleTrouble reads what is wrong with the role of an instance.
func TestRoleTrouble(t *testing.T) {
	t.Parallel()
	i := newInstance()
	i.Profile, i.ProfileID = "arn:aws:iam::123456789012:instance-profile/web", "AIPAAAAAAAAAAAAAAAAAA"
	i.Role = &imds.Role{Name: "builder", Credentials: func(string) (imds.Credentials, error) {
		return imds.Credentials{}, fmt.Errorf("assume: %w", imds.ErrNotTrusted)
	}}
	s := newServer(t, fleet{"10.0.0.5": i})
	code := func(path string) string {
		t.Helper()
		w := request(s, "GET", "/latest/meta-data/iam/"+path)
		var got struct{ Code, Message, LastUpdated string }
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK || got.Message == "" || got.LastUpdated == "" {
			t.Errorf("%s: got %d %s", path, w.Code, w.Body)
		}
		return got.Code
	}
	if got, want := code("security-credentials/builder"), "AssumeRoleUnauthorizedAccess"; got != want {
		t.Errorf("a role that does not trust EC2: got %s, want %s", got, want)
	}
	i.ProfileGone, i.Role = true, nil
	if got, want := code("info"), "InstanceProfileNotFound"; got != want {
		t.Errorf("a profile that was deleted: got %s, want %s", got, want)
	}
	if w := request(s, "GET", "/latest/meta-data/iam/security-credentials/"); w.Code != http.StatusNotFound {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}
