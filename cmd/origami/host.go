package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"origami/internal/instance"
	"origami/internal/vmm"
)

// boundless is the capacity for machines that execute nothing: all that is
// described, and a bound for what one request can ask for.
var boundless = instance.Capacity{VCPUs: vmm.MaxVCPUs, MemoryMiB: vmm.MaxMemoryMiB, AnyImage: true}

// hostCapacity finds out what machines may use: any machine as many processors
// as there are, at least two, and all together the host's memory. What executes
// nothing uses nothing.
func hostCapacity(o options) (instance.Capacity, error) {
	if o.vmm == vmmNone {
		return boundless, nil
	}
	mib, err := memoryMiB()
	if err != nil {
		return instance.Capacity{}, fmt.Errorf("find out how much memory there is: %w", err)
	}
	return instance.Capacity{VCPUs: max(2, runtime.NumCPU()), MemoryMiB: mib}, nil
}

// memoryMiB reads MemTotal of /proc/meminfo (proc(5)).
func memoryMiB() (int, error) {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		rest, ok := strings.CutPrefix(lines.Text(), "MemTotal:")
		if !ok {
			continue
		}
		var kib int
		if _, err := fmt.Sscanf(rest, "%d kB", &kib); err != nil {
			return 0, err
		}
		return kib >> 10, nil
	}
	return 0, errors.New("/proc/meminfo has no MemTotal")
}
