package kmsserver

import (
	"context"
	"time"

	"origami"
	"origami/internal/awsjson"
	"origami/internal/kms"
	"origami/internal/optional"
)

// keyMetadata is what is told about a key.
type keyMetadata struct {
	Account          *string      `json:"AWSAccountId"`
	KeyID            *string      `json:"KeyId"`
	ARN              *string      `json:"Arn"`
	Created          *time.Time   `json:"CreationDate"`
	Enabled          *bool        `json:"Enabled"`
	Description      *string      `json:"Description"`
	Usage            *string      `json:"KeyUsage"`
	State            *string      `json:"KeyState"`
	Deletion         *time.Time   `json:"DeletionDate"`
	Origin           *string      `json:"Origin"`
	Manager          *string      `json:"KeyManager"`
	OldSpec          *string      `json:"CustomerMasterKeySpec"`
	Spec             *string      `json:"KeySpec"`
	Algorithms       []string     `json:"EncryptionAlgorithms"`
	MultiRegion      *bool        `json:"MultiRegion"`
	MultiRegionSetup *multiRegion `json:"MultiRegionConfiguration"`
	Window           *int32       `json:"PendingDeletionWindowInDays"`
	MaterialID       *string      `json:"CurrentKeyMaterialId"`
}

type multiRegion struct {
	Type     *string          `json:"MultiRegionKeyType"`
	Primary  *multiRegionKey  `json:"PrimaryKey"`
	Replicas []multiRegionKey `json:"ReplicaKeys"`
}

type multiRegionKey struct {
	ARN    *string `json:"Arn"`
	Region *string `json:"Region"`
}

func metadataOf(k *origami.KMSKey, family *kms.Relatives) *keyMetadata {
	manager := "CUSTOMER"
	if k.Managed != "" {
		manager = "AWS"
	}
	m := &keyMetadata{
		Account: new(string(k.Owner)), KeyID: new(string(k.ID)), ARN: new(k.ARN()), Created: &k.Created,
		Enabled: new(k.State == origami.KMSKeyEnabled), Description: &k.Description, Usage: new("ENCRYPT_DECRYPT"),
		State: new(string(k.State)), Origin: new("AWS_KMS"), Manager: &manager, OldSpec: new(symmetric), Spec: new(symmetric),
		Algorithms: []string{symmetric}, MultiRegion: new(k.Primary != ""), MaterialID: &k.MaterialID,
	}
	if k.State == origami.KMSKeyPendingDeletion {
		m.Deletion = &k.Deletion
	}
	if k.State == origami.KMSKeyPendingReplicaDeletion {
		m.Window = new(int32(k.DeletionDays))
	}
	if family != nil {
		m.MultiRegionSetup = multiRegionOf(k, family)
	}
	return m
}

func multiRegionOf(k *origami.KMSKey, family *kms.Relatives) *multiRegion {
	one := func(k *origami.KMSKey) multiRegionKey {
		return multiRegionKey{new(k.ARN()), new(string(k.Region))}
	}
	m := &multiRegion{Type: new("PRIMARY"), Replicas: []multiRegionKey{}}
	if k.Replica() {
		m.Type = new("REPLICA")
	}
	if family.Primary != nil {
		m.Primary = new(one(family.Primary))
	}
	for _, r := range family.Replicas {
		m.Replicas = append(m.Replicas, one(r))
	}
	return m
}

type createKeyInput struct {
	Policy           *string         `json:"Policy" valid:"min=1,max=131072" pattern:"[\\x09\\x0a\\x0d\\x20-\\x{ff}]+"`
	Description      *string         `json:"Description" valid:"max=8192"`
	Usage            *string         `json:"KeyUsage" valid:"enum=SIGN_VERIFY|ENCRYPT_DECRYPT|GENERATE_VERIFY_MAC|KEY_AGREEMENT"`
	OldSpec          *string         `json:"CustomerMasterKeySpec" valid:"enum=RSA_2048|RSA_3072|RSA_4096|ECC_NIST_P256|ECC_NIST_P384|ECC_NIST_P521|ECC_SECG_P256K1|SYMMETRIC_DEFAULT|HMAC_224|HMAC_256|HMAC_384|HMAC_512|SM2"`
	Spec             *string         `json:"KeySpec" valid:"enum=RSA_2048|RSA_3072|RSA_4096|ECC_NIST_P256|ECC_NIST_P384|ECC_NIST_P521|ECC_SECG_P256K1|SYMMETRIC_DEFAULT|HMAC_224|HMAC_256|HMAC_384|HMAC_512|SM2|ML_DSA_44|ML_DSA_65|ML_DSA_87|ECC_NIST_EDWARDS25519"`
	Origin           *string         `json:"Origin" valid:"enum=AWS_KMS|EXTERNAL|AWS_CLOUDHSM|EXTERNAL_KEY_STORE"`
	CustomKeyStoreID awsjson.Present `json:"CustomKeyStoreId"`
	Bypass           *bool           `json:"BypassPolicyLockoutSafetyCheck"`
	Tags             []tag           `json:"Tags"`
	MultiRegion      *bool           `json:"MultiRegion"`
	XKSKeyID         awsjson.Present `json:"XksKeyId"`
}

