package ami_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"origami"
	"origami/internal/ami"
	"origami/internal/ebs"
	"origami/internal/iam"
	"origami/internal/instance/instancetest"
	"origami/internal/kms"
	"origami/internal/metadb"
)

// explain tells what bob may do, in words.
func explain(t *testing.T, r *instancetest.Region, id origami.ImageID, account origami.AccountID) string {
	t.Helper()
	var out []ami.Access
	err := r.DB.View(t.Context(), func(tx *metadb.Tx) (err error) {
		out, err = ami.Explain(tx, time.Now(), ebs.Keys{DB: r.DB, KMS: r.KMS}, region, id, []origami.AccountID{account})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) != 1 || out[0].Account != account {
		t.Fatalf("got %+v, want one about %s", out, account)
	}
	var words []string
	for _, v := range []ami.Verdict{out[0].Discover, out[0].Launch, out[0].Copy} {
		words = append(words, fmt.Sprintf("%v %s %s", v.Allowed, v.Code, v.Reason))
	}
	return strings.Join(words, "; ")
}

// TestExplain gives the reason of each refusal, and agrees with what enforces
// it.
func TestExplain(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	accounts := iam.New(r.DB)
	boss, _, err := accounts.CreateAccount(t.Context(), "boss")
	if err != nil {
		t.Fatal(err)
	}
	o, err := accounts.CreateOrganization(t.Context(), boss.ID)
	if err != nil {
		t.Fatal(err)
	}
	snap := snapshot(t, r, alice, 1)
	img := image(t, r, alice, "image", snap)
	past := time.Now().Add(-time.Hour)
	const none, yes = "false InvalidAMIID.NotFound ", "true  "
	unreadable := "false InvalidRequest the snapshot " + string(snap) + " is not shared with account " + string(bob.Account)
	private := func(who origami.AccountID) string {
		why := "the image is not shared with account " + string(who)
		return none + why + "; false AuthFailure " + why + "; false AuthFailure " + why
	}
	change := func(f func(*origami.Image)) {
		change(t, r, img.ID, func(m *origami.Image) {
			m.State, m.Bin, m.DeprecationTime, m.ProductCodes = origami.ImageAvailable, nil, time.Time{}, nil
			m.Grant(origami.Grants{})
			f(m)
		})
	}
	for _, tt := range []struct {
		name   string
		change func(*origami.Image)
		who    origami.AccountID
		want   string
	}{
		{"owner", func(*origami.Image) {}, alice.Account, yes + "the account owns the image; " + yes + "the account owns the image; " + yes + "the account owns the image"},
		{"private", func(*origami.Image) {}, bob.Account, private(bob.Account)},
		{"shared", func(m *origami.Image) { m.SharedWith = []origami.AccountID{bob.Account} }, bob.Account,
			yes + "the image is shared with the account; " + yes + "the image is shared with the account; " + unreadable},
		{"public", func(m *origami.Image) { m.Public = true }, bob.Account, yes + "the image is public; " + yes + "the image is public; " + unreadable},
		{"deprecated", func(m *origami.Image) { m.Public, m.DeprecationTime = true, past }, bob.Account,
			"false  the image is deprecated since " + past.Format(time.RFC3339) + ": lists show it only with IncludeDeprecated; " + yes + "the image is public; " + unreadable},
		{"disabled, to its owner", func(m *origami.Image) { m.State = origami.ImageDisabled }, alice.Account,
			"false  the image is disabled: lists show it only with IncludeDisabled; false InvalidAMIID.Unavailable the image is disabled; " + yes + "the account owns the image"},
		{"disabled", func(m *origami.Image) { m.State = origami.ImageDisabled }, bob.Account,
			none + "the image is disabled, and only its owner sees it; false AuthFailure the image is disabled, and only its owner sees it; false AuthFailure the image is disabled, and only its owner sees it"},
		{"pending", func(m *origami.Image) { m.State = origami.ImagePending }, alice.Account,
			yes + "the account owns the image; false InvalidAMIID.Unavailable the image is pending; false InvalidRequest the image is pending"},
		{"organization", func(m *origami.Image) { m.Organizations = []origami.OrganizationARN{o.ARN()} }, boss.ID,
			yes + "the image is shared with " + string(o.ARN()) + "; " + yes + "the image is shared with " + string(o.ARN()) + "; " + strings.ReplaceAll(unreadable, string(bob.Account), string(boss.ID))},
		{"organization, from outside", func(m *origami.Image) { m.Organizations = []origami.OrganizationARN{o.ARN()} }, bob.Account, private(bob.Account)},
		{"product", func(m *origami.Image) {
			m.Public, m.ProductCodes = true, []origami.ProductCode{{Code: "x", Type: "marketplace"}}
		}, bob.Account, yes + "the image is public; " + yes + "the image is public; false InvalidRequest Images from AWS Marketplace cannot be copied to another AWS account"},
		{"in the bin", func(m *origami.Image) {
			m.State, m.Bin = origami.ImageBinned, &origami.BinStay{Entered: past, Exit: time.Date(2100, 1, 2, 3, 4, 5, 0, time.UTC)}
		}, alice.Account, "false  the image is in the recycle bin until 2100-01-02T03:04:05Z; false InvalidAMIID.Unavailable the image is in the recycle bin until 2100-01-02T03:04:05Z; " +
			"false InvalidAMIID.Unavailable the image is in the recycle bin until 2100-01-02T03:04:05Z"},
		{"deregistered", func(m *origami.Image) { m.State = origami.ImageDeregistered }, alice.Account,
			"false  the image is deregistered; false InvalidAMIID.Unavailable the image is deregistered; false InvalidAMIID.Unavailable the image is deregistered"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			change(tt.change)
			got := explain(t, r, img.ID, tt.who)
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			launch := resolve(r, origami.Caller{Account: tt.who, Region: region}, img.ID)
			if allowed := strings.HasPrefix(strings.Split(got, "; ")[1], "true"); allowed != (launch == nil) {
				t.Errorf("explained as %v, and launching gives %v", allowed, launch)
			}
		})
	}

	change(func(m *origami.Image) { m.Public = true })
	err = r.Update(func(tx *metadb.Tx) error {
		_, err := tx.UpdateSnapshot(region, snap, func(s *origami.Snapshot) error { s.Public = true; return nil })
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := explain(t, r, img.ID, bob.Account), strings.Repeat("; true  the image is public", 3)[2:]; got != want {
		t.Errorf("with the snapshot shared: got %s, want %s", got, want)
	}
	err = r.Update(func(tx *metadb.Tx) error { return r.AMI.SetAllowedImages(tx, bob, origami.AllowedImagesEnabled) })
	if err != nil {
		t.Fatal(err)
	}
	why := "the Allowed AMIs settings of account " + string(bob.Account) + " do not allow the image"
	if got, want := explain(t, r, img.ID, bob.Account), none+why+"; false AuthFailure "+why+"; false AuthFailure "+why; got != want {
		t.Errorf("with Allowed AMIs: got %s, want %s", got, want)
	}
	err = r.DB.View(t.Context(), func(tx *metadb.Tx) error {
		_, err := ami.Explain(tx, time.Now(), ebs.Keys{DB: r.DB, KMS: r.KMS}, region, "ami-01234567", nil)
		return err
	})
	wantError(t, err, origami.CodeInvalidAMIIDNotFound, "")
}

// TestExplainKeys tells who may use an encrypted image but not its key, and when
// nobody may.
func TestExplainKeys(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	ctx := t.Context()
	owner := kms.Access{Caller: origami.Caller{Account: alice.Account, Region: region, ARN: iam.RootARN(alice.Account), UserID: string(alice.Account)}}
	k, err := r.KMS.CreateKey(ctx, owner, kms.NewKey{})
	if err != nil {
		t.Fatal(err)
	}
	snap := snapshot(t, r, alice, 1)
	img := image(t, r, alice, "image", snap)
	err = r.Update(func(tx *metadb.Tx) error {
		_, err := tx.UpdateSnapshot(region, snap, func(s *origami.Snapshot) error {
			s.Encrypted, s.KMSKey, s.SharedWith = true, k.ARN(), []origami.AccountID{bob.Account}
			return nil
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	change(t, r, img.ID, func(m *origami.Image) { m.SharedWith = []origami.AccountID{bob.Account} })
	const shared, mine = "true  the image is shared with the account", "true  the account owns the image"
	all := func(word string) string { return word + "; " + word + "; " + word }
	sealed := func(first, launch, reason string, who origami.AccountID) string {
		why := fmt.Sprintf(" account %s cannot use the key %s of the snapshot %s: %s", who, k.ARN(), snap, reason)
		return first + "; false " + launch + why + "; false Client.InternalError" + why
	}
	wants := func(what string, who origami.AccountID, want string) {
		t.Helper()
		if got := explain(t, r, img.ID, who); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", what, got, want)
		}
	}
	step := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	step(r.Update(func(tx *metadb.Tx) error { // policies name accounts that there are
		now := tx.Now().Truncate(time.Second)
		return errors.Join(tx.PutAccount(&origami.Account{ID: alice.Account, Name: "alice", Created: now}),
			tx.PutAccount(&origami.Account{ID: bob.Account, Name: "bob", Created: now}))
	}))
	denied := "User: " + iam.RootARN(bob.Account) + " is not authorized to perform: kms:Decrypt on resource: " + k.ARN() +
		" because no resource-based policy allows the kms:Decrypt action"
	wants("the owner", alice.Account, all(mine))
	wants("without the key", bob.Account, sealed(shared, "Client.InternalError", denied, bob.Account))
	step(r.KMS.PutKeyPolicy(ctx, owner, string(k.ID), "", `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":{"AWS":"`+iam.RootARN(alice.Account)+`"},"Action":"kms:*","Resource":"*"},
		{"Effect":"Allow","Principal":{"AWS":"`+iam.RootARN(bob.Account)+`"},"Action":"kms:Decrypt","Resource":"*","Condition":{"Bool":{"aws:ViaAWSService":"true"}}}]}`, false))
	wants("with the key", bob.Account, all(shared))
	step(r.KMS.DisableKey(ctx, owner, string(k.ID)))
	for who, first := range map[origami.AccountID]string{alice.Account: mine, bob.Account: shared} {
		wants("disabled", who, sealed(first, "Client.InvalidKMSKey.InvalidState", k.ARN()+" is disabled.", who))
	}
	_, err = r.KMS.ScheduleKeyDeletion(ctx, owner, string(k.ID), 7)
	step(err)
	for who, first := range map[origami.AccountID]string{alice.Account: mine, bob.Account: shared} {
		wants("pending deletion", who, sealed(first, "Client.InvalidKMSKey.InvalidState", k.ARN()+" is pending deletion.", who))
	}
}
