// Package rbinserver is the door of the Recycle Bin: the rules that say which
// deleted snapshots and images are kept. The rules of the rules are in
// internal/rbin; what is in the bin is listed and restored through EC2.
package rbinserver

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"time"

	"origami"
	"origami/internal/iam"
	"origami/internal/metadb"
	"origami/internal/restjson"
)

// Service is the signing name of the Recycle Bin.
const Service = "rbin"

// Config is what a door is built of.
type Config struct {
	DB *metadb.DB
	// TokenKey authenticates the tokens of paged answers.
	TokenKey [32]byte
	// Authorize reports whether a caller may perform an action, such as
	// "rbin:CreateRule", on rules. Nil allows all.
	Authorize func(ctx context.Context, who origami.Caller, action string, resources ...iam.Resource) error
	Now       func() time.Time // nil means time.Now
}

// server has the operations.
type server struct {
	db  *metadb.DB
	key [32]byte
	now func() time.Time
}

// New makes the door.
func New(c Config) *restjson.Handler {
	s := &server{db: c.DB, key: c.TokenKey, now: c.Now}
	if s.now == nil {
		s.now = time.Now
	}
	return restjson.New(Service, []restjson.Operation{
		restjson.Define("CreateRule", http.MethodPost, "/rules", http.StatusCreated, s.createRule),
		restjson.Define("GetRule", http.MethodGet, "/rules/{identifier}", http.StatusOK, s.getRule),
		restjson.Define("ListRules", http.MethodPost, "/list-rules", http.StatusOK, s.listRules),
		restjson.Define("UpdateRule", http.MethodPatch, "/rules/{identifier}", http.StatusOK, s.updateRule),
		restjson.Define("DeleteRule", http.MethodDelete, "/rules/{identifier}", http.StatusNoContent, s.deleteRule),
		restjson.Define("LockRule", http.MethodPatch, "/rules/{identifier}/lock", http.StatusOK, s.lockRule),
		restjson.Define("UnlockRule", http.MethodPatch, "/rules/{identifier}/unlock", http.StatusOK, s.unlockRule),
		restjson.Define("TagResource", http.MethodPost, "/tags/{resourceArn+}", http.StatusCreated, s.tagResource),
		restjson.Define("UntagResource", http.MethodDelete, "/tags/{resourceArn+}", http.StatusNoContent, s.untagResource),
		restjson.Define("ListTagsForResource", http.MethodGet, "/tags/{resourceArn+}", http.StatusOK, s.listTagsForResource),
	}, s.authorizer(c.Authorize))
}

// named is an input that names a rule.
type named interface{ rule() string }

func ruleARN(region origami.Region, account origami.AccountID, id origami.RuleID) string {
	return "arn:aws:rbin:" + string(region) + ":" + string(account) + ":rule/" + string(id)
}

// ruleOf is the rule that an ARN names, which must be of the caller's account
// and region.
func ruleOf(who origami.Caller, arn string) (origami.RuleID, error) {
	id, ok := strings.CutPrefix(arn, ruleARN(who.Region, who.Account, ""))
	if !ok {
		return "", origami.Errorf(origami.CodeResourceNotFoundException, "There is no rule %.256q.", arn).Because(origami.ReasonRuleNotFound)
	}
	return origami.ParseRuleID(id)
}

func invalid(format string, args ...any) error {
	return origami.Errorf(origami.CodeValidationException, format, args...).Because(origami.ReasonInvalidParameterValue)
}

// pageToken is the token of the page that begins behind a rule.
func (s *server) pageToken(who origami.Caller, asked string, last origami.RuleID) *string {
	t := base64.StdEncoding.EncodeToString(append(s.pageMAC(who, asked, string(last)), last...))
	return &t
}

const macSize = 16

func (s *server) pageMAC(who origami.Caller, asked, last string) []byte {
	m := hmac.New(sha256.New, s.key[:])
	// JSON and IDs hold no NUL, so the words cannot run together.
	m.Write([]byte(strings.Join([]string{"rules", string(who.Account), string(who.Region), asked, last}, "\x00")))
	return m.Sum(nil)[:macSize]
}

// openPage returns the rule behind which a page begins.
func (s *server) openPage(who origami.Caller, asked, token string) (origami.RuleID, error) {
	raw, err := base64.StdEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) <= macSize || !hmac.Equal(raw[:macSize], s.pageMAC(who, asked, string(raw[macSize:]))) {
		return "", origami.Errorf(origami.CodeValidationException, "The token is not valid for this request.").Because(origami.ReasonInvalidPageToken)
	}
	return origami.RuleID(raw[macSize:]), nil
}

// read reads a rule of the caller's.
func (s *server) read(ctx context.Context, who origami.Caller, id origami.RuleID) (r *origami.RetentionRule, err error) {
	err = s.db.View(ctx, func(tx *metadb.Tx) error {
		r, err = tx.RetentionRule(who.Region, who.Account, id)
		return err
	})
	return r, err
}

// change changes something about rules.
func (s *server) change(ctx context.Context, f func(tx *metadb.Tx) (*origami.RetentionRule, error)) (r *origami.RetentionRule, err error) {
	err = s.db.Update(ctx, func(tx *metadb.Tx) error {
		r, err = f(tx)
		return err
	})
	return r, err
}

// sameTags reports whether two lists have the same tags, in any order.
func sameTags(a, b []origami.ResourceTag) bool {
	if len(a) != len(b) {
		return false
	}
	for _, t := range a {
		if !slices.Contains(b, t) {
			return false
		}
	}
	return true
}