type keyMetadataOutput struct {
	KeyMetadata *keyMetadata `json:"KeyMetadata"`
}

func (h *Handler) createKey(ctx context.Context, a kms.Access, in *createKeyInput) (*keyMetadataOutput, error) {
	if err := in.checkKind(); err != nil {
		return nil, err
	}
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	k, err := h.kms.CreateKey(ctx, a, kms.NewKey{
		Policy: optional.Value(in.Policy), BypassLockoutCheck: optional.Value(in.Bypass), Description: optional.Value(in.Description), Tags: tags,
		MultiRegion: optional.Value(in.MultiRegion),
	})
	if err != nil {
		return nil, err
	}
	var family *kms.Relatives
	if k.Primary != "" {
		family = &kms.Relatives{Primary: k}
	}
	return &keyMetadataOutput{metadataOf(k, family)}, nil
}

// checkKind refuses keys of kinds that are not served.
func (in *createKeyInput) checkKind() error {
	switch {
	case bool(in.CustomKeyStoreID):
		return unsupported("CustomKeyStoreId")
	case bool(in.XKSKeyID):
		return unsupported("XksKeyId")
	case in.Origin != nil && *in.Origin != "AWS_KMS":
		return origami.Errorf(kms.CodeUnsupported, "The origin %s is not supported by this service.", *in.Origin)
	case in.Spec != nil && in.OldSpec != nil:
		return origami.Errorf(kms.CodeValidation, "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is deprecated.")
	}
	spec, usage := symmetric, optional.Value(in.Usage)
	if in.Spec != nil {
		spec = *in.Spec
	}
	if in.OldSpec != nil {
		spec = *in.OldSpec
	}
	switch {
	case spec == symmetric && (usage == "" || usage == "ENCRYPT_DECRYPT"):
		return nil
	case spec == symmetric:
		return origami.Errorf(kms.CodeValidation, "The operation failed because the KeyUsage value of the KMS key is %s. The KeyUsage must be ENCRYPT_DECRYPT for the KeySpec %s.", usage, symmetric)
	case usage == "":
		return origami.Errorf(kms.CodeValidation, "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.")
	}
	return origami.Errorf(kms.CodeUnsupported, "The key spec %s is not supported by this service: keys are %s.", spec, symmetric)
}

type describeKeyInput struct {
	KeyID       *string  `json:"KeyId" valid:"required,min=1,max=2048"`
	GrantTokens []string `json:"GrantTokens" valid:"max=10" each:"min=1,max=8192"`
}

func (h *Handler) describeKey(ctx context.Context, a kms.Access, in *describeKeyInput) (*keyMetadataOutput, error) {
	a.GrantTokens = in.GrantTokens
	k, family, err := h.kms.DescribeKey(ctx, a, *in.KeyID)
	if err != nil {
		return nil, err
	}
	return &keyMetadataOutput{metadataOf(k, family)}, nil
}

// keyInput is of operations about one key.
type keyInput struct {
	KeyID *string `json:"KeyId" valid:"required,min=1,max=2048"`
}

func (h *Handler) enableKey(ctx context.Context, a kms.Access, in *keyInput) (*nothing, error) {
	return &nothing{}, h.kms.EnableKey(ctx, a, *in.KeyID)
}

func (h *Handler) disableKey(ctx context.Context, a kms.Access, in *keyInput) (*nothing, error) {
	return &nothing{}, h.kms.DisableKey(ctx, a, *in.KeyID)
}

type updateKeyDescriptionInput struct {
	KeyID       *string `json:"KeyId" valid:"required,min=1,max=2048"`
	Description *string `json:"Description" valid:"required,max=8192"`
}

func (h *Handler) updateKeyDescription(ctx context.Context, a kms.Access, in *updateKeyDescriptionInput) (*nothing, error) {
	return &nothing{}, h.kms.UpdateKeyDescription(ctx, a, *in.KeyID, *in.Description)
}

type listKeysInput struct {
	Limit  *int32  `json:"Limit" valid:"min=1,max=1000"`
	Marker *string `json:"Marker" valid:"min=1,max=1024"`
}

type listKeysOutput struct {
	Keys       []keyEntry `json:"Keys"`
	NextMarker *string    `json:"NextMarker"`
	Truncated  *bool      `json:"Truncated"`
}

type keyEntry struct {
	KeyID *string `json:"KeyId"`
	ARN   *string `json:"KeyArn"`
}

func (h *Handler) listKeys(ctx context.Context, a kms.Access, in *listKeysInput) (*listKeysOutput, error) {
	after, err := parseMarker("keys", in.Marker)
	if err != nil {
		return nil, err
	}
	keys, more, err := h.kms.ListKeys(ctx, a, after, limitOf(in.Limit, defaultLimit))
	if err != nil {
		return nil, err
	}
	out := &listKeysOutput{Keys: []keyEntry{}, Truncated: &more}
	for _, k := range keys {
		out.Keys = append(out.Keys, keyEntry{new(string(k.ID)), new(k.ARN())})
		after = string(k.ID)
	}
	out.NextMarker = formatMarker("keys", after, more)
	return out, nil
}
