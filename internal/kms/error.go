package kms

import (
	"origami"
)

// Codes of the KMS API.
const (
	CodeAccessDenied      origami.Code = "AccessDeniedException"
	CodeAlreadyExists     origami.Code = "AlreadyExistsException"
	CodeConflict          origami.Code = "ConflictException"
	CodeDisabled          origami.Code = "DisabledException"
	CodeDryRun            origami.Code = "DryRunOperationException"
	CodeIncorrectKey      origami.Code = "IncorrectKeyException"
	CodeInvalidAliasName  origami.Code = "InvalidAliasNameException"
	CodeInvalidARN        origami.Code = "InvalidArnException"
	CodeInvalidCiphertext origami.Code = "InvalidCiphertextException"
	CodeInvalidGrantID    origami.Code = "InvalidGrantIdException"
	CodeInvalidGrantToken origami.Code = "InvalidGrantTokenException"
	CodeInvalidKeyUsage   origami.Code = "InvalidKeyUsageException"
	CodeInvalidMarker     origami.Code = "InvalidMarkerException"
	CodeInvalidState      origami.Code = "KMSInvalidStateException"
	CodeLimitExceeded     origami.Code = "LimitExceededException"
	CodeMalformedPolicy   origami.Code = "MalformedPolicyDocumentException"
	CodeNotFound          origami.Code = "NotFoundException"
	CodeTag               origami.Code = "TagException"
	CodeUnsupported       origami.Code = "UnsupportedOperationException"
	CodeValidation        origami.Code = "ValidationException"
	CodeInternal          origami.Code = "KMSInternalException"
)

func errDryRun() error {
	return origami.Errorf(CodeDryRun, "The request would have succeeded, but the DryRun option is set.")
}

func keyNotFound(arn string) error {
	return origami.Errorf(CodeNotFound, "Key '%s' does not exist", arn)
}

func aliasNotFound(arn string) error {
	return origami.Errorf(CodeNotFound, "Alias %s is not found.", arn)
}

func invalid(format string, args ...any) error {
	return origami.Errorf(CodeValidation, format, args...)
}

// checkUsable says why a key in its state cannot encrypt or decrypt.
func checkUsable(k *origami.KMSKey) error {
	switch k.State {
	case origami.KMSKeyEnabled:
		return nil
	case origami.KMSKeyDisabled:
		return origami.Errorf(CodeDisabled, "%s is disabled.", k.ARN())
	}
	return checkKept(k)
}

// checkKept says why a key whose deletion is scheduled cannot be changed.
func checkKept(k *origami.KMSKey) error {
	switch k.State {
	case origami.KMSKeyPendingDeletion:
		return origami.Errorf(CodeInvalidState, "%s is pending deletion.", k.ARN())
	case origami.KMSKeyPendingReplicaDeletion:
		return origami.Errorf(CodeInvalidState, "%s is pending replica deletion.", k.ARN())
	}
	return nil
}
