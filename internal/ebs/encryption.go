package ebs

import (
	"errors"
	"strings"

	"origami"
	"origami/internal/blockstore"
	"origami/internal/kms"
	"origami/internal/metadb"
)

// Encryption is what a request says about encryption.
type Encryption struct {
	Encrypted *bool  // nil if it says nothing
	Key       string // ID, ARN or alias of a KMS key, or ""
}

// Secrecy is how something will be encrypted.
type Secrecy struct {
	Key   string // ARN of the KMS key; "" means that it will not be encrypted
	Fault string // why that will fail: a request with a bad key succeeds, its work does not

	cause error // of the Fault
}

// What is wrong with keys, as snapshots and volumes show it.
const (
	FaultAccess = "Given key ID is not accessible"
	FaultState  = "The KMS key provided is in an incorrect state"
)

// Check refuses a key without the wish to encrypt.
func (e Encryption) Check() error {
	if e.Key != "" && e.Encrypted == nil {
		return origami.Errorf(origami.CodeInvalidParameterDependency, "The parameter KmsKeyId requires the parameter Encrypted to be set.")
	}
	if e.Key != "" && !*e.Encrypted {
		return origami.Errorf(origami.CodeInvalidParameterCombination, "The parameter KmsKeyId cannot be used when Encrypted is false.")
	}
	return nil
}

func (e Encryption) wanted() bool   { return e.Encrypted != nil && *e.Encrypted }
func (e Encryption) declined() bool { return e.Encrypted != nil && !*e.Encrypted }

// Restore decides how a volume is encrypted that is made of a snapshot, or
// empty if source is nil. The caller may use the snapshot; whether it may
// decrypt it is found out here.
func (s *Service) Restore(tx *metadb.Tx, who origami.Caller, source *origami.Snapshot, e Encryption) (Secrecy, error) {
	if err := e.Check(); err != nil {
		return Secrecy{}, err
	}
	byDefault, err := s.EncryptionByDefault(tx, who)
	if err != nil {
		return Secrecy{}, err
	}
	encrypted := source != nil && source.Encrypted
	switch {
	case encrypted && e.declined():
		return Secrecy{}, origami.Errorf(origami.CodeInvalidParameterValue,
			"Value (false) for parameter encrypted is invalid. A volume of the encrypted snapshot %s is encrypted.", source.ID)
	case !encrypted && !e.wanted() && !byDefault:
		return Secrecy{}, nil
	}
	key := e.Key
	if key == "" && encrypted && source.Owner == who.Account {
		key = source.KMSKey
	}
	return s.encrypt(tx, who, keyOf(source), key)
}

// keyOf is the key of a snapshot, or "" of none.
func keyOf(snap *origami.Snapshot) string {
	if snap == nil {
		return ""
	}
	return snap.KMSKey
}

// copyEncrypted says whether a copy is encrypted: because its source is, the
// request wants it, or the account encrypts by default, which it says as well.
func (s *Service) copyEncrypted(tx *metadb.Tx, who origami.Caller, source bool, e Encryption) (encrypted, byDefault bool, err error) {
	if err := e.Check(); err != nil {
		return false, false, err
	}
	byDefault, err = s.EncryptionByDefault(tx, who)
	return source || e.wanted() || byDefault, byDefault, err
}

// CopySecrecy decides how a copy of a snapshot is encrypted. CopyImage keeps
// the key of the caller's own snapshots inside a region; CopySnapshot does not.
func (s *Service) CopySecrecy(tx *metadb.Tx, who origami.Caller, source *origami.Snapshot, e Encryption, image bool) (Secrecy, error) {
	encrypted, byDefault, err := s.copyEncrypted(tx, who, source.Encrypted, e)
	if err != nil || !encrypted {
		return Secrecy{}, err
	}
	key := e.Key
	switch {
	case key != "" || !source.Encrypted:
	case image && source.Owner == who.Account && source.Region == who.Region:
		key = source.KMSKey
	case !image && !byDefault:
		key = kms.EBSAlias
	}
	return s.encrypt(tx, who, source.KMSKey, key)
}

