package ec2server

import (
	"context"
	"encoding/base64"

	"origami"
	"origami/internal/ec2api"
)

// GetConsoleOutput returns the last output of an instance's serial console. It
// is always the latest, whether asked to be or not.
func (s *Server) GetConsoleOutput(ctx context.Context, who origami.Caller, in *ec2api.GetConsoleOutputInput) (*ec2api.GetConsoleOutputOutput, error) {
	id, err := origami.ParseInstanceID(deref(in.InstanceId))
	if err != nil {
		return nil, err
	}
	b, at, err := s.instances.Console(ctx, who, id)
	if err != nil {
		return nil, err
	}
	return &ec2api.GetConsoleOutputOutput{
		InstanceId: text(id), Timestamp: ptr(at), Output: ptr(base64.StdEncoding.EncodeToString(b)),
	}, nil
}
