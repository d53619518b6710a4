package ec2server

import (
	"strconv"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/instance"
)

// typeProperties are the filters of DescribeInstanceTypes.
var typeProperties = properties[*instance.Type]{
	"auto-recovery-supported":           func(*instance.Type) []string { return boolean(false) },
	"bare-metal":                        func(*instance.Type) []string { return boolean(false) },
	"burstable-performance-supported":   func(t *instance.Type) []string { return boolean(t.Burstable) },
	"current-generation":                func(t *instance.Type) []string { return boolean(!t.Previous) },
	"dedicated-hosts-supported":         func(*instance.Type) []string { return boolean(false) },
	"ebs-info.ebs-optimized-support":    func(t *instance.Type) []string { return one(t.EBSOptimized) },
	"ebs-info.encryption-support":       func(t *instance.Type) []string { return one(supported(t.Encrypted)) },
	"ebs-info.nvme-support":             func(t *instance.Type) []string { return one(ebsNVMe(t)) },
	"free-tier-eligible":                func(t *instance.Type) []string { return boolean(t.FreeTier) },
	"hibernation-supported":             func(*instance.Type) []string { return boolean(false) },
	"hypervisor":                        func(t *instance.Type) []string { return one(t.Hypervisor) },
	"instance-storage-supported":        func(t *instance.Type) []string { return boolean(t.Disks > 0) },
	"instance-type":                     func(t *instance.Type) []string { return one(t.Name) },
	"memory-info.size-in-mib":           func(t *instance.Type) []string { return number(t.MemoryMiB) },
	"nitro-enclaves-support":            func(*instance.Type) []string { return one("unsupported") },
	"nitro-tpm-support":                 func(t *instance.Type) []string { return one(supported(t.TPM)) },
	"nitro-tpm-info.supported-versions": func(t *instance.Type) []string { return tpmVersions(t) },
	"reboot-migration-support":          func(*instance.Type) []string { return one("unsupported") },
	"supported-boot-mode":               func(t *instance.Type) []string { return words(t.BootModes()) },
	"supported-root-device-type":        func(*instance.Type) []string { return one("ebs") },
	"supported-usage-class":             func(*instance.Type) []string { return one("on-demand") },
	"supported-virtualization-type":     func(t *instance.Type) []string { return virtualization(t) },

	"ebs-info.ebs-optimized-info.baseline-bandwidth-in-mbps":  func(t *instance.Type) []string { return some(t.EBSMbps.Base) },
	"ebs-info.ebs-optimized-info.baseline-iops":               func(t *instance.Type) []string { return some(t.EBSIOPS.Base) },
	"ebs-info.ebs-optimized-info.baseline-throughput-in-mbps": func(t *instance.Type) []string { return decimal(float64(t.EBSMbps.Base) / 8) },
	"ebs-info.ebs-optimized-info.maximum-bandwidth-in-mbps":   func(t *instance.Type) []string { return some(t.EBSMbps.Max) },
	"ebs-info.ebs-optimized-info.maximum-iops":                func(t *instance.Type) []string { return some(t.EBSIOPS.Max) },
	"ebs-info.ebs-optimized-info.maximum-throughput-in-mbps":  func(t *instance.Type) []string { return decimal(float64(t.EBSMbps.Max) / 8) },

	"instance-storage-info.disk.count":         func(t *instance.Type) []string { return some(t.Disks) },
	"instance-storage-info.disk.size-in-gb":    func(t *instance.Type) []string { return some(int(t.DiskGB)) },
	"instance-storage-info.disk.type":          ofDisks(func(t *instance.Type) string { return t.DiskKind }),
	"instance-storage-info.encryption-support": ofDisks(storeEncryption),
	"instance-storage-info.nvme-support":       ofDisks(storeNVMe),
	"instance-storage-info.total-size-in-gb":   func(t *instance.Type) []string { return some(t.Disks * int(t.DiskGB)) },

	"network-info.efa-info.maximum-efa-interfaces": func(*instance.Type) []string { return nil },
	"network-info.bandwidth-weightings":            func(*instance.Type) []string { return one("default") },
	"network-info.efa-supported":                   func(*instance.Type) []string { return boolean(false) },
	"network-info.ena-support":                     func(t *instance.Type) []string { return one(t.ENA) },
	"network-info.encryption-in-transit-supported": func(*instance.Type) []string { return boolean(false) },
	"network-info.flexible-ena-queues-support":     func(*instance.Type) []string { return one("unsupported") },
	"network-info.ipv4-addresses-per-interface":    func(t *instance.Type) []string { return number(t.Addresses) },
	"network-info.ipv6-addresses-per-interface":    func(*instance.Type) []string { return number(0) },
	"network-info.ipv6-supported":                  func(*instance.Type) []string { return boolean(false) },
	"network-info.maximum-network-cards":           func(*instance.Type) []string { return number(1) },
	"network-info.maximum-network-interfaces":      func(t *instance.Type) []string { return number(t.Interfaces) },
	"network-info.network-performance":             func(t *instance.Type) []string { return one(t.Network) },

	"processor-info.manufacturer":                 func(t *instance.Type) []string { return one(t.Manufacturer) },
	"processor-info.supported-architecture":       func(t *instance.Type) []string { return words(t.Architectures) },
	"processor-info.supported-features":           func(*instance.Type) []string { return nil },
	"processor-info.sustained-clock-speed-in-ghz": func(t *instance.Type) []string { return decimal(t.GHz) },
	"vcpu-info.default-cores":                     func(t *instance.Type) []string { return number(t.Cores()) },
	"vcpu-info.default-threads-per-core":          func(t *instance.Type) []string { return number(t.Threads) },
	"vcpu-info.default-vcpus":                     func(t *instance.Type) []string { return number(t.VCPUs) },
	"vcpu-info.valid-cores":                       func(t *instance.Type) []string { return number(t.Cores()) },
	"vcpu-info.valid-threads-per-core":            func(t *instance.Type) []string { return number(t.Threads) },
}

