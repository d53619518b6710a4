package vaulttest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"origami/internal/keywrap/vault/vaulttest"
)

// ask posts a request and returns the status, and what is in "data".
func ask(t *testing.T, s *vaulttest.Server, token, path string, in map[string]any) (status int, data map[string]any) {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
	r.Header.Set("X-Vault-Token", token)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	var out struct {
		Data   map[string]any `json:"data"`
		Errors []string       `json:"errors"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		t.Fatal(err)
	}
	if (w.Code == http.StatusOK) != (len(out.Errors) == 0) {
		t.Errorf("%s: status %d with errors %q", path, w.Code, out.Errors)
	}
	return w.Code, out.Data
}

// TestServer shows that the double refuses what a Vault refuses: its users' tests
// of refusals would find nothing otherwise.
func TestServer(t *testing.T) {
	t.Parallel()
	const encrypt, decrypt = "/v1/transit/encrypt/k", "/v1/transit/decrypt/k"
	plain, bound := []byte("secret"), []byte("purpose")
	s := new(vaulttest.Server)
	if status, _ := ask(t, s, vaulttest.Token, encrypt, nil); status != 400 {
		t.Errorf("without a key: %d", status)
	}
	s.Make("k")
	s.Make("other")
	_, first := ask(t, s, vaulttest.Token, encrypt, map[string]any{"plaintext": plain, "associated_data": bound})
	_, again := ask(t, s, vaulttest.Token, encrypt, map[string]any{"plaintext": plain, "associated_data": bound})
	text := fmt.Sprint(first["ciphertext"])
	if text == fmt.Sprint(again["ciphertext"]) {
		t.Error("the same becomes the same")
	}
	for _, tt := range []struct {
		name, token, path, text string
		bound                   []byte
		want                    int
	}{
		{"right", vaulttest.Token, decrypt, text, bound, 200},
		{"another token", "hvs.other", decrypt, text, bound, 403},
		{"another key", vaulttest.Token, "/v1/transit/decrypt/other", text, bound, 400},
		{"no key", vaulttest.Token, "/v1/transit/decrypt/none", text, bound, 400},
		{"another purpose", vaulttest.Token, decrypt, text, []byte("other"), 400},
		{"cut", vaulttest.Token, decrypt, text[:len(text)-4], bound, 400},
		{"another version", vaulttest.Token, decrypt, "vault:v2:eA==", bound, 400},
		{"another verb", vaulttest.Token, "/v1/transit/keys/k", text, bound, 404},
		{"another mount", vaulttest.Token, "/v1/other/decrypt/k", text, bound, 404},
	} {
		status, data := ask(t, s, tt.token, tt.path, map[string]any{"ciphertext": tt.text, "associated_data": tt.bound})
		if status != tt.want || (status == 200) != (data["plaintext"] == "c2VjcmV0") {
			t.Errorf("%s: got %d %v, want %d", tt.name, status, data, tt.want)
		}
	}
	right := map[string]any{"ciphertext": text, "associated_data": bound}
	s.Seal(true)
	if status, _ := ask(t, s, vaulttest.Token, decrypt, right); status != 503 {
		t.Errorf("sealed: %d", status)
	}
	s.Seal(false)
	s.Destroy("k")
	asked := s.Asked()
	if status, _ := ask(t, s, vaulttest.Token, decrypt, right); status != 400 || s.Asked() != asked+1 {
		t.Errorf("destroyed: %d, asked %d times", status, s.Asked()-asked)
	}
}
