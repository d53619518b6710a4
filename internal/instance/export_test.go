package instance

import "context"

// Purge is what [Service.Serve] does now and then.
func (s *Service) Purge(ctx context.Context) error { return s.purge(ctx) }