// untagged refuses filters by tag of what cannot be tagged.
func untagged[T any](p properties[T], filters []origami.Filter) error {
	for _, f := range filters {
		if _, ok := p[f.Name]; !ok {
			return origami.Errorf(origami.CodeInvalidParameterValue, "The filter '%.128s' is invalid", f.Name)
		}
	}
	return nil
}

func ofDisks(get func(*instance.Type) string) func(*instance.Type) []string {
	return func(t *instance.Type) []string {
		if t.Disks == 0 {
			return nil
		}
		return one(get(t))
	}
}

func supported(yes bool) string {
	if yes {
		return "supported"
	}
	return "unsupported"
}

// ebsNVMe tells whether the guest sees volumes as NVMe devices.
func ebsNVMe(t *instance.Type) string {
	if t.Nitro() {
		return "required"
	}
	return "unsupported"
}

func storeNVMe(t *instance.Type) string {
	if t.DiskNVMe {
		return "required"
	}
	return "unsupported"
}

// storeEncryption: the controllers of NVMe disks encrypt what they hold.
func storeEncryption(t *instance.Type) string {
	if t.DiskNVMe {
		return "required"
	}
	return "unsupported"
}

func tpmVersions(t *instance.Type) []string {
	if t.TPM {
		return one("2.0")
	}
	return nil
}

func virtualization(t *instance.Type) []string {
	var out []string
	if t.HVM {
		out = append(out, string(origami.HVM))
	}
	if t.Paravirtual {
		out = append(out, string(origami.Paravirtual))
	}
	return out
}

// words are the texts of a list of any kind of string.
func words[S ~string](list []S) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = string(s)
	}
	return out
}

// some is the value of a number, none if it is 0.
func some(n int) []string {
	if n == 0 {
		return nil
	}
	return number(n)
}

func decimal(f float64) []string {
	if f == 0 {
		return nil
	}
	return one(strconv.FormatFloat(f, 'f', -1, 64))
}

