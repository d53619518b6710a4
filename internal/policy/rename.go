package policy

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Rename writes other names for principals into the text of a document: names
// has them by those that stand there. Everything else stays as it is, to the
// letter.
func Rename(text string, names map[string]string) (string, error) {
	if len(names) == 0 {
		return text, nil
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	r := renamer{text: text, dec: dec, names: names}
	if err := r.value(false); err != nil {
		return "", fmt.Errorf("rename principals: %w", err)
	}
	return r.out.String() + text[r.done:], nil
}

// renamer copies a document.
type renamer struct {
	text  string
	dec   *json.Decoder
	names map[string]string
	out   strings.Builder
	done  int64 // so much of the text is in out
}

// value goes over the next value. Strings in that of a principal are renamed.
func (r *renamer) value(principal bool) error {
	before := r.dec.InputOffset()
	t, err := r.dec.Token()
	if err != nil {
		return err
	}
	switch t := t.(type) {
	case string:
		name, ok := r.names[t]
		if !principal || !ok {
			return nil
		}
		start := before + int64(strings.IndexByte(r.text[before:], '"'))
		quoted, err := json.Marshal(name)
		if err != nil {
			return err
		}
		r.out.WriteString(r.text[r.done:start])
		r.out.Write(quoted)
		r.done = r.dec.InputOffset()
	case json.Delim:
		for r.dec.More() {
			inside := principal
			if t == '{' {
				key, err := r.dec.Token()
				if err != nil {
					return err
				}
				inside = inside || key == "Principal" || key == "NotPrincipal"
			}
			if err := r.value(inside); err != nil {
				return err
			}
		}
		_, err = r.dec.Token() // the end
		return err
	}
	return nil
}
