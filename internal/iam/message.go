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

	"origami"
	"origami/internal/metadb"
	"origami/internal/policy"
)

// settingSeal holds the key of sealed messages.
const settingSeal = "iam-message-key"

// Bounds of a sealed message: of its keys, and of its text in bytes.
const (
	maxMessageKeys = 24
	maxMessage     = 6 << 10
)

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

type items struct {
	Items []any `json:"items"`
}

// sealed adds the reason of a denial to its error, readable only for who may
// have it decoded in the same account.
func (s *Service) sealed(ctx context.Context, who origami.Caller, err error, r *policy.Request, explicit bool) error {
	var e *origami.Error
	if !errors.As(err, &e) {
		return err
	}
	var m message
	m.ExplicitDeny = explicit
	m.Matched.Items, m.Failures.Items, m.Context.Conditions.Items = []any{}, []any{}, []any{}
	m.Context.Principal.ID, m.Context.Principal.ARN = who.UserID, who.ARN
	if name := r.Keys["aws:username"]; len(name) == 1 {
		m.Context.Principal.Name = name[0]
	}
	m.Context.Action, m.Context.Resource = r.Action, r.Resource
	for _, k := range slices.Sorted(maps.Keys(r.Keys)) {
		var values []any
		for _, v := range r.Keys[k] {
			values = append(values, map[string]string{"value": v})
		}
		condition := map[string]any{"key": k, "values": items{values}}
		if len(m.Context.Conditions.Items) < maxMessageKeys {
			m.Context.Conditions.Items = append(m.Context.Conditions.Items, condition)
		}
	}
	text, jerr := json.Marshal(m)
	if jerr != nil {
		return jerr
	}
	if len(text) > maxMessage { // long values: leave the conditions out
		m.Context.Conditions.Items = []any{}
		if text, jerr = json.Marshal(m); jerr != nil {
			return jerr
		}
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
