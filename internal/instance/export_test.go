package instance

import "context"

// Purge is what [Service.Serve] does now and then.
func (s *Service) Purge(ctx context.Context) error { return s.purge(ctx) }

// ParseKey reads a public key in any form and writes it as a line.
func ParseKey(material []byte) (string, error) {
	k, err := parsePublicKey(material)
	if err != nil {
		return "", err
	}
	return keyLine(k, "name"), nil
}