// wireType writes the facts about an instance type.
func wireType(t *instance.Type) ec2api.InstanceTypeInfo {
	out := ec2api.InstanceTypeInfo{
		AutoRecoverySupported:         ptr(false),
		BareMetal:                     ptr(false),
		BurstablePerformanceSupported: ptr(t.Burstable),
		CurrentGeneration:             ptr(!t.Previous),
		DedicatedHostsSupported:       ptr(false),
		EbsInfo:                       wireEBSInfo(t),
		FreeTierEligible:              ptr(t.FreeTier),
		HibernationSupported:          ptr(false),
		Hypervisor:                    text(t.Hypervisor),
		InstanceStorageSupported:      ptr(t.Disks > 0),
		InstanceType:                  text(t.Name),
		MemoryInfo:                    &ec2api.MemoryInfo{SizeInMiB: ptr(int64(t.MemoryMiB))},
		NetworkInfo:                   wireNetworkInfo(t),
		NitroEnclavesSupport:          ptr("unsupported"),
		NitroTpmSupport:               ptr(supported(t.TPM)),
		PlacementGroupInfo:            &ec2api.PlacementGroupInfo{},
		ProcessorInfo: &ec2api.ProcessorInfo{
			Manufacturer: text(t.Manufacturer), SupportedArchitectures: words(t.Architectures), SustainedClockSpeedInGhz: ptr(t.GHz),
		},
		RebootMigrationSupport:       ptr("unsupported"),
		SupportedBootModes:           words(t.BootModes()),
		SupportedRootDeviceTypes:     []string{"ebs"},
		SupportedUsageClasses:        []string{"on-demand"},
		SupportedVirtualizationTypes: virtualization(t),
		VCpuInfo: &ec2api.VCpuInfo{
			DefaultCores: ptr(int32(t.Cores())), DefaultThreadsPerCore: ptr(int32(t.Threads)), DefaultVCpus: ptr(int32(t.VCPUs)),
			ValidCores: []int32{int32(t.Cores())}, ValidThreadsPerCore: []int32{int32(t.Threads)},
		},
	}
	if t.TPM {
		out.NitroTpmInfo = &ec2api.NitroTpmInfo{SupportedVersions: tpmVersions(t)}
	}
	if t.Disks > 0 {
		out.InstanceStorageInfo = &ec2api.InstanceStorageInfo{
			Disks:             []ec2api.DiskInfo{{Count: ptr(int32(t.Disks)), SizeInGB: ptr(t.DiskGB), Type: text(t.DiskKind)}},
			EncryptionSupport: ptr(storeEncryption(t)), NvmeSupport: ptr(storeNVMe(t)), TotalSizeInGB: ptr(int64(t.Disks) * t.DiskGB),
		}
	}
	return out
}

func wireEBSInfo(t *instance.Type) *ec2api.EbsInfo {
	out := &ec2api.EbsInfo{
		EbsOptimizedSupport: text(t.EBSOptimized), EncryptionSupport: ptr(supported(t.Encrypted)), NvmeSupport: ptr(ebsNVMe(t)),
	}
	if t.EBSMbps.Max > 0 {
		out.EbsOptimizedInfo = &ec2api.EbsOptimizedInfo{
			BaselineBandwidthInMbps: ptr(int32(t.EBSMbps.Base)), BaselineIops: ptr(int32(t.EBSIOPS.Base)),
			BaselineThroughputInMBps: ptr(float64(t.EBSMbps.Base) / 8),
			MaximumBandwidthInMbps:   ptr(int32(t.EBSMbps.Max)), MaximumIops: ptr(int32(t.EBSIOPS.Max)),
			MaximumThroughputInMBps: ptr(float64(t.EBSMbps.Max) / 8),
		}
	}
	return out
}

func wireNetworkInfo(t *instance.Type) *ec2api.NetworkInfo {
	card := ec2api.NetworkCardInfo{
		MaximumNetworkInterfaces: ptr(int32(t.Interfaces)), NetworkCardIndex: ptr(int32(0)), NetworkPerformance: text(t.Network),
	}
	if t.NetworkPeak > 0 {
		card.BaselineBandwidthInGbps, card.PeakBandwidthInGbps = ptr(t.NetworkGbps), ptr(t.NetworkPeak)
	}
	return &ec2api.NetworkInfo{
		DefaultNetworkCardIndex: ptr(int32(0)), EfaSupported: ptr(false), EnaSrdSupported: ptr(false), EnaSupport: text(t.ENA),
		EncryptionInTransitSupported: ptr(false), Ipv4AddressesPerInterface: ptr(int32(t.Addresses)),
		Ipv6AddressesPerInterface: ptr(int32(0)), Ipv6Supported: ptr(false), MaximumNetworkCards: ptr(int32(1)),
		MaximumNetworkInterfaces: ptr(int32(t.Interfaces)), NetworkCards: []ec2api.NetworkCardInfo{card}, NetworkPerformance: text(t.Network),
	}
}
