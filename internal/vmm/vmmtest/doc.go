// Package vmmtest tests implementations of [vmm.Driver], and is one itself: a
// [Host] keeps machines in memory for the tests of everything that needs a
// driver.
//
// [Run] is the conformance suite that every driver passes. It needs guests
// that do something; [BootDisk] makes real ones of a few hundred bytes, and the
// machines of a Host play the same parts.
package vmmtest

// Ready is what every guest prints on its serial console when it runs.
const Ready = "ready\n"

// Guest names what the software in a machine does once it has printed [Ready].
type Guest string

// The guests.
const (
	Obedient  Guest = "obedient"   // idles, and powers off when asked
	Deaf      Guest = "deaf"       // idles, and ignores the power button
	PowersOff Guest = "powers-off" // powers off
	Reboots   Guest = "reboots"    // reboots once, prints Ready again, is Obedient
	Floods    Guest = "floods"     // prints lines "00000000", "00000001", … for ever
)
