package ec2server

import (
	"context"
	"slices"
	"strings"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// keyPairProperties are the filters of DescribeKeyPairs.
var keyPairProperties = properties[*origami.KeyPair]{
	"key-pair-id": func(k *origami.KeyPair) []string { return one(k.ID) },
	"fingerprint": func(k *origami.KeyPair) []string { return one(k.Fingerprint) },
	"key-name":    func(k *origami.KeyPair) []string { return one(k.Name) },
}

// DescribeKeyPairs lists the caller's key pairs.
func (s *Server) DescribeKeyPairs(ctx context.Context, who origami.Caller, in *ec2api.DescribeKeyPairsInput) (*ec2api.DescribeKeyPairsOutput, error) {
	filters, err := keyPairProperties.parse(in.Filters)
	if err != nil {
		return nil, err
	}
	for _, id := range in.KeyPairIds {
		if _, err := origami.ParseKeyPairID(id); err != nil {
			return nil, err
		}
	}
	out := &ec2api.DescribeKeyPairsOutput{}
	err = s.db.View(ctx, func(tx *metadb.Tx) error {
		if err := keyPairsExist(tx, who, in); err != nil {
			return err
		}
		named := func(v tagged[*origami.KeyPair]) bool {
			k := v.noun
			return (len(in.KeyNames) == 0 || slices.Contains(in.KeyNames, k.Name)) &&
				(len(in.KeyPairIds) == 0 || slices.Contains(in.KeyPairIds, string(k.ID))) &&
				keyPairProperties.match(filters, k, v.tags)
		}
		q := metadb.Query{Region: who.Region, Viewer: who.Account, Filters: filters}
		found, _, err := collect(tx, who, pager{}, tx.KeyPairs(q), func(k *origami.KeyPair) string { return string(k.ID) }, named)
		for _, v := range found {
			out.KeyPairs = append(out.KeyPairs, wireKeyPair(v.noun, v.tags, deref(in.IncludePublicKey)))
		}
		return err
	})
	return out, err
}

func keyPairsExist(tx *metadb.Tx, who origami.Caller, in *ec2api.DescribeKeyPairsInput) error {
	var missing []string
	for _, name := range in.KeyNames {
		_, err := tx.KeyPairByName(who.Region, who.Account, name)
		if isCode(err, origami.CodeInvalidKeyPairNotFound) {
			missing = append(missing, name)
		} else if err != nil {
			return err
		}
	}
	if len(missing) > 0 {
		verb := "does"
		if len(missing) > 1 {
			verb = "do"
		}
		return origami.Errorf(origami.CodeInvalidKeyPairNotFound, "The key pair '%s' %s not exist", strings.Join(missing, ", "), verb)
	}
	for _, id := range in.KeyPairIds {
		if _, err := tx.KeyPair(who.Region, who.Account, origami.KeyPairID(id)); err != nil {
			return err
		}
	}
	return nil
}

func wireKeyPair(k *origami.KeyPair, tags origami.Tags, public bool) ec2api.KeyPairInfo {
	out := ec2api.KeyPairInfo{
		CreateTime: ptr(k.Created), KeyFingerprint: text(k.Fingerprint), KeyName: text(k.Name),
		KeyPairId: text(k.ID), KeyType: text(k.Type), Tags: wireTags(tags),
	}
	if public {
		out.PublicKey = text(k.PublicKey)
	}
	return out
}
