package iam

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"origami"
	"origami/internal/metadb"
	"origami/internal/policy"
)

// settingSeal holds the key of sealed messages.
const settingSeal = "iam-message-key"

// maxMessage bounds the text of a sealed message, in bytes.
const maxMessage = 6 << 10

// message is why a request was denied, in the form of AWS.
type message struct {
	Allowed      bool  `json:"allowed"`
	ExplicitDeny bool  `json:"explicitDeny"`
	Matched      items `json:"matchedStatements"`
	Failures     items `json:"failures"`
	Context      struct {
		Principal struct {
			ID   string `json:"id"`
			Name string `json:"name,omitempty"` // of a user
			ARN  string `json:"arn"`
		} `json:"principal"`
		Action     string `json:"action"`
		Resource   string `json:"resource"`
		Conditions items  `json:"conditions"`
	} `json:"context"`
}

// statement is a statement that denied, in the form of AWS.
type statement struct {
	ID              string `json:"statementId"`
	Effect          string `json:"effect"`
	Principals      items  `json:"principals"`
	PrincipalGroups items  `json:"principalGroups"`
	Actions         items  `json:"actions"`
	Resources       items  `json:"resources"`
	Conditions      items  `json:"conditions"`
}

// refusal is a request that was denied.
type refusal struct {
	who        origami.Caller
	request    *policy.Request
	explicit   bool
	statements []policy.Statement // that deny it
}

type items struct {
	Items []any `json:"items"`
}

// sealed adds the reason of a denial to its error, readable only for who may
// have it decoded in the same account.
func (s *Service) sealed(ctx context.Context, err error, refused *refusal) error {
	var e *origami.Error
	if !errors.As(err, &e) {
		return err
	}
	who, r := refused.who, refused.request
	var m message
	m.ExplicitDeny = refused.explicit
	m.Matched, m.Failures, m.Context.Conditions = refused.matched(), itemsOf(), itemsOf()
	m.Context.Principal.ID, m.Context.Principal.ARN = who.UserID, who.ARN
	if name := r.Keys["aws:username"]; len(name) == 1 {
		m.Context.Principal.Name = name[0]
	}
	m.Context.Action, m.Context.Resource = r.Action, r.Resource
	for _, k := range slices.SortedFunc(maps.Keys(r.Keys), ownFirst) {
		condition := map[string]any{"key": policy.Spelled(k), "values": itemsOf(r.Keys[k]...)}
		m.Context.Conditions.Items = append(m.Context.Conditions.Items, condition)
	}
	text, jerr := m.text()
	if jerr != nil {
		return jerr
	}
	aead, serr := s.seal(ctx)
	if serr != nil {
		return serr
	}
	nonce := make([]byte, aead.NonceSize())
	rand.Read(nonce) // crypto/rand never fails: it ends the program
	box := aead.Seal(nonce, nonce, text, []byte(who.Account))
	e.Message += ". Encoded authorization failure message: " + base64.RawURLEncoding.EncodeToString(box)
	return e
}

// ownFirst orders the keys of a service before those that every request has.
func ownFirst(a, b string) int {
	switch global := strings.HasPrefix(a, "aws:"); {
	case global == strings.HasPrefix(b, "aws:"):
		return strings.Compare(a, b)
	case global:
		return 1
	}
	return -1
}

// text is the message as JSON. If it is too long, it has less of its conditions,
// from their end, and then of its statements.
func (m *message) text() ([]byte, error) {
	for {
		text, err := json.Marshal(m)
		if err != nil || len(text) <= maxMessage {
			return text, err
		}
		switch {
		case len(m.Context.Conditions.Items) > 0:
			m.Context.Conditions.Items = m.Context.Conditions.Items[:len(m.Context.Conditions.Items)/2]
		case len(m.Matched.Items) > 0:
			m.Matched.Items = m.Matched.Items[:len(m.Matched.Items)/2]
		default:
			return text, nil
		}
	}
}

// matched are the statements that denied.
func (r *refusal) matched() items {
	out := itemsOf()
	principal, _, _ := strings.Cut(r.who.UserID, ":")
	for _, s := range r.statements {
		conditions := itemsOf()
		for _, c := range s.Conditions {
			conditions.Items = append(conditions.Items, map[string]any{"key": c.Key, "values": itemsOf(c.Values...)})
		}
		out.Items = append(out.Items, statement{
			ID: s.ID, Effect: "DENY", Principals: itemsOf(principal), PrincipalGroups: itemsOf(),
			Actions: itemsOf(s.Actions...), Resources: itemsOf(s.Resources...), Conditions: conditions,
		})
	}
	return out
}

// itemsOf are values, each in the form of AWS.
func itemsOf(values ...string) items {
	out := items{[]any{}}
	for _, v := range values {
		out.Items = append(out.Items, map[string]string{"value": v})
	}
	return out
}

// Decode opens the message of a denial in the caller's account.
func (s *Service) Decode(ctx context.Context, account origami.AccountID, encoded string) (string, error) {
	refused := origami.Errorf("InvalidAuthorizationMessageException", "The message is not an encoded authorization message of this account")
	box, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return "", refused
	}
	aead, err := s.seal(ctx)
	if err != nil {
		return "", err
	}
	if len(box) < aead.NonceSize() {
		return "", refused
	}
	text, err := aead.Open(nil, box[:aead.NonceSize()], box[aead.NonceSize():], []byte(account))
	if err != nil {
		return "", refused
	}
	return string(text), nil
}

// seal is the cipher of sealed messages. Its key is made at first use.
func (s *Service) seal(ctx context.Context) (cipher.AEAD, error) {
	s.sealOnce.Lock()
	defer s.sealOnce.Unlock()
	if s.sealKey != nil {
		return s.sealKey, nil
	}
	var key []byte
	err := s.db.Update(ctx, func(tx *metadb.Tx) (err error) {
		if key, err = tx.Setting(settingSeal); !errors.Is(err, metadb.ErrNotFound) {
			return err
		}
		key = make([]byte, 32)
		rand.Read(key) // crypto/rand never fails: it ends the program
		return tx.PutSetting(settingSeal, key)
	})
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	s.sealKey, err = cipher.NewGCM(block)
	return s.sealKey, err
}
