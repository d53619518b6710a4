package ec2server

import (
	"context"
	"time"

	"origami"
	"origami/internal/ami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// instanceImage is an instance with the image that it was launched from, which
// is nil if no record of it is left.
type instanceImage struct {
	*origami.Instance
	image *origami.Image
	view  *ami.View
}

// ofImage is a property that an instance has through its image.
func ofImage(get func(imageView) []string) func(instanceImage) []string {
	return func(i instanceImage) []string {
		if i.image == nil {
			return nil
		}
		return get(imageView{i.image, i.view})
	}
}

// instanceImageProperties are the filters of DescribeInstanceImageMetadata.
var instanceImageProperties = properties[instanceImage]{
	"availability-zone":   func(i instanceImage) []string { return one(i.Zone) },
	"image-allowed":       ofImage(imageProperties["image-allowed"]),
	"instance-id":         func(i instanceImage) []string { return one(i.ID) },
	"instance-state-name": func(i instanceImage) []string { return one(i.State) },
	"instance-type":       func(i instanceImage) []string { return one(i.Type) },
	"launch-time":         func(i instanceImage) []string { return timestamp(i.Launched) },
	"owner-alias":         ofImage(imageProperties["owner-alias"]),
	"owner-id":            func(i instanceImage) []string { return one(i.Owner) },
	"zone-id":             func(i instanceImage) []string { return one(zoneID(i.Region, i.Zone)) },
}

// DescribeInstanceImageMetadata tells of each instance the image that it was
// launched from, even if the caller can no longer see or use it.
func (s *Server) DescribeInstanceImageMetadata(ctx context.Context, who origami.Caller, in *ec2api.DescribeInstanceImageMetadataInput) (*ec2api.DescribeInstanceImageMetadataOutput, error) {
	p, err := s.page(who, "DescribeInstanceImageMetadata", in, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	filters, err := instanceImageProperties.parse(in.Filters)
	if err != nil {
		return nil, err
	}
	q := metadb.Query{Region: who.Region, Viewer: who.Account, Filters: filters, After: p.after}
	for _, id := range in.InstanceIds {
		if _, err := origami.ParseInstanceID(id); err != nil {
			return nil, err
		}
		q.IDs = append(q.IDs, id)
	}
	out := &ec2api.DescribeInstanceImageMetadataOutput{}
	err = s.db.View(ctx, func(tx *metadb.Tx) error {
		images := launchImages{tx: tx, known: make(map[origami.ImageID]*origami.Image)}
		var err error
		if images.view, err = s.ami.View(tx, who); err != nil {
			return err
		}
		for _, id := range q.IDs {
			if _, err := tx.Instance(who.Region, who.Account, origami.InstanceID(id)); err != nil {
				return err
			}
		}
		match := func(i tagged[*origami.Instance]) bool {
			return images.err == nil && instanceImageProperties.match(filters, images.of(i.noun), i.tags)
		}
		found, next, err := collect(tx, who, p, tx.Instances(q), func(i *origami.Instance) string { return string(i.ID) }, match)
		for _, i := range found {
			out.InstanceImageMetadata = append(out.InstanceImageMetadata, wireInstanceImage(images.of(i.noun), i.tags))
		}
		out.NextToken = next
		if err == nil {
			err = images.err
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// launchImages finds the images of instances, each once, whoever may see them.
type launchImages struct {
	tx    *metadb.Tx
	view  *ami.View
	known map[origami.ImageID]*origami.Image
	err   error // the first
}

func (l *launchImages) of(i *origami.Instance) instanceImage {
	img, ok := l.known[i.Image]
	if !ok {
		var err error
		if img, err = l.tx.Image(i.Region, metadb.System, i.Image); err != nil {
			img = nil
			if !isCode(err, origami.CodeInvalidAMIIDNotFound) && l.err == nil {
				l.err = err
			}
		}
		l.known[i.Image] = img
	}
	return instanceImage{i, img, l.view}
}

// formatSeconds writes a time to the second, as this operation does, and the zero
// time as "".
func formatSeconds(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func wireInstanceImage(i instanceImage, tags origami.Tags) ec2api.InstanceImageMetadata {
	out := ec2api.InstanceImageMetadata{
		AvailabilityZone: text(i.Zone), InstanceId: text(i.ID), InstanceType: text(i.Type), LaunchTime: ptr(i.Launched),
		OwnerId: text(i.Owner), State: wireState(i.State), Tags: wireTags(tags), ZoneId: text(zoneID(i.Region, i.Zone)),
		ImageMetadata: &ec2api.ImageMetadata{ImageId: text(i.Image)},
	}
	img := i.image
	if img == nil {
		return out
	}
	state := img.State
	if img.Gone() {
		state = origami.ImageDeregistered
	}
	out.ImageMetadata = &ec2api.ImageMetadata{
		CreationDate: text(formatSeconds(img.Created)), DeprecationTime: text(formatSeconds(img.DeprecationTime)),
		ImageAllowed: i.view.ImageAllowed(img), ImageId: text(img.ID), ImageOwnerAlias: text(i.view.Alias(img)),
		IsPublic: ptr(img.Public), Name: text(img.Name), OwnerId: text(img.Owner), State: text(state),
	}
	return out
}
