package endpoint

import "net/http"

// recorder notes what a handler answers, and lets it out once it is audited.
type recorder struct {
	http.ResponseWriter
	status int // 0 until something is to go out
	bytes  int64

	// audit, if not nil, is called once, before anything goes out, with the
	// status and the beginning of the answer. If it fails nothing goes out.
	audit   func(status int, first []byte) error
	refused error // of audit
	held    bool  // the header waits for the first bytes
}

// WriteHeader notes the status. The header goes out with the first bytes, a
// flush, or the end.
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status, w.held = status, true
	}
}

// Write counts the bytes.
func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status, w.held = http.StatusOK, true
	}
	if err := w.release(p); err != nil {
		return 0, err
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// FlushError sends what is there, the header too.
func (w *recorder) FlushError() error {
	if w.status == 0 {
		w.status, w.held = http.StatusOK, true
	}
	if err := w.release(nil); err != nil {
		return err
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// release audits, and lets the header out.
func (w *recorder) release(first []byte) error {
	if w.audit != nil {
		audit := w.audit
		w.audit = nil
		w.refused = audit(w.status, first)
	}
	if w.refused != nil {
		return w.refused
	}
	if w.held {
		w.held = false
		w.ResponseWriter.WriteHeader(w.status)
	}
	return nil
}

// Unwrap gives http.ResponseController the writer below.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
