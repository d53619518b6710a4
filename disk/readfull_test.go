package disk_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"origami/disk"
)

// short reads one byte less than it is asked for, and does not say why.
type short struct{}

func (short) ReadAt(p []byte, _ int64) (int, error) { return len(p) - 1, nil }

// broken fails after its first byte.
type broken struct{}

func (broken) ReadAt([]byte, int64) (int, error) { return 1, iotest.ErrTimeout }

func TestReadFull(t *testing.T) {
	t.Parallel()
	whole := strings.NewReader("0123456789")
	for name, tt := range map[string]struct {
		r    io.ReaderAt
		off  int64
		n    int
		want error
		text string
	}{
		"within":           {whole, 3, 4, nil, "3456"},
		"to the end":       {whole, 6, 4, nil, "6789"},
		"across the end":   {whole, 8, 2, io.ErrUnexpectedEOF, "89"},
		"behind the end":   {whole, 10, 0, io.ErrUnexpectedEOF, ""},
		"without a reason": {short{}, 0, 3, io.ErrUnexpectedEOF, ""},
		"broken":           {broken{}, 0, 1, iotest.ErrTimeout, ""},
	} {
		p := make([]byte, 4)
		n, err := disk.ReadFull(tt.r, p, tt.off)
		if n != tt.n || !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) || !bytes.HasPrefix(p, []byte(tt.text)) {
			t.Errorf("%s: got %d, %v, %q, want %d, %v, %q", name, n, err, p, tt.n, tt.want, tt.text)
		}
	}
}
