package ec2server

import (
	"context"
	"encoding/base64"

	"origami"
	"origami/internal/ec2api"
)

// GetConsoleScreenshot returns what an instance displays, as a JPEG.
func (s *Server) GetConsoleScreenshot(ctx context.Context, who origami.Caller, in *ec2api.GetConsoleScreenshotInput) (*ec2api.GetConsoleScreenshotOutput, error) {
	id, err := origami.ParseInstanceID(deref(in.InstanceId))
	if err != nil {
		return nil, err
	}
	b, err := s.instances.Screenshot(ctx, who, id, deref(in.WakeUp))
	if err != nil {
		return nil, err
	}
	return &ec2api.GetConsoleScreenshotOutput{InstanceId: text(id), ImageData: ptr(base64.StdEncoding.EncodeToString(b))}, nil
}
