// Package awsquery is the codec of the two AWS protocols that put requests
// into form parameters and answers into XML: the query protocol of EC2 and
// the AWS query protocol of STS, IAM and Auto Scaling.
//
// [Dialect.Decode] fills a struct from parameters and [Dialect.Encode] writes
// one as XML, both by reflection with one cached plan a type, in the manner
// of encoding/json. Scalars in structs are pointers, so that an absent one is
// nil; the kinds are string, bool, int32, int64, float64 and time.Time, a
// blob is []byte, a structure is a pointer to a struct, and a list is a slice
// of scalars or structs.
//
// Struct tags say how a field travels:
//
//	query:"Name"          parameter name; a field without it takes no parameter
//	query:"Name,keepempty" a present but empty value means something
//	xml:"name"            element name; a field without it is never written
//	xml:"set>item"        a list: wrapper and item elements
//	nil:"omit"            a nil list is left out instead of written empty
//	valid:"required"      the parameter must be present
//	valid:"enum=Name"     the value is one of those that [Enums] lists under Name
//	valid:"min=3,max=128" bounds of a number, or of the runes of a string
//	valid:"items=200"     largest length of a list
//
// Parameter names nest with dots. The EC2 dialect flattens lists
// (Filter.1.Value.2); the query dialect writes Filters.member.1. Indices count
// from 1 and gaps close up. An empty value is an absent one, because clients
// send empty parameters freely, except in fields tagged keepempty and as an
// element of a list of strings: who asks for the images "" does not ask for all.
//
// Whoever sends requests is hostile: the number of parameters, their total
// size, their depth and their indices are bounded, an unknown name is an
// error and never ignored, and so is a name given twice.
package awsquery
