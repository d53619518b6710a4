package suitetest_test

import (
	"testing"

	"origami/internal/suitetest"
)

// TestFails shows that Fails is content with a suite that fails, and with nothing
// else: what it must not be content with fails a suite of its own.
func TestFails(t *testing.T) {
	suitetest.Fails(t, map[string]func(*testing.T){
		"an error":            func(t *testing.T) { t.Error("wrong") },
		"a fatal error":       func(t *testing.T) { t.Fatal("wrong") },
		"an inner error":      func(t *testing.T) { t.Run("inner", func(t *testing.T) { t.Error("wrong") }) },
		"a suite that passes": within("sound", func(*testing.T) {}),
		"a suite that panics": within("panics", func(*testing.T) { panic("wrong") }),
	})
}

func within(name string, suite func(*testing.T)) func(*testing.T) {
	return func(t *testing.T) { suitetest.Fails(t, map[string]func(*testing.T){name: suite}) }
}
