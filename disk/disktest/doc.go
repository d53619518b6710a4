// Package disktest helps to test implementations of package disk: a suite that
// every [disk.Image] passes ([TestImage]), one that every [disk.Writer] passes
// ([TestWriter]), bytes that look like a disk ([Content]), and a disk in memory
// ([Memory]).
package disktest
