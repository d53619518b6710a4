package durable

// writeZeros is PunchHole where the file system has no holes. Like a hole it
// leaves the size alone.
func writeZeros(f File, off, n int64) error {
	size, err := f.Size()
	if err != nil {
		return err
	}
	zeros := make([]byte, 64<<10)
	for end := min(off+n, size); off < end; {
		k := min(end-off, int64(len(zeros)))
		if _, err := f.WriteAt(zeros[:k], off); err != nil {
			return err
		}
		off += k
	}
	return nil
}