// VolumeCopySecrecy decides how a copy of a caller's volume is encrypted: with the
// key of the source unless the request names another, and anew if the source is
// not encrypted and the request or the account wants it. A request that names a
// key need not say that it wants to encrypt.
func (s *Service) VolumeCopySecrecy(tx *metadb.Tx, who origami.Caller, source *origami.Volume, e Encryption) (Secrecy, error) {
	if e.Key != "" && e.Encrypted == nil {
		e.Encrypted = new(true)
	}
	encrypted, _, err := s.copyEncrypted(tx, who, source.Encrypted, e)
	if err != nil || !encrypted {
		return Secrecy{}, err
	}
	key := e.Key
	if key == "" {
		key = source.KMSKey
	}
	return s.encrypt(tx, who, source.KMSKey, key)
}

// encrypt has something encrypted with a key, the default one if key is empty.
// from is the ARN of the key of what it is made of, "" if that is not encrypted.
func (s *Service) encrypt(tx *metadb.Tx, who origami.Caller, from, key string) (Secrecy, error) {
	if s.keys.KMS == nil {
		return Secrecy{}, errNoKeys()
	}
	if key == "" {
		var err error
		if key, err = s.DefaultKey(tx, who); err != nil {
			return Secrecy{}, err
		}
	}
	a := kms.Access{Caller: who, Via: "ec2"}
	k, err := s.keys.KMS.Resolve(tx, who, key)
	if err != nil {
		return faulty(key, err)
	}
	err = s.keys.KMS.Check(tx, a, k, nil, encryptActions...)
	if err == nil && from != "" {
		err = s.mayUse(tx, who, from, "Decrypt")
	}
	if err == nil {
		err = s.keys.makeDomain(tx, a, k)
	}
	if err != nil {
		return faulty(k.ARN(), err)
	}
	return Secrecy{Key: k.ARN()}, nil
}

// mayDecrypt checks that the caller may use the key of a snapshot.
func (s *Service) mayDecrypt(tx *metadb.Tx, who origami.Caller, source *origami.Snapshot) error {
	return s.mayUse(tx, who, source.KMSKey, "Decrypt")
}

// mayUse checks that the caller may do something to a key, in whatever region
// that is.
func (s *Service) mayUse(tx *metadb.Tx, who origami.Caller, key, action string) error {
	return s.keys.mayUse(tx, who, key, action)
}

func (keys Keys) mayUse(tx *metadb.Tx, who origami.Caller, key string, actions ...string) error {
	if keys.KMS == nil {
		return errNoKeys()
	}
	region, err := regionOfKey(key)
	if err != nil {
		return err
	}
	who.Region = region
	k, err := keys.KMS.Resolve(tx, who, key)
	if err != nil {
		return err
	}
	return keys.KMS.Check(tx, kms.Access{Caller: who, Via: "ec2"}, k, nil, actions...)
}

// encryptActions are what a caller must be allowed to do to the key that
// something new is encrypted with.
var encryptActions = []string{"DescribeKey", "CreateGrant", "GenerateDataKeyWithoutPlaintext"}

// Explain tells why a caller cannot make volumes and copies of a snapshot
// because of its key, as Restore and CopySecrecy find out: fault is FaultAccess
// or FaultState and why the error of KMS, or both are empty. A caller's own
// snapshot is encrypted with its key again. Explain writes nothing.
func (keys Keys) Explain(tx *metadb.Tx, who origami.Caller, source *origami.Snapshot) (fault string, why, err error) {
	if !source.Encrypted {
		return "", nil, nil
	}
	actions := []string{"Decrypt"}
	if source.Owner == who.Account {
		actions = append(actions, encryptActions...)
	}
	why = keys.mayUse(tx, who, source.KMSKey, actions...)
	if fault = faultOf(why); fault == "" {
		return "", nil, why
	}
	return fault, why, nil
}

