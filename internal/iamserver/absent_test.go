package iamserver_test

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
)

// TestAbsent asks for what nobody has, as clients do that empty an account.
//
//origami:proves iam:ListAccountAliases iam:ListMFADevices iam:ListVirtualMFADevices iam:ListSSHPublicKeys
//origami:proves iam:ListSigningCertificates iam:ListServiceSpecificCredentials iam:ListSAMLProviders
//origami:proves iam:ListOpenIDConnectProviders iam:ListServerCertificates iam:GetLoginProfile iam:DeleteLoginProfile
//origami:proves iam:GetAccountPasswordPolicy
func TestAbsent(t *testing.T) {
	t.Parallel()
	i := open(t)
	c := i.a
	if _, err := c.CreateUser(t.Context(), &sdk.CreateUserInput{UserName: aws.String("u")}); err != nil {
		t.Fatal(err)
	}
	// Each field of an answer that is a list is the empty one of its operation.
	for list, ask := range map[string]func(ctx context.Context, user *string) (any, error){
		"AccountAliases":    func(ctx context.Context, _ *string) (any, error) { return c.ListAccountAliases(ctx, nil) },
		"VirtualMFADevices": func(ctx context.Context, _ *string) (any, error) { return c.ListVirtualMFADevices(ctx, nil) },
		"SAMLProviderList":  func(ctx context.Context, _ *string) (any, error) { return c.ListSAMLProviders(ctx, nil) },
		"OpenIDConnectProviderList": func(ctx context.Context, _ *string) (any, error) {
			return c.ListOpenIDConnectProviders(ctx, nil)
		},
		"ServerCertificateMetadataList": func(ctx context.Context, _ *string) (any, error) {
			return c.ListServerCertificates(ctx, nil)
		},
		"MFADevices of": func(ctx context.Context, user *string) (any, error) {
			return c.ListMFADevices(ctx, &sdk.ListMFADevicesInput{UserName: user})
		},
		"SSHPublicKeys of": func(ctx context.Context, user *string) (any, error) {
			return c.ListSSHPublicKeys(ctx, &sdk.ListSSHPublicKeysInput{UserName: user})
		},
		"Certificates of": func(ctx context.Context, user *string) (any, error) {
			return c.ListSigningCertificates(ctx, &sdk.ListSigningCertificatesInput{UserName: user})
		},
		"ServiceSpecificCredentials of": func(ctx context.Context, user *string) (any, error) {
			return c.ListServiceSpecificCredentials(ctx, &sdk.ListServiceSpecificCredentialsInput{UserName: user})
		},
	} {
		list, ofUser := strings.CutSuffix(list, " of")
		out, err := ask(t.Context(), aws.String("u"))
		if err != nil {
			t.Errorf("%s: %v", list, err)
			continue
		}
		if got := reflect.ValueOf(out).Elem().FieldByName(list); got.IsNil() || got.Len() != 0 {
			t.Errorf("%s: got %v", list, got)
		}
		if !ofUser {
			continue
		}
		if _, err := ask(t.Context(), nil); err != nil {
			t.Errorf("%s of the root: %v", list, err)
		}
		if _, err := ask(t.Context(), aws.String("v")); code(err) != "NoSuchEntity" {
			t.Errorf("%s of nobody: got error %v", list, err)
		}
	}
	says := func(err error, want string) {
		t.Helper()
		if !strings.HasSuffix(fmt.Sprint(err), "NoSuchEntity: "+want) {
			t.Errorf("got error %v, want %s", err, want)
		}
	}
	user := aws.String("u")
	_, err := c.GetLoginProfile(t.Context(), &sdk.GetLoginProfileInput{UserName: user})
	says(err, "Login Profile for User u cannot be found.")
	_, err = c.DeleteLoginProfile(t.Context(), &sdk.DeleteLoginProfileInput{UserName: user})
	says(err, "Login Profile for User u cannot be found.")
	_, err = c.DeleteLoginProfile(t.Context(), &sdk.DeleteLoginProfileInput{UserName: aws.String("v")})
	says(err, "The user with name v cannot be found.")
	_, err = c.GetAccountPasswordPolicy(t.Context(), nil)
	says(err, "The Password Policy with domain name "+string(c.account)+" cannot be found.")
}
