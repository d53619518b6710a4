package vmie

import "origami/disk"

// Fence puts a disk behind the fence of imports.
func Fence(d disk.Image) disk.Image { return fenced{d} }
