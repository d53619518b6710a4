package instance

import (
	"slices"
	"strings"

	"origami"
)

// Type is a row of facts about an instance type.
type Type struct {
	Name          string
	VCPUs         int
	MemoryMiB     int
	Architectures []origami.Architecture
	Hypervisor    string // "xen" or "nitro"
	ENA           string // "required", "supported" or "unsupported"
	Paravirtual   bool   // supports paravirtual images
	HVM           bool   // supports hvm images
	UEFI          bool   // can boot UEFI images
	TPM           bool   // has a NitroTPM
}

// TypeByName finds an instance type; the error is EC2's for one that does not
// exist.
func TypeByName(name string) (*Type, error) {
	if i, ok := slices.BinarySearchFunc(types, name, func(t Type, name string) int { return strings.Compare(t.Name, name) }); ok {
		return &types[i], nil
	}
	return nil, origami.Errorf(origami.CodeInvalidParameterValue, "Invalid value '%s' for InstanceType.", name)
}

// nitro reports whether the type is built on the Nitro System, whose disks are
// NVMe devices.
func (t *Type) nitro() bool { return t.Hypervisor == "nitro" }

// size is one size of a family.
type size struct {
	name   string
	vcpus  int
	memory int // MiB
}

// family is the types that differ in size only.
type family struct {
	name  string
	facts Type
	sizes []size
}

var (
	intel32 = []origami.Architecture{origami.I386, origami.X8664}
	intel   = []origami.Architecture{origami.X8664}
	arm     = []origami.Architecture{origami.ARM64}
)

// families are the instance types by family.
var families = []family{
	{"m1", Type{Architectures: intel32, Hypervisor: "xen", ENA: "unsupported", Paravirtual: true}, []size{
		{"small", 1, 1740}, {"medium", 1, 3788}}},
	{"t1", Type{Architectures: intel32, Hypervisor: "xen", ENA: "unsupported", Paravirtual: true}, []size{
		{"micro", 1, 627}}},
	{"t2", Type{Architectures: intel32, Hypervisor: "xen", ENA: "unsupported", HVM: true}, []size{
		{"nano", 1, 512}, {"micro", 1, 1024}, {"small", 1, 2048}, {"medium", 2, 4096}}},
	{"t2", Type{Architectures: intel, Hypervisor: "xen", ENA: "unsupported", HVM: true}, []size{
		{"large", 2, 8192}, {"xlarge", 4, 16384}, {"2xlarge", 8, 32768}}},
	{"m4", Type{Architectures: intel, Hypervisor: "xen", ENA: "unsupported", HVM: true}, []size{
		{"large", 2, 8192}, {"xlarge", 4, 16384}}},
	{"t3", Type{Architectures: intel, Hypervisor: "nitro", ENA: "required", HVM: true, UEFI: true, TPM: true}, []size{
		{"nano", 2, 512}, {"micro", 2, 1024}, {"small", 2, 2048}, {"medium", 2, 4096},
		{"large", 2, 8192}, {"xlarge", 4, 16384}, {"2xlarge", 8, 32768}}},
	{"t3a", Type{Architectures: intel, Hypervisor: "nitro", ENA: "required", HVM: true, UEFI: true, TPM: true}, []size{
		{"nano", 2, 512}, {"micro", 2, 1024}, {"small", 2, 2048}, {"medium", 2, 4096},
		{"large", 2, 8192}, {"xlarge", 4, 16384}, {"2xlarge", 8, 32768}}},
	{"t4g", Type{Architectures: arm, Hypervisor: "nitro", ENA: "required", HVM: true, UEFI: true}, []size{
		{"nano", 2, 512}, {"micro", 2, 1024}, {"small", 2, 2048}, {"medium", 2, 4096}}},
	{"m5", Type{Architectures: intel, Hypervisor: "nitro", ENA: "required", HVM: true, UEFI: true, TPM: true}, []size{
		{"large", 2, 8192}, {"xlarge", 4, 16384}, {"2xlarge", 8, 32768}, {"4xlarge", 16, 65536}}},
	{"c5", Type{Architectures: intel, Hypervisor: "nitro", ENA: "required", HVM: true, UEFI: true, TPM: true}, []size{
		{"large", 2, 4096}, {"xlarge", 4, 8192}, {"2xlarge", 8, 16384}, {"4xlarge", 16, 32768}}},
	{"r5", Type{Architectures: intel, Hypervisor: "nitro", ENA: "required", HVM: true, UEFI: true, TPM: true}, []size{
		{"large", 2, 16384}, {"xlarge", 4, 32768}, {"2xlarge", 8, 65536}}},
	{"m6i", Type{Architectures: intel, Hypervisor: "nitro", ENA: "required", HVM: true, UEFI: true, TPM: true}, []size{
		{"large", 2, 8192}, {"xlarge", 4, 16384}, {"2xlarge", 8, 32768}}},
	{"m7g", Type{Architectures: arm, Hypervisor: "nitro", ENA: "required", HVM: true, UEFI: true}, []size{
		{"medium", 1, 4096}, {"large", 2, 8192}}},
}

// types are all instance types, sorted by name.
var types = expand(families)

func expand(families []family) []Type {
	var all []Type
	for _, f := range families {
		for _, s := range f.sizes {
			t := f.facts
			t.Name, t.VCPUs, t.MemoryMiB = f.name+"."+s.name, s.vcpus, s.memory
			all = append(all, t)
		}
	}
	slices.SortFunc(all, func(a, b Type) int { return strings.Compare(a.Name, b.Name) })
	return all
}
