package kms_test

import (
	"bytes"
	"testing"

	"origami"
	"origami/internal/kms"
)

func TestEncryptDecrypt(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	a := root(alice, east)
	k, other := r.create(a, kms.NewKey{}), r.create(a, kms.NewKey{})
	bound := kms.Context{"name": "value", "other": "thing"}
	for _, n := range []int{1, 32, kms.MaxPlaintext} {
		plain := bytes.Repeat([]byte{byte(n)}, n)
		out, err := r.Encrypt(t.Context(), a, string(k.ID), plain, bound)
		if err != nil {
			t.Fatal(err)
		}
		if out.Key.ID != k.ID || out.MaterialID != k.MaterialID || n > 8 && bytes.Contains(out.Blob, plain) || len(out.Blob) > 6144 {
			t.Errorf("%d bytes: got %+v", n, out)
		}
		for _, ref := range []string{"", string(k.ID), k.ARN()} {
			got, err := r.Decrypt(t.Context(), a, ref, out.Blob, bound)
			if err != nil || !bytes.Equal(got.Bytes, plain) || got.Key.ID != k.ID || got.MaterialID != k.MaterialID {
				t.Errorf("%d bytes, key %q: got %+v, %v", n, ref, got, err)
			}
		}
	}
	out, err := r.Encrypt(t.Context(), a, k.ARN(), []byte("x"), bound)
	if err != nil {
		t.Fatal(err)
	}
	bent := func(i int) []byte {
		b := bytes.Clone(out.Blob)
		b[i] ^= 1
		return b
	}
	last := len(out.Blob) - 1
	tests := []struct {
		name string
		ref  string
		blob []byte
		c    kms.Context
		code origami.Code
	}{
		{"other key", string(other.ID), out.Blob, bound, kms.CodeIncorrectKey},
		{"no key", "00000000-0000-0000-0000-000000000000", out.Blob, bound, kms.CodeNotFound},
		{"no context", "", out.Blob, nil, kms.CodeInvalidCiphertext},
		{"less context", "", out.Blob, kms.Context{"name": "value"}, kms.CodeInvalidCiphertext},
		{"more context", "", out.Blob, kms.Context{"name": "value", "other": "thing", "x": "y"}, kms.CodeInvalidCiphertext},
		{"context cut elsewhere", "", out.Blob, kms.Context{"namevalue": "", "other": "thing"}, kms.CodeInvalidCiphertext},
		{"tag bent", "", bent(last), bound, kms.CodeInvalidCiphertext},
		{"body bent", "", bent(last - 16), bound, kms.CodeInvalidCiphertext},
		{"salt bent", "", bent(30), bound, kms.CodeInvalidCiphertext},
		{"material bent", "", bent(21), bound, kms.CodeInvalidCiphertext},
		{"key bent", "", bent(5), bound, kms.CodeAccessDenied},
		{"flags bent", "", bent(1), bound, kms.CodeAccessDenied},
		{"version bent", "", bent(0), bound, kms.CodeInvalidCiphertext},
		{"cut", "", out.Blob[:last], bound, kms.CodeInvalidCiphertext},
		{"longer", "", append(bytes.Clone(out.Blob), 0), bound, kms.CodeInvalidCiphertext},
		{"nothing", "", nil, bound, kms.CodeInvalidCiphertext},
		{"large context", "", out.Blob, kms.Context{"a": string(make([]byte, 8192))}, kms.CodeValidation},
	}
	for _, tt := range tests {
		got, err := r.Decrypt(t.Context(), a, tt.ref, tt.blob, tt.c)
		wantCode(t, tt.name, err, tt.code)
		if got != nil {
			t.Errorf("%s: got a plaintext", tt.name)
		}
	}
	_, err = r.Decrypt(t.Context(), root(alice, west), "", out.Blob, bound)
	wantCode(t, "other region", err, kms.CodeAccessDenied)
	_, err = r.Decrypt(t.Context(), root(bob, east), "", out.Blob, bound)
	wantCode(t, "other account", err, kms.CodeAccessDenied)
	for _, n := range []int{0, kms.MaxPlaintext + 1} {
		_, err := r.Encrypt(t.Context(), a, string(k.ID), make([]byte, n), nil)
		wantCode(t, "size", err, kms.CodeValidation)
	}
}

func TestGenerateDataKey(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	a := root(alice, east)
	k := r.create(a, kms.NewKey{})
	for _, n := range []int{1, 16, 32, 1024} {
		out, plain, err := r.GenerateDataKey(t.Context(), a, "GenerateDataKey", string(k.ID), n, kms.Context{"a": "b"})
		if err != nil || len(plain) != n {
			t.Fatalf("%d bytes: got %d, %v", n, len(plain), err)
		}
		got, err := r.Decrypt(t.Context(), a, "", out.Blob, kms.Context{"a": "b"})
		if err != nil || !bytes.Equal(got.Bytes, plain) {
			t.Errorf("%d bytes: got %v, %v, want %x", n, got, err, plain)
		}
	}
	for _, n := range []int{0, -1, 1025} {
		_, _, err := r.GenerateDataKey(t.Context(), a, "GenerateDataKey", string(k.ID), n, nil)
		wantCode(t, "size", err, kms.CodeValidation)
	}
}

