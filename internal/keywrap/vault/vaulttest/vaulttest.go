// Package vaulttest is the transit engine of a Vault, for tests: it encrypts
// and decrypts with keys in memory, and answers as Vault's API documentation
// says.
package vaulttest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
)

// Token is the token that is let in.
const Token = "hvs.test"

// Server is a Vault with a transit engine at "transit".
type Server struct {
	mu     sync.Mutex
	keys   map[string]cipher.AEAD // by mu
	sealed bool                   // by mu
	asked  int                    // by mu
}

// Make makes a key.
func (s *Server) Make(name string) {
	var secret [32]byte
	rand.Read(secret[:])
	block, err := aes.NewCipher(secret[:])
	if err != nil {
		panic(err) // the length is right
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys == nil {
		s.keys = map[string]cipher.AEAD{}
	}
	s.keys[name] = aead
}

// Destroy destroys a key for good.
func (s *Server) Destroy(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.keys, name)
}

// Seal seals the Vault, which then answers nobody, or unseals it.
func (s *Server) Seal(sealed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sealed = sealed
}

// Asked is how many requests there were.
func (s *Server) Asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	data, status, err := s.answer(r)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// An error of the writer means that the client is gone.
	if err != nil {
		_ = json.NewEncoder(w).Encode(map[string]any{"errors": []string{err.Error()}})
	} else {
		_ = json.NewEncoder(w).Encode(map[string]any{"request_id": "1", "data": data})
	}
}

// errSealed is in Vault's own words.
var errSealed = errors.New("error performing token check: Vault is sealed")

func (s *Server) answer(r *http.Request) (map[string]any, int, error) {
	if s.sealed {
		return nil, 503, errSealed
	}
	if r.Header.Get("X-Vault-Token") != Token {
		return nil, 403, fmt.Errorf("permission denied")
	}
	path, ok := strings.CutPrefix(r.URL.Path, "/v1/transit/")
	verb, name, found := strings.Cut(path, "/")
	if !ok || !found || r.Method != http.MethodPost || verb != "encrypt" && verb != "decrypt" {
		return nil, 404, fmt.Errorf("no handler for route %q", r.URL.Path)
	}
	var in struct {
		Plaintext  []byte `json:"plaintext"`
		Ciphertext string `json:"ciphertext"`
		Associated []byte `json:"associated_data"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return nil, 400, fmt.Errorf("error parsing JSON")
	}
	key := s.keys[name]
	if key == nil {
		return nil, 400, fmt.Errorf("encryption key not found")
	}
	if verb == "encrypt" {
		sealed := key.Seal(nil, nil, in.Plaintext, in.Associated)
		return map[string]any{"ciphertext": "vault:v1:" + base64.StdEncoding.EncodeToString(sealed), "key_version": 1}, 200, nil
	}
	text, ok := strings.CutPrefix(in.Ciphertext, "vault:v1:")
	if !ok {
		return nil, 400, fmt.Errorf("invalid ciphertext: no prefix")
	}
	sealed, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, 400, fmt.Errorf("invalid ciphertext: could not decode base64")
	}
	plain, err := key.Open(nil, nil, sealed, in.Associated)
	if err != nil {
		return nil, 400, fmt.Errorf("cipher: message authentication failed")
	}
	return map[string]any{"plaintext": plain}, 200, nil
}
