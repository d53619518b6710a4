package ami

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"origami"
	"origami/internal/ebs"
	"origami/internal/iam"
	"origami/internal/metadb"
)

// Verdict says whether an account may do something with an image, and why.
type Verdict struct {
	Allowed bool         `json:"allowed"`
	Code    origami.Code `json:"code,omitempty"` // that a refused request gets, or the state of what it made and that failed
	Reason  string       `json:"reason"`
}

// Access is what an account may do with an image.
type Access struct {
	Account origami.AccountID `json:"accountId"`
	// Discover is whether plain lists show the image. One that they leave out
	// for its age or state may still be found by its ID.
	Discover Verdict `json:"discover"`
	Launch   Verdict `json:"launch"`
	Copy     Verdict `json:"copy"` // within its region or to another
}

// Explain tells what accounts may do with an image of any owner at a time, and
// why not. It asks what answers DescribeImages, RunInstances and CopyImage. It
// is for who runs the installation: the reasons tell what accounts are not
// told. Of the keys of encrypted snapshots it is asked whether the root of the
// account may use them, and whether anybody can.
func Explain(tx *metadb.Tx, now time.Time, keys ebs.Keys, region origami.Region, id origami.ImageID, accounts []origami.AccountID) ([]Access, error) {
	s := &Service{now: func() time.Time { return now }}
	img, err := tx.Image(region, metadb.System, id)
	if err != nil {
		return nil, err
	}
	var out []Access
	for _, account := range accounts {
		who := origami.Caller{Account: account, Region: region, ARN: iam.RootARN(account), UserID: string(account)}
		granted, err := grant(tx, img, account)
		if err != nil {
			return nil, err
		}
		sealed, err := explainKeys(tx, keys, who, img)
		if err != nil {
			return nil, err
		}
		a := Access{Account: account}
		for _, ask := range []struct {
			verdict *Verdict
			err     error
		}{
			{&a.Discover, s.discover(tx, who, id)},
			{&a.Launch, cmp.Or(second(s.Resolve(tx, who, id)), sealed.launch)},
			{&a.Copy, cmp.Or(second(s.Source(tx, who, region, id)), sealed.copying)},
		} {
			if *ask.verdict, err = verdict(granted, ask.err); err != nil {
				return nil, err
			}
		}
		out = append(out, a)
	}
	return out, nil
}

// sealed says why an image cannot be launched and copied because of the keys of
// its snapshots.
type sealed struct{ launch, copying error }

// explainKeys asks about the keys of an image. Launches and copies that cannot
// use a key begin and fail.
func explainKeys(tx *metadb.Tx, keys ebs.Keys, who origami.Caller, img *origami.Image) (sealed, error) {
	for _, id := range img.Snapshots() {
		snap, err := tx.Snapshot(img.Region, metadb.System, id)
		if errors.Is(err, &origami.Error{Code: origami.CodeInvalidSnapshotNotFound}) {
			continue
		}
		if err != nil {
			return sealed{}, err
		}
		fault, why, err := keys.Explain(tx, who, snap)
		if err != nil {
			return sealed{}, err
		}
		if fault == "" {
			continue
		}
		reason := fmt.Errorf("account %s cannot use the key %s of the snapshot %s: %s", who.Account, snap.KMSKey, id, message(why))
		code := codeLaunchFailed
		if fault == ebs.FaultState {
			code = codeKeyState
		}
		return sealed{because(origami.Errorf(code, "%s", fault), reason), because(origami.Errorf(codeLaunchFailed, "%s", fault), reason)}, nil
	}
	return sealed{}, nil
}

// Codes of the state reasons of instances and images that fail because of a
// key.
const (
	codeLaunchFailed origami.Code = "Client.InternalError"
	codeKeyState     origami.Code = "Client.InvalidKMSKey.InvalidState"
)

// message is what an error says, without its code.
func message(err error) string {
	var e *origami.Error
	if errors.As(err, &e) {
		return e.Message
	}
	return err.Error()
}

func second[T any](_ T, err error) error { return err }

// discover refuses an image that the caller's plain lists do not show.
func (s *Service) discover(tx *metadb.Tx, who origami.Caller, id origami.ImageID) error {
	v, img, err := s.find(tx, who, id)
	if err != nil {
		return err
	}
	if hidden := v.unlisted(img, Listing{}); hidden != nil {
		return &refusal{errUnlisted, hidden}
	}
	return nil
}

// errUnlisted is what no request gets: a list leaves the image out.
var errUnlisted = &origami.Error{}

// verdict makes a verdict of the error of an attempt. An error that does not
// refuse but fails is returned.
func verdict(granted string, err error) (Verdict, error) {
	if err == nil {
		return Verdict{Allowed: true, Reason: granted}, nil
	}
	var e *origami.Error
	if !errors.As(err, &e) {
		return Verdict{}, err
	}
	reason := e.Message
	if why := reasonOf(err); why != nil {
		reason = why.Error()
	}
	return Verdict{Code: e.Code, Reason: reason}, nil
}

// grant says through what an account may use an image, "" if through nothing.
func grant(tx *metadb.Tx, img *origami.Image, account origami.AccountID) (string, error) {
	if img.Owner == account {
		return "the account owns the image", nil
	}
	means, err := tx.Principals(account)
	if err != nil {
		return "", err
	}
	through := ""
	for _, o := range img.Organizations {
		if slices.Contains(means, string(o)) {
			through = fmt.Sprintf("the image is shared with %s", o)
		}
	}
	switch {
	case slices.Contains(img.SharedWith, account):
		return "the image is shared with the account", nil
	case img.Public:
		through = cmp.Or(through, "the image is public")
	}
	return through, nil
}