func TestReEncrypt(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	a := root(alice, east)
	k, other := r.create(a, kms.NewKey{}), r.create(a, kms.NewKey{})
	first, err := r.Encrypt(t.Context(), a, string(k.ID), []byte("secret"), kms.Context{"old": "1"})
	if err != nil {
		t.Fatal(err)
	}
	in := kms.ReEncryption{Blob: first.Blob, Context: kms.Context{"old": "1"}, Destination: other.ARN(), NewContext: kms.Context{"new": "2"}}
	from, to, err := r.ReEncrypt(t.Context(), a, in)
	if err != nil || from.Key.ID != k.ID || from.Bytes != nil || to.Key.ID != other.ID {
		t.Fatalf("got %+v, %+v, %v", from, to, err)
	}
	got, err := r.Decrypt(t.Context(), a, string(other.ID), to.Blob, kms.Context{"new": "2"})
	if err != nil || string(got.Bytes) != "secret" {
		t.Errorf("got %+v, %v", got, err)
	}
	in.Context = nil
	_, _, err = r.ReEncrypt(t.Context(), a, in)
	wantCode(t, "without the old context", err, kms.CodeInvalidCiphertext)
	in.Context, in.Source = kms.Context{"old": "1"}, other.ARN()
	_, _, err = r.ReEncrypt(t.Context(), a, in)
	wantCode(t, "with another source", err, kms.CodeIncorrectKey)
}

// Every use of a key in each state has AWS's code.
func TestStates(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx, a := t.Context(), root(alice, east)
	k := r.create(a, kms.NewKey{})
	id := string(k.ID)
	before, err := r.Encrypt(ctx, a, id, []byte("x"), nil)
	if err != nil {
		t.Fatal(err)
	}
	uses := map[string]func() error{
		"Encrypt":         func() error { _, err := r.Encrypt(ctx, a, id, []byte("x"), nil); return err },
		"Decrypt":         func() error { _, err := r.Decrypt(ctx, a, "", before.Blob, nil); return err },
		"GenerateDataKey": func() error { _, _, err := r.GenerateDataKey(ctx, a, "GenerateDataKey", id, 32, nil); return err },
		"ReEncrypt": func() error {
			_, _, err := r.ReEncrypt(ctx, a, kms.ReEncryption{Blob: before.Blob, Destination: id})
			return err
		},
		"CreateGrant": func() error {
			_, _, err := r.CreateGrant(ctx, a, kms.NewGrant{Key: id, Grantee: root(bob, east).Caller.ARN, Operations: []string{"Decrypt"}})
			return err
		},
		"EnableKeyRotation": func() error { return r.EnableKeyRotation(ctx, a, id, 0) },
	}
	changes := map[string]func() error{
		"TagResource":          func() error { return r.TagResource(ctx, a, id, origami.Tags{"a": "b"}) },
		"UpdateKeyDescription": func() error { return r.UpdateKeyDescription(ctx, a, id, "x") },
	}
	steps := []struct {
		name         string
		do           func() error
		state        origami.KMSKeyState
		use, changed origami.Code
	}{
		{"new", func() error { return nil }, origami.KMSKeyEnabled, "", ""},
		{"disabled", func() error { return r.DisableKey(ctx, a, id) }, origami.KMSKeyDisabled, kms.CodeDisabled, ""},
		{"enabled", func() error { return r.EnableKey(ctx, a, id) }, origami.KMSKeyEnabled, "", ""},
		{"scheduled", func() error { _, err := r.ScheduleKeyDeletion(ctx, a, id, 7); return err },
			origami.KMSKeyPendingDeletion, kms.CodeInvalidState, kms.CodeInvalidState},
		{"cancelled", func() error { _, err := r.CancelKeyDeletion(ctx, a, id); return err }, origami.KMSKeyDisabled, kms.CodeDisabled, ""},
	}
	for _, step := range steps {
		wantCode(t, step.name, step.do(), "")
		got, _, err := r.DescribeKey(ctx, a, id)
		if err != nil || got.State != step.state {
			t.Errorf("%s: got %+v, %v, want state %s", step.name, got, err, step.state)
		}
		for name, use := range uses {
			wantCode(t, step.name+": "+name, use(), step.use)
		}
		for name, change := range changes {
			wantCode(t, step.name+": "+name, change(), step.changed)
		}
	}
}
