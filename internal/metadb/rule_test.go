package metadb_test

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"origami"
	"origami/internal/metadb"
)

// TestSecurityGroupRules finds rules by group and by the group they refer to,
// and lets them go with their group.
func TestSecurityGroupRules(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		vpc := &origami.VPC{ID: origami.NewVPCID(), Region: region, Owner: alice}
		group := func(name string) *origami.SecurityGroup {
			return &origami.SecurityGroup{ID: origami.NewSecurityGroupID(), Region: region, Owner: alice, VPC: vpc.ID, Name: name}
		}
		web, db1 := group("web"), group("db")
		fromWeb := &origami.SecurityGroupRule{
			ID: "sgr-00000000000000001", Region: region, Owner: alice, Group: db1.ID, Protocol: "tcp", FromPort: 0, ToPort: 5432, Peer: web.ID,
		}
		fromAll := &origami.SecurityGroupRule{
			ID: "sgr-00000000000000002", Region: region, Owner: alice, Group: db1.ID, Egress: true, Protocol: "-1", FromPort: -1, ToPort: -1,
			CIDR: netip.MustParsePrefix("::/0"), Description: "out",
		}
		update(t, db, func(tx *metadb.Tx) error {
			return errors.Join(tx.PutVPC(vpc), tx.PutSecurityGroup(web), tx.PutSecurityGroup(db1),
				tx.PutSecurityGroupRule(fromAll), tx.PutSecurityGroupRule(fromWeb),
				tx.PutTags(region, alice, []string{string(fromWeb.ID)}, origami.Tags{"a": "b"}))
		})
		want := func(what string, got []*origami.SecurityGroupRule, err error, want ...*origami.SecurityGroupRule) {
			t.Helper()
			prefixes := cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
			if diff := cmp.Diff(got, want, prefixes); diff != "" || err != nil {
				t.Errorf("%s: %v (-got +want):\n%s", what, err, diff)
			}
		}
		update(t, db, func(tx *metadb.Tx) error {
			rules, err := tx.RulesOf(region, db1.ID)
			want("rules of the group", rules, err, fromWeb, fromAll)
			rules, err = tx.RulesAbout(region, web.ID)
			want("rules about the other", rules, err, fromWeb)
			rules, err = tx.RulesOf("eu-west-1", db1.ID)
			want("in another region", rules, err)
			if _, err := tx.SecurityGroupRule(region, bob, fromWeb.ID); !errors.Is(err, &origami.Error{Code: "InvalidSecurityGroupRuleId.NotFound"}) {
				t.Errorf("another account's rule: got error %v", err)
			}
			if err := tx.Visible(region, alice, string(fromWeb.ID)); err != nil {
				t.Errorf("a rule cannot be tagged: %v", err)
			}
			// The column that RulesAbout asks follows the rule.
			_, err = tx.UpdateSecurityGroupRule(region, fromWeb.ID, func(r *origami.SecurityGroupRule) error {
				r.Peer = db1.ID
				return nil
			})
			if err != nil {
				return err
			}
			rules, err = tx.RulesAbout(region, web.ID)
			want("rules about the other, after a change", rules, err)
			return tx.DeleteSecurityGroup(region, db1.ID)
		})
		update(t, db, func(tx *metadb.Tx) error {
			rules, err := tx.RulesOf(region, db1.ID)
			want("rules of a group that is gone", rules, err)
			tags, err := tx.Tags(region, alice, string(fromWeb.ID))
			if len(tags) != 0 || err != nil {
				t.Errorf("tags of a rule that is gone: %v, %v", tags, err)
			}
			return nil
		})
	})
}
