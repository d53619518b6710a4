package ec2server

import (
	"errors"

	"origami"
)

// isCode reports whether err is an error of the API with that code.
func isCode(err error, code origami.Code) bool {
	return errors.Is(err, &origami.Error{Code: code})
}
