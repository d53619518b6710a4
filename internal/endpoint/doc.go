// Package endpoint is the front door: one HTTP handler for every AWS service
// of the installation.
//
// It gives each request an ID, reads its body up to a bound, verifies its
// signature, finds the service by the credential scope that was signed, and
// hands both to the service's door. What goes wrong on the way, in the door or
// by panic becomes an error document in the dialect of the service. Each
// request makes one line in the log; texts of internal errors go there and
// nowhere else.
package endpoint
