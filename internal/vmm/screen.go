package vmm

import "context"

// Screenshotter is what a driver may do beside the contract of [Driver]: show
// what a machine's graphics adapter displays.
type Screenshotter interface {
	// Screenshot returns the display of a running machine as a PNG. With wake
	// it presses a key first, so that a guest which blanks its screen lights
	// it again.
	Screenshot(ctx context.Context, id string, wake bool) ([]byte, error)
}
