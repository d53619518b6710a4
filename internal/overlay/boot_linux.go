package overlay

import (
	"os"
	"strings"
)

// bootID names the run of the kernel. It is empty if that is not known.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
