// Package raw reads and writes disks as plain bytes: byte n of the file is
// byte n of the disk. Holes of a file are holes of the disk, in both
// directions.
package raw
