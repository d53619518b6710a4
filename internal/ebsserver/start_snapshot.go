package ebsserver

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"origami"
	"origami/internal/ebs"
	"origami/internal/optional"
	"origami/internal/restjson"
)

type startSnapshotInput struct {
	VolumeSize       *int64  `required:"true"`
	ParentSnapshotID *string `json:"ParentSnapshotId" min:"1" max:"64"`
	Tags             []tag
	Description      *string `max:"255"`
	ClientToken      *string `min:"1" max:"255"`
	Encrypted        *bool
	KmsKeyArn        *string `min:"1" max:"2048"`
	Timeout          *int64  `min:"10" max:"4320"`
}

type startSnapshotOutput struct {
	Description      *string `json:",omitempty"`
	SnapshotID       *string `json:"SnapshotId"`
	OwnerID          *string `json:"OwnerId"`
	Status           *string
	StartTime        restjson.Time
	VolumeSize       int64
	BlockSize        int32
	Tags             []tag   `json:",omitempty"`
	ParentSnapshotID *string `json:"ParentSnapshotId,omitempty"`
	KmsKeyArn        *string `json:",omitempty"`
	SseType          string
}

type tag struct {
	Key, Value *string
}

// startSnapshot begins a snapshot that is written block by block.
func (s *server) startSnapshot(ctx context.Context, who origami.Caller, in *startSnapshotInput) (*startSnapshotOutput, error) {
	r := ebs.UploadRequest{
		Size: *in.VolumeSize, Description: optional.Value(in.Description), Encrypted: in.Encrypted, KMSKey: optional.Value(in.KmsKeyArn),
		Timeout: time.Duration(optional.Value(in.Timeout)) * time.Minute, ClientToken: optional.Value(in.ClientToken), Fingerprint: fingerprint(*in),
	}
	if strings.ContainsFunc(r.ClientToken, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return nil, invalid(origami.ReasonInvalidParameterValue, "The client token must be visible ASCII.")
	}
	var err error
	if in.ParentSnapshotID != nil {
		if r.Parent, err = parseSnapshotID(*in.ParentSnapshotID); err != nil {
			return nil, err
		}
	}
	if r.Tags, err = parseTags(in.Tags); err != nil {
		return nil, err
	}
	snap, tags, err := s.ebs.StartSnapshot(ctx, who, r)
	if err != nil {
		return nil, err
	}
	out := &startSnapshotOutput{
		Description: optional.Text(snap.Description), SnapshotID: optional.Text(snap.ID), OwnerID: optional.Text(snap.Owner), Status: optional.Text(snap.State),
		StartTime: restjson.Time(snap.Started), VolumeSize: snap.VolumeSize, BlockSize: blockSize, Tags: wireTags(tags),
		SseType: "none",
	}
	if snap.Encrypted {
		out.KmsKeyArn, out.SseType = optional.Text(snap.KMSKey), "sse-kms"
	}
	if snap.Upload != nil {
		out.ParentSnapshotID = optional.Text(snap.Upload.Parent)
	}
	return out, nil
}

func parseTags(in []tag) (origami.Tags, error) {
	tags := make(origami.Tags, min(len(in), origami.MaxTags+1))
	for _, t := range in {
		if _, twice := tags[optional.Value(t.Key)]; twice || t.Key == nil {
			return nil, invalid(origami.ReasonInvalidTag, "The tag key %.128q is missing or there twice.", optional.Value(t.Key))
		}
		tags[*t.Key] = optional.Value(t.Value)
	}
	return tags, nil
}

func wireTags(tags origami.Tags) []tag {
	var out []tag
	for k, v := range tags {
		out = append(out, tag{&k, &v})
	}
	slices.SortFunc(out, func(a, b tag) int { return strings.Compare(*a.Key, *b.Key) })
	return out
}

// fingerprint hashes what a request asks for, apart from its client token.
func fingerprint(in startSnapshotInput) [32]byte {
	in.ClientToken = nil
	asked, err := json.Marshal(in)
	if err != nil {
		panic(fmt.Sprintf("ebsserver: fingerprint: %v", err)) // it came from JSON
	}
	return sha256.Sum256(asked)
}
