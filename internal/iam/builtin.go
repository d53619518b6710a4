package iam

import (
	"time"

	"origami"
)

// builtins are the managed policies that every account can use, under the names
// that tools give them, by ARN.
var builtins = func() map[string]*origami.Policy {
	out := make(map[string]*origami.Policy)
	for n, b := range [...]struct{ name, description, statements string }{
		{"AdministratorAccess", "Everything.", `{"Effect":"Allow","Action":"*","Resource":"*"}`},
		{"PowerUserAccess", "Everything but identities and accounts.",
			`{"Effect":"Allow","NotAction":["iam:*","organizations:*","account:*"],"Resource":"*"},` +
				`{"Effect":"Allow","Action":["iam:ListRoles","iam:GetAccountSummary"],"Resource":"*"}`},
		{"ReadOnlyAccess", "Every look, and no change.",
			`{"Effect":"Allow","Action":["ec2:Describe*","ec2:Get*","ec2:List*","ec2:Search*","ebs:Get*","ebs:List*","iam:Get*","iam:List*",` +
				`"kms:Describe*","kms:Get*","kms:List*","rbin:Get*","rbin:List*","s3:Get*","s3:List*","ssm:Describe*","ssm:Get*","ssm:List*",` +
				`"sts:GetAccessKeyInfo","sts:GetCallerIdentity"],"Resource":"*"}`},
		{"AmazonEC2FullAccess", "Everything in EC2.", `{"Effect":"Allow","Action":"ec2:*","Resource":"*"}`},
		{"AmazonEC2ReadOnlyAccess", "Every look in EC2.", `{"Effect":"Allow","Action":["ec2:Describe*","ec2:Get*","ec2:List*"],"Resource":"*"}`},
		{"IAMFullAccess", "Everything in IAM.", `{"Effect":"Allow","Action":"iam:*","Resource":"*"}`},
		{"IAMReadOnlyAccess", "Every look in IAM.", `{"Effect":"Allow","Action":["iam:Get*","iam:List*"],"Resource":"*"}`},
	} {
		created := time.Date(2015, 2, 6, 18, 40, n, 0, time.UTC)
		p := &origami.Policy{
			ID: "ANPA" + "BUILTINAAAAAAAAA" + string(rune('A'+n)), Account: "aws", Path: "/", Name: b.name, Description: b.description,
			Created: created, Updated: created, Default: 1, Last: 1,
			Versions: []origami.PolicyVersion{{Number: 1, Document: `{"Version":"2012-10-17","Statement":[` + b.statements + `]}`, Created: created}},
		}
		out[p.ARN()] = p
	}
	return out
}()
