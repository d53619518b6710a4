package ec2server

import (
	"net/url"

	"origami"
	"origami/internal/ec2api"
)

// findOperation finds the served operation that a request names.
func findOperation(form url.Values) (*ec2api.Operation, error) {
	name := form.Get("Action")
	if name == "" {
		return nil, origami.Errorf(origami.CodeMissingAction, "The request must contain the parameter Action")
	}
	switch version := form.Get("Version"); version {
	case ec2api.Version:
	case "":
		return nil, origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter Version")
	default:
		return nil, origami.Errorf(origami.CodeNoSuchVersion, "The requested version (%.64s) of service AmazonEC2 does not exist", version)
	}
	if op, ok := ec2api.Operations[name]; ok {
		return op, nil
	}
	if ec2api.Known(name) {
		return nil, origami.Errorf(origami.CodeUnsupportedOperation, "The operation %s is not supported by this service.", name)
	}
	return nil, origami.Errorf(origami.CodeInvalidAction, "The action %.128s is not valid for this web service.", name)
}
