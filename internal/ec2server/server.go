// Package ec2server is the door of the EC2 API: it turns requests into verbs
// on images, snapshots, volumes and instances, and nouns into answers. It has
// one file for each operation and holds no rules of its own.
//
// What is the same for every operation is in dispatch.go (decoding, checks,
// authorization, dry runs, errors), page.go (MaxResults and NextToken) and
// filter.go. To add an operation, add its name to ec2api/operations.txt and
// its method here.
package ec2server

import (
	"origami"
	"origami/internal/ami"
	"origami/internal/ebs"
	"origami/internal/ec2api"
	"origami/internal/instance"
	"origami/internal/metadb"
	"origami/internal/optional"
	"origami/internal/vpc"
)

// Config is what a [Server] is built of.
type Config struct {
	DB        *metadb.DB
	EBS       *ebs.Service
	AMI       *ami.Service
	Instances *instance.Service
	VPC       *vpc.Service // nil means that of Instances
	// Regions are the regions of this installation, and Endpoint is the
	// address where clients reach all of them: "127.0.0.1:8773".
	Regions  []origami.Region
	Endpoint string
	// TokenKey authenticates the tokens of paged answers.
	TokenKey [32]byte
}

// Server answers the operations of the EC2 API. Its methods may be called
// concurrently.
type Server struct {
	db        *metadb.DB
	ebs       *ebs.Service
	ami       *ami.Service
	instances *instance.Service
	vpc       *vpc.Service
	regions   []origami.Region
	endpoint  string
	tokenKey  [32]byte
}

var _ ec2api.Server = (*Server)(nil)

// NewServer builds a server.
func NewServer(c Config) *Server {
	if c.VPC == nil && c.Instances != nil {
		c.VPC = c.Instances.VPC
	}
	return &Server{
		db: c.DB, ebs: c.EBS, ami: c.AMI, instances: c.Instances, vpc: c.VPC,
		regions: c.Regions, endpoint: c.Endpoint, tokenKey: c.TokenKey,
	}
}

// done is the answer of operations that only say that they succeeded.
func done() *bool {
	yes := true
	return &yes
}

// ptr returns a pointer to v, for the optional fields of answers.
func ptr[T any](v T) *T { return &v }

// text is optional.Text, under the name that nearly every operation uses.
func text[S ~string](s S) *string { return optional.Text(s) }

// deref is optional.Value, under the name that nearly every operation uses.
func deref[T any](p *T) T { return optional.Value(p) }
