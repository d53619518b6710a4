package ebs

import (
	"errors"

	"origami"
	"origami/internal/kms"
	"origami/internal/metadb"
)

// The decisions of an account about encryption in a region.
const (
	settingByDefault  = "ebs-encryption-by-default"
	settingDefaultKey = "ebs-default-kms-key"
)

// EncryptionByDefault reports whether everything new is encrypted in the
// caller's account and region, asked for or not.
func (s *Service) EncryptionByDefault(tx *metadb.Tx, who origami.Caller) (bool, error) {
	_, err := tx.AccountSetting(who.Region, who.Account, settingByDefault)
	if errors.Is(err, metadb.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// SetEncryptionByDefault decides whether everything new is encrypted. What is
// there stays as it is.
func (s *Service) SetEncryptionByDefault(tx *metadb.Tx, who origami.Caller, on bool) error {
	if !on {
		return tx.DeleteAccountSetting(who.Region, who.Account, settingByDefault)
	}
	if s.keys.KMS == nil {
		return errNoKeys()
	}
	return tx.PutAccountSetting(who.Region, who.Account, settingByDefault, "on")
}

// DefaultKey is the key that encrypts where a request names none: an ARN, or
// the alias of the key that EBS has in every account.
func (s *Service) DefaultKey(tx *metadb.Tx, who origami.Caller) (string, error) {
	key, err := tx.AccountSetting(who.Region, who.Account, settingDefaultKey)
	if errors.Is(err, metadb.ErrNotFound) {
		return kms.EBSAlias, nil
	}
	return key, err
}

// SetDefaultKey makes a key of the caller's region the default one, that of EBS
// if ref is empty, and returns how it is named from now on.
func (s *Service) SetDefaultKey(tx *metadb.Tx, who origami.Caller, ref string) (string, error) {
	if s.keys.KMS == nil {
		return "", errNoKeys()
	}
	if ref == "" {
		k, err := s.keys.KMS.Resolve(tx, who, kms.EBSAlias)
		if err != nil {
			return "", err
		}
		return k.ARN(), tx.DeleteAccountSetting(who.Region, who.Account, settingDefaultKey)
	}
	k, err := s.keys.KMS.Resolve(tx, who, ref)
	if err == nil {
		err = s.keys.KMS.Check(tx, kms.Access{Caller: who, Via: "ec2"}, k, nil, "DescribeKey")
	}
	switch fault := faultOf(err); {
	case fault == FaultState:
		return "", origami.Errorf("KMSKeyNotAccessibleFault", "The KMS key %s is in an incorrect state.", k.ARN())
	case fault != "":
		return "", origami.Errorf("KMSKeyNotAccessibleFault", "The KMS key %.256s does not exist, or you are not allowed to use it.", ref)
	case err != nil:
		return "", err
	}
	return k.ARN(), tx.PutAccountSetting(who.Region, who.Account, settingDefaultKey, k.ARN())
}

func errNoKeys() error {
	return origami.Errorf(origami.CodeUnsupportedOperation, "Encryption is not supported by this service: it has no keys.")
}