// ManagedKey reports whether a snapshot is encrypted with the key that EBS has
// in every account, which no other account can use.
func (s *Service) ManagedKey(tx *metadb.Tx, snap *origami.Snapshot) (bool, error) {
	region, err := regionOfKey(snap.KMSKey)
	if err != nil {
		return false, nil // not encrypted, or a copy that failed since no key has that name
	}
	k, err := tx.KMSKey(region, origami.KMSKeyID(snap.KMSKey[strings.LastIndexByte(snap.KMSKey, '/')+1:]))
	if errors.Is(err, metadb.ErrNotFound) {
		return false, nil
	}
	return err == nil && k.Managed != "", err
}

// faulty makes an error of KMS the fault of what is to be encrypted. Other
// errors are returned.
func faulty(key string, err error) (Secrecy, error) {
	fault := faultOf(err)
	if fault == "" {
		return Secrecy{}, err
	}
	return Secrecy{Key: key, Fault: fault, cause: err}, nil
}

// faultOf is what an error about a key means, or "" if it is about something
// else.
func faultOf(err error) string {
	var e *origami.Error
	var f faultError
	switch {
	case errors.As(err, &f):
		return string(f)
	case errors.Is(err, metadb.ErrNotFound) && errors.Is(err, blockstore.ErrNoKey):
		return FaultAccess
	case !errors.As(err, &e):
		return ""
	}
	switch e.Code {
	case kms.CodeDisabled, kms.CodeInvalidState:
		return FaultState
	case kms.CodeNotFound, kms.CodeAccessDenied, kms.CodeInvalidARN, kms.CodeInvalidCiphertext:
		return FaultAccess
	}
	return ""
}

// FaultOf is what an error about opening a volume or reading a snapshot says
// about its key, FaultAccess or FaultState, or "" if it is about something else.
func FaultOf(err error) string { return faultOf(err) }

// Failure is what ends the task of something whose key is at fault, or a request
// that cannot do without the key: the owner sees the message.
func Failure(fault string) error { return origami.Errorf(codeInvalidKMSKey, "%s", fault) }

// keyFailure makes an error about a key a Failure, in EC2's words instead of
// those of KMS, and leaves others alone.
func keyFailure(err error) error {
	if fault := faultOf(err); fault != "" {
		return Failure(fault)
	}
	return err
}

const (
	codeInvalidKMSKey origami.Code = "InvalidKMSKey.InvalidState" // of a Failure
	codeKeyRevoked    origami.Code = "CustomerKeyHasBeenRevoked"
)

// MayOpen finds out whether a caller may have a volume attached: EBS decrypts
// the volume's data key for the instance by a grant that the caller makes.
// fault is FaultAccess or FaultState, or "" if nothing is wrong.
func (s *Service) MayOpen(tx *metadb.Tx, who origami.Caller, v *origami.Volume) (fault string, err error) {
	if v.KMSKey == "" {
		return "", nil
	}
	err = s.mayUse(tx, who, v.KMSKey, "CreateGrant")
	if fault = faultOf(err); fault != "" {
		return fault, nil
	}
	return "", err
}

// CheckAttach refuses to attach a volume for a caller who may not open it.
func (s *Service) CheckAttach(tx *metadb.Tx, who origami.Caller, v *origami.Volume) error {
	fault, err := s.MayOpen(tx, who, v)
	if fault != "" {
		return origami.Errorf(codeKeyRevoked, "Volume %s cannot be attached. The encrypted volume was unable to access the KMS key.", v.ID)
	}
	return err
}

// faultError is an error about a volume that will not be usable, whatever
// becomes of its key.
type faultError string

func (e faultError) Error() string { return string(e) }

// regionOfKey is the region in the ARN of a KMS key.
func regionOfKey(arn string) (origami.Region, error) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 || parts[2] != "kms" || parts[3] == "" {
		return "", origami.Errorf(kms.CodeInvalidARN, "%.128q is not the ARN of a key", arn)
	}
	return origami.Region(parts[3]), nil
}
