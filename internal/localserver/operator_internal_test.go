package localserver

import "testing"

// Only the user of the service and root are operators.
func TestMayOperate(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		source string
		self   int
		want   bool
	}{
		{"@uid=1000,pid=4711", 1000, true},
		{"@uid=0,pid=4711", 1000, true},
		{"@uid=1001,pid=4711", 1000, false},
		{"@uid=1000,pid=4711", 0, false},
		{"@uid=4294967295,pid=4711", 0, false},
		{"@", 1000, true}, // where the system does not tell
	} {
		if got := mayOperate(tt.source, tt.self); got != tt.want {
			t.Errorf("mayOperate(%q, %d) = %t, want %t", tt.source, tt.self, got, tt.want)
		}
	}
}
