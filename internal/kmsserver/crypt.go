package kmsserver

import (
	"context"
	"crypto/rand"

	"origami"
	"origami/internal/awsjson"
	"origami/internal/kms"
	"origami/internal/optional"
)

type encryptInput struct {
	KeyID       *string           `json:"KeyId" valid:"required,min=1,max=2048"`
	Plaintext   []byte            `json:"Plaintext" valid:"required,min=1,max=4096"`
	Context     map[string]string `json:"EncryptionContext"`
	GrantTokens []string          `json:"GrantTokens" valid:"max=10" each:"min=1,max=8192"`
	Algorithm   *string           `json:"EncryptionAlgorithm" valid:"enum=SYMMETRIC_DEFAULT|RSAES_OAEP_SHA_1|RSAES_OAEP_SHA_256|SM2PKE"`
	DryRun      *bool             `json:"DryRun"`
}

type encryptOutput struct {
	Blob      []byte  `json:"CiphertextBlob"`
	KeyID     *string `json:"KeyId"`
	Algorithm *string `json:"EncryptionAlgorithm"`
}

func (h *Handler) encrypt(ctx context.Context, a kms.Access, in *encryptInput) (*encryptOutput, error) {
	if err := checkAlgorithm(in.Algorithm); err != nil {
		return nil, err
	}
	a.GrantTokens, a.DryRun = in.GrantTokens, optional.Value(in.DryRun)
	c, err := h.kms.Encrypt(ctx, a, *in.KeyID, in.Plaintext, in.Context)
	if err != nil {
		return nil, err
	}
	return &encryptOutput{c.Blob, new(c.Key.ARN()), new(symmetric)}, nil
}

type decryptInput struct {
	Blob            []byte            `json:"CiphertextBlob" valid:"min=1,max=6144"`
	Context         map[string]string `json:"EncryptionContext"`
	GrantTokens     []string          `json:"GrantTokens" valid:"max=10" each:"min=1,max=8192"`
	KeyID           *string           `json:"KeyId" valid:"min=1,max=2048"`
	Algorithm       *string           `json:"EncryptionAlgorithm" valid:"enum=SYMMETRIC_DEFAULT|RSAES_OAEP_SHA_1|RSAES_OAEP_SHA_256|SM2PKE"`
	Recipient       awsjson.Present   `json:"Recipient"`
	DryRun          *bool             `json:"DryRun"`
	DryRunModifiers awsjson.Present   `json:"DryRunModifiers"`
}

type decryptOutput struct {
	KeyID      *string `json:"KeyId"`
	Plaintext  []byte  `json:"Plaintext"`
	Algorithm  *string `json:"EncryptionAlgorithm"`
	MaterialID *string `json:"KeyMaterialId"`
}

func (h *Handler) decrypt(ctx context.Context, a kms.Access, in *decryptInput) (*decryptOutput, error) {
	switch {
	case bool(in.Recipient):
		return nil, unsupported("Recipient")
	case bool(in.DryRunModifiers):
		return nil, unsupported("DryRunModifiers")
	case in.Blob == nil:
		return nil, missing("ciphertextBlob")
	}
	if err := checkAlgorithm(in.Algorithm); err != nil {
		return nil, err
	}
	a.GrantTokens, a.DryRun = in.GrantTokens, optional.Value(in.DryRun)
	p, err := h.kms.Decrypt(ctx, a, optional.Value(in.KeyID), in.Blob, in.Context)
	if err != nil {
		return nil, err
	}
	return &decryptOutput{new(p.Key.ARN()), p.Bytes, new(symmetric), &p.MaterialID}, nil
}

// missing refuses a request without a member that the model does not demand.
func missing(name string) error {
	return origami.Errorf(kms.CodeValidation,
		"1 validation error detected: Value null at '%s' failed to satisfy constraint: Member must not be null", name)
}

type generateDataKeyInput struct {
	KeyID       *string           `json:"KeyId" valid:"required,min=1,max=2048"`
	Context     map[string]string `json:"EncryptionContext"`
	Bytes       *int32            `json:"NumberOfBytes" valid:"min=1,max=1024"`
	Spec        *string           `json:"KeySpec" valid:"enum=AES_256|AES_128"`
	GrantTokens []string          `json:"GrantTokens" valid:"max=10" each:"min=1,max=8192"`
	Recipient   awsjson.Present   `json:"Recipient"`
	DryRun      *bool             `json:"DryRun"`
}

type generateDataKeyOutput struct {
	Blob       []byte  `json:"CiphertextBlob"`
	Plaintext  []byte  `json:"Plaintext"`
	KeyID      *string `json:"KeyId"`
	MaterialID *string `json:"KeyMaterialId"`
}

func (h *Handler) generateDataKey(ctx context.Context, a kms.Access, in *generateDataKeyInput) (*generateDataKeyOutput, error) {
	return h.generate(ctx, a, in, "GenerateDataKey")
}

