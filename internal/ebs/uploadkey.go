package ebs

import (
	"context"
	"errors"
	"strings"

	"origami"
	"origami/internal/blockstore"
	"origami/internal/kms"
	"origami/internal/metadb"
)

// uploadBase finds the parent of an upload, nil if it has none, and decides
// which key encrypts it, "" if none does. tx must be one that writes: the first
// use of a key makes its domain.
func (s *Service) uploadBase(tx *metadb.Tx, who origami.Caller, r UploadRequest) (parent *origami.Snapshot, key string, err error) {
	byDefault, err := s.EncryptionByDefault(tx, who)
	if err != nil {
		return nil, "", err
	}
	if r.Parent != "" {
		if parent, err = s.ReadableSnapshot(tx, who, r.Parent); err != nil {
			return nil, "", err
		}
		if parent.VolumeSize > r.Size {
			return nil, "", origami.Errorf(origami.CodeValidationException,
				"The volume size of %d GiB is smaller than that of the parent snapshot, %d GiB.", r.Size, parent.VolumeSize).
				Because(origami.ReasonInvalidVolumeSize)
		}
	}
	switch declined := r.Encrypted != nil && !*r.Encrypted; {
	case parent != nil && parent.Encrypted:
		key = parent.KMSKey
	case parent != nil && byDefault:
		return nil, "", badKey("Encryption by default is enabled for the account: only children of encrypted snapshots can be started.")
	case parent != nil:
		return parent, "", nil
	case declined && byDefault:
		return nil, "", badParameter("Encrypted cannot be false: encryption by default is enabled for the account.")
	case r.KMSKey != "":
		key = r.KMSKey
	case r.Encrypted != nil && *r.Encrypted, byDefault:
		if key, err = s.DefaultKey(tx, who); err != nil {
			return nil, "", err
		}
	default:
		return nil, "", nil
	}
	key, err = s.uploadKey(tx, who, key)
	return parent, key, err
}

// uploadKey is the ARN of a key that the caller may encrypt an upload with.
// Unlike the keys of volumes and copies, a bad one is refused at once.
func (s *Service) uploadKey(tx *metadb.Tx, who origami.Caller, ref string) (string, error) {
	secrecy, err := s.encrypt(tx, who, "", ref)
	if err != nil {
		return "", keyError(ref, err)
	}
	if secrecy.cause != nil {
		return "", keyError(secrecy.Key, secrecy.cause)
	}
	return secrecy.Key, nil
}

// mayWrite checks that the caller may encrypt what it writes to an upload now.
func (s *Service) mayWrite(ctx context.Context, who origami.Caller, snap *origami.Snapshot) error {
	if !snap.Encrypted {
		return nil
	}
	return keyError(snap.KMSKey, s.db.View(ctx, func(tx *metadb.Tx) error {
		return s.mayUse(tx, who, snap.KMSKey, "GenerateDataKeyWithoutPlaintext")
	}))
}

// isKeyARN reports whether a text has the form of the ARN of a key, and not of
// an alias.
func isKeyARN(text string) bool {
	parts := strings.SplitN(text, ":", 6)
	return len(parts) == 6 && parts[0] == "arn" && parts[2] == "kms" && strings.HasPrefix(parts[5], "key/")
}

func badKey(format string, args ...any) *origami.Error {
	return origami.Errorf(origami.CodeValidationException, format, args...).Because(origami.ReasonInvalidCustomerKey)
}

// keyError makes an error about a key that of the direct APIs. Other errors are
// returned as they are.
func keyError(key string, err error) error {
	var e *origami.Error
	if errors.Is(err, blockstore.ErrNoKey) && errors.Is(err, metadb.ErrNotFound) {
		return origami.Errorf(origami.CodeResourceNotFoundException, "The KMS key %s does not exist.", key).
			Because(origami.ReasonDependencyNotFound)
	}
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code {
	case kms.CodeDisabled, kms.CodeInvalidState:
		return badKey("The KMS key %s is in an incorrect state.", key)
	case kms.CodeInvalidARN, kms.CodeInvalidCiphertext, origami.CodeUnsupportedOperation:
		return badKey("%s", e.Message)
	case kms.CodeNotFound:
		return origami.Errorf(origami.CodeResourceNotFoundException, "The KMS key %s does not exist.", key).
			Because(origami.ReasonDependencyNotFound)
	case kms.CodeAccessDenied:
		if e.Reason == "" {
			return origami.Errorf(origami.CodeAccessDeniedException, "%s", e.Message).Because(origami.ReasonDependencyAccess)
		}
	}
	return err
}
