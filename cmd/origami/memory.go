package main

import (
	"os"
	"runtime/debug"
)

// gcPercent is how much garbage there may be before it is collected, in percent
// of what is in use. What is in use is little, some 5 MB, and the answer to a
// list of a thousand images is as much again: with Go's 100 % a collection runs
// during every second such request, and takes a processor from it for
// milliseconds. Three times as much memory for garbage is 10 MB.
const gcPercent = 300

// paceGC sets gcPercent, unless the environment says otherwise by GOGC.
func paceGC() {
	if _, ok := os.LookupEnv("GOGC"); !ok {
		debug.SetGCPercent(gcPercent)
	}
}