func (h *Handler) generateDataKeyWithoutPlaintext(ctx context.Context, a kms.Access, in *generateDataKeyInput) (*generateDataKeyOutput, error) {
	out, err := h.generate(ctx, a, in, "GenerateDataKeyWithoutPlaintext")
	if err != nil {
		return nil, err
	}
	out.Plaintext = nil
	return out, nil
}

func (h *Handler) generate(ctx context.Context, a kms.Access, in *generateDataKeyInput, action string) (*generateDataKeyOutput, error) {
	if in.Recipient {
		return nil, unsupported("Recipient")
	}
	if (in.Bytes == nil) == (in.Spec == nil) {
		return nil, origami.Errorf(kms.CodeValidation, "Please specify either number of bytes or key spec.")
	}
	n := int(optional.Value(in.Bytes))
	if in.Spec != nil {
		n = map[string]int{"AES_256": 32, "AES_128": 16}[*in.Spec]
	}
	a.GrantTokens, a.DryRun = in.GrantTokens, optional.Value(in.DryRun)
	c, plain, err := h.kms.GenerateDataKey(ctx, a, action, *in.KeyID, n, in.Context)
	if err != nil {
		return nil, err
	}
	return &generateDataKeyOutput{c.Blob, plain, new(c.Key.ARN()), &c.MaterialID}, nil
}

type reEncryptInput struct {
	Blob            []byte            `json:"CiphertextBlob" valid:"min=1,max=6144"`
	Context         map[string]string `json:"SourceEncryptionContext"`
	Source          *string           `json:"SourceKeyId" valid:"min=1,max=2048"`
	Destination     *string           `json:"DestinationKeyId" valid:"required,min=1,max=2048"`
	NewContext      map[string]string `json:"DestinationEncryptionContext"`
	Algorithm       *string           `json:"SourceEncryptionAlgorithm" valid:"enum=SYMMETRIC_DEFAULT|RSAES_OAEP_SHA_1|RSAES_OAEP_SHA_256|SM2PKE"`
	NewAlgorithm    *string           `json:"DestinationEncryptionAlgorithm" valid:"enum=SYMMETRIC_DEFAULT|RSAES_OAEP_SHA_1|RSAES_OAEP_SHA_256|SM2PKE"`
	GrantTokens     []string          `json:"GrantTokens" valid:"max=10" each:"min=1,max=8192"`
	DryRun          *bool             `json:"DryRun"`
	DryRunModifiers awsjson.Present   `json:"DryRunModifiers"`
}

type reEncryptOutput struct {
	Blob          []byte  `json:"CiphertextBlob"`
	Source        *string `json:"SourceKeyId"`
	KeyID         *string `json:"KeyId"`
	Algorithm     *string `json:"SourceEncryptionAlgorithm"`
	NewAlgorithm  *string `json:"DestinationEncryptionAlgorithm"`
	MaterialID    *string `json:"SourceKeyMaterialId"`
	NewMaterialID *string `json:"DestinationKeyMaterialId"`
}

func (h *Handler) reEncrypt(ctx context.Context, a kms.Access, in *reEncryptInput) (*reEncryptOutput, error) {
	if in.DryRunModifiers {
		return nil, unsupported("DryRunModifiers")
	}
	if in.Blob == nil {
		return nil, missing("ciphertextBlob")
	}
	for _, name := range []*string{in.Algorithm, in.NewAlgorithm} {
		if err := checkAlgorithm(name); err != nil {
			return nil, err
		}
	}
	a.GrantTokens, a.DryRun = in.GrantTokens, optional.Value(in.DryRun)
	from, to, err := h.kms.ReEncrypt(ctx, a, kms.ReEncryption{
		Blob: in.Blob, Source: optional.Value(in.Source), Context: in.Context, Destination: *in.Destination, NewContext: in.NewContext,
	})
	if err != nil {
		return nil, err
	}
	return &reEncryptOutput{
		to.Blob, new(from.Key.ARN()), new(to.Key.ARN()), new(symmetric), new(symmetric), &from.MaterialID, &to.MaterialID,
	}, nil
}

type generateRandomInput struct {
	Bytes            *int32          `json:"NumberOfBytes" valid:"required,min=1,max=1024"`
	CustomKeyStoreID awsjson.Present `json:"CustomKeyStoreId"`
	Recipient        awsjson.Present `json:"Recipient"`
}

type generateRandomOutput struct {
	Plaintext []byte `json:"Plaintext"`
}

func (h *Handler) generateRandom(ctx context.Context, a kms.Access, in *generateRandomInput) (*generateRandomOutput, error) {
	switch {
	case bool(in.CustomKeyStoreID):
		return nil, unsupported("CustomKeyStoreId")
	case bool(in.Recipient):
		return nil, unsupported("Recipient")
	}
	if err := h.kms.MayGenerateRandom(ctx, a); err != nil {
		return nil, err
	}
	b := make([]byte, *in.Bytes)
	rand.Read(b)
	return &generateRandomOutput{b}, nil
}
