// Package ec2api is the EC2 API as Go: for every operation listed in
// operations.txt its input and output with all structures below them, the
// [Server] interface that a door implements, and the [Operations] table that
// dispatches to it; and the names of all operations that EC2 knows.
//
// It is generated from the model in the directory model and holds no
// behaviour. Struct tags are those of package awsquery; a structure that only
// ever occurs in requests has no xml tags and one that only occurs in answers
// has no query tags. What the generator does differently from the model is
// listed in gen/exceptions.go.
package ec2api

//go:generate go run ./gen
