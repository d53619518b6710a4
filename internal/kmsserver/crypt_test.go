package kmsserver_test

import (
	"bytes"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

//origami:proves kms:Encrypt kms:Decrypt kms:GenerateDataKey kms:GenerateDataKeyWithoutPlaintext kms:ReEncrypt kms:GenerateRandom
func TestCrypt(t *testing.T) {
	t.Parallel()
	x := newInstallation(t)
	ctx, c := t.Context(), x.client(alice, east)
	id, arn := x.key(c)
	_, other := x.key(c)
	bound := map[string]string{"purpose": "test"}
	sealed := must[*sdk.EncryptOutput](t)(c.Encrypt(ctx, &sdk.EncryptInput{KeyId: &id, Plaintext: []byte("secret"), EncryptionContext: bound}))
	if *sealed.KeyId != arn || sealed.EncryptionAlgorithm != types.EncryptionAlgorithmSpecSymmetricDefault {
		t.Errorf("encrypt: got %+v", sealed)
	}
	x.restart()
	opened := must[*sdk.DecryptOutput](t)(c.Decrypt(ctx, &sdk.DecryptInput{CiphertextBlob: sealed.CiphertextBlob, EncryptionContext: bound}))
	if string(opened.Plaintext) != "secret" || *opened.KeyId != arn || len(*opened.KeyMaterialId) != 64 {
		t.Errorf("decrypt: got %+v", opened)
	}
	moved := must[*sdk.ReEncryptOutput](t)(c.ReEncrypt(ctx, &sdk.ReEncryptInput{
		CiphertextBlob: sealed.CiphertextBlob, SourceEncryptionContext: bound, DestinationKeyId: &other,
	}))
	if *moved.SourceKeyId != arn || *moved.KeyId != other {
		t.Errorf("re-encrypt: got %+v", moved)
	}
	opened = must[*sdk.DecryptOutput](t)(c.Decrypt(ctx, &sdk.DecryptInput{CiphertextBlob: moved.CiphertextBlob, KeyId: &other}))
	if string(opened.Plaintext) != "secret" {
		t.Errorf("decrypt what was re-encrypted: got %+v", opened)
	}
	for _, in := range []sdk.GenerateDataKeyInput{{KeySpec: types.DataKeySpecAes256}, {KeySpec: types.DataKeySpecAes128}, {NumberOfBytes: aws.Int32(77)}} {
		in.KeyId = &id
		made := must[*sdk.GenerateDataKeyOutput](t)(c.GenerateDataKey(ctx, &in))
		want := map[types.DataKeySpec]int{types.DataKeySpecAes256: 32, types.DataKeySpecAes128: 16, "": 77}[in.KeySpec]
		opened := must[*sdk.DecryptOutput](t)(c.Decrypt(ctx, &sdk.DecryptInput{CiphertextBlob: made.CiphertextBlob}))
		if len(made.Plaintext) != want || !bytes.Equal(made.Plaintext, opened.Plaintext) {
			t.Errorf("data key: got %d bytes, want %d", len(made.Plaintext), want)
		}
	}
	blind := must[*sdk.GenerateDataKeyWithoutPlaintextOutput](t)(c.GenerateDataKeyWithoutPlaintext(ctx, &sdk.GenerateDataKeyWithoutPlaintextInput{
		KeyId: &id, KeySpec: types.DataKeySpecAes256,
	}))
	opened = must[*sdk.DecryptOutput](t)(c.Decrypt(ctx, &sdk.DecryptInput{CiphertextBlob: blind.CiphertextBlob}))
	if len(opened.Plaintext) != 32 {
		t.Errorf("data key without plaintext: got %d bytes", len(opened.Plaintext))
	}
	if out := must[*sdk.GenerateRandomOutput](t)(c.GenerateRandom(ctx, &sdk.GenerateRandomInput{NumberOfBytes: aws.Int32(20)})); len(out.Plaintext) != 20 {
		t.Errorf("random: got %d bytes", len(out.Plaintext))
	}
}

func TestCryptRefusals(t *testing.T) {
	t.Parallel()
	x := newInstallation(t)
	ctx, c := t.Context(), x.client(alice, east)
	id, _ := x.key(c)
	other, _ := x.key(c)
	sealed := must[*sdk.EncryptOutput](t)(c.Encrypt(ctx, &sdk.EncryptInput{KeyId: &id, Plaintext: []byte("secret")})).CiphertextBlob
	encrypt := func(in sdk.EncryptInput) func() error {
		return func() error { _, err := c.Encrypt(ctx, &in); return err }
	}
	decrypt := func(in sdk.DecryptInput) func() error {
		return func() error { _, err := c.Decrypt(ctx, &in); return err }
	}
	generate := func(in sdk.GenerateDataKeyInput) func() error {
		in.KeyId = &id
		return func() error { _, err := c.GenerateDataKey(ctx, &in); return err }
	}
	tests := []struct {
		name string
		do   func() error
		code string
	}{
		{"nothing", encrypt(sdk.EncryptInput{KeyId: &id, Plaintext: []byte{}}), "ValidationException"},
		{"too much", encrypt(sdk.EncryptInput{KeyId: &id, Plaintext: make([]byte, 4097)}), "ValidationException"},
		{"algorithm", encrypt(sdk.EncryptInput{KeyId: &id, Plaintext: []byte("x"), EncryptionAlgorithm: types.EncryptionAlgorithmSpecRsaesOaepSha256}), "InvalidKeyUsageException"},
		{"unknown algorithm", encrypt(sdk.EncryptInput{KeyId: &id, Plaintext: []byte("x"), EncryptionAlgorithm: "ROT13"}), "ValidationException"},
		{"grant token", encrypt(sdk.EncryptInput{KeyId: &id, Plaintext: []byte("x"), GrantTokens: []string{"x"}}), "InvalidGrantTokenException"},
		{"dry run", encrypt(sdk.EncryptInput{KeyId: &id, Plaintext: []byte("x"), DryRun: aws.Bool(true)}), "DryRunOperationException"},
		{"dry run of nothing", encrypt(sdk.EncryptInput{KeyId: aws.String("alias/none"), Plaintext: []byte("x"), DryRun: aws.Bool(true)}), "NotFoundException"},
		{"no ciphertext", decrypt(sdk.DecryptInput{}), "ValidationException"},
		{"not ours", decrypt(sdk.DecryptInput{CiphertextBlob: []byte("hello")}), "InvalidCiphertextException"},
		{"context", decrypt(sdk.DecryptInput{CiphertextBlob: sealed, EncryptionContext: map[string]string{"a": "b"}}), "InvalidCiphertextException"},
		{"other key", decrypt(sdk.DecryptInput{CiphertextBlob: sealed, KeyId: &other}), "IncorrectKeyException"},
		{"recipient", decrypt(sdk.DecryptInput{CiphertextBlob: sealed, Recipient: &types.RecipientInfo{AttestationDocument: []byte("x")}}), "UnsupportedOperationException"},
		{"dry run of decrypt", decrypt(sdk.DecryptInput{CiphertextBlob: sealed, DryRun: aws.Bool(true)}), "DryRunOperationException"},
		{"no size", generate(sdk.GenerateDataKeyInput{}), "ValidationException"},
		{"two sizes", generate(sdk.GenerateDataKeyInput{NumberOfBytes: aws.Int32(1), KeySpec: types.DataKeySpecAes128}), "ValidationException"},
		{"size", generate(sdk.GenerateDataKeyInput{NumberOfBytes: aws.Int32(1025)}), "ValidationException"},
		{"dry run of a data key", generate(sdk.GenerateDataKeyInput{NumberOfBytes: aws.Int32(1), DryRun: aws.Bool(true)}), "DryRunOperationException"},
	}
	for _, tt := range tests {
		wantCode(t, tt.name, tt.do(), tt.code)
	}
}
