package instance

import "origami"

// family is the types that differ in size only.
type family struct {
	name  string
	facts Type // of every size
	sizes []size
}

// size is one size of a family.
type size struct {
	name       string
	vcpus      int
	memory     int // MiB
	interfaces int
	addresses  int // of each interface
	network    string
	gbps, peak float64
	mbps, iops Range // to volumes
	disks      int
	diskGB     int64
	free       bool // in the free tier
}

var (
	intel32 = []origami.Architecture{origami.I386, origami.X8664}
	intel   = []origami.Architecture{origami.X8664}
	arm     = []origami.Architecture{origami.ARM64}
)

// What the types of a generation have in common.
var (
	firstGeneration = Type{
		Architectures: intel32, Hypervisor: "xen", ENA: "unsupported", Paravirtual: true, Manufacturer: "Intel", GHz: 2, Threads: 1, Previous: true, EBSOptimized: "unsupported", DiskKind: "hdd",
	}
	firstGenerationMicro = Type{
		Architectures: intel32, Hypervisor: "xen", ENA: "unsupported", Paravirtual: true, Manufacturer: "Intel", GHz: 2, Threads: 1, Previous: true, EBSOptimized: "unsupported",
	}
	thirdGeneration = Type{
		Architectures: intel, Hypervisor: "xen", ENA: "unsupported", Paravirtual: true, HVM: true, Manufacturer: "Intel", GHz: 2.5, Threads: 2, Previous: true, EBSOptimized: "unsupported", Encrypted: true, DiskKind: "ssd",
	}
	thirdGenerationLarge = Type{
		Architectures: intel, Hypervisor: "xen", ENA: "unsupported", Paravirtual: true, HVM: true, Manufacturer: "Intel", GHz: 2.5, Threads: 2, Previous: true, EBSOptimized: "supported", Encrypted: true, DiskKind: "ssd",
	}
	thirdCompute = Type{
		Architectures: intel, Hypervisor: "xen", ENA: "unsupported", Paravirtual: true, HVM: true, Manufacturer: "Intel", GHz: 2.8, Threads: 2, Previous: true, EBSOptimized: "unsupported", Encrypted: true, DiskKind: "ssd",
	}
	thirdComputeLarge = Type{
		Architectures: intel, Hypervisor: "xen", ENA: "unsupported", Paravirtual: true, HVM: true, Manufacturer: "Intel", GHz: 2.8, Threads: 2, Previous: true, EBSOptimized: "supported", Encrypted: true, DiskKind: "ssd",
	}
	burstableXen32 = Type{
		Architectures: intel32, Hypervisor: "xen", ENA: "unsupported", HVM: true, Manufacturer: "Intel", GHz: 2.5, Threads: 1, Burstable: true, Credits: "standard", EBSOptimized: "unsupported", Encrypted: true,
	}
	burstableXen = Type{
		Architectures: intel, Hypervisor: "xen", ENA: "unsupported", HVM: true, Manufacturer: "Intel", GHz: 2.3, Threads: 1, Burstable: true, Credits: "standard", EBSOptimized: "unsupported", Encrypted: true,
	}
	burstableIntel = Type{
		Architectures: intel, Hypervisor: "nitro", ENA: "required", HVM: true, UEFI: true, TPM: true, Manufacturer: "Intel", GHz: 2.5, Threads: 2, Burstable: true, Credits: "unlimited", Encrypted: true,
	}
	burstableAMD = Type{
		Architectures: intel, Hypervisor: "nitro", ENA: "required", HVM: true, UEFI: true, TPM: true, Manufacturer: "AMD", GHz: 2.2, Threads: 2, Burstable: true, Credits: "unlimited", Encrypted: true,
	}
	burstableARM = Type{
		Architectures: arm, Hypervisor: "nitro", ENA: "required", HVM: true, UEFI: true, Manufacturer: "AWS", GHz: 2.5, Threads: 1, Burstable: true, Credits: "unlimited", Encrypted: true,
	}
	xenFourth = Type{
		Architectures: intel, Hypervisor: "xen", ENA: "unsupported", HVM: true, Manufacturer: "Intel", GHz: 2.4, Threads: 2, Encrypted: true,
	}
	intelFifth = Type{
		Architectures: intel, Hypervisor: "nitro", ENA: "required", HVM: true, UEFI: true, TPM: true, Manufacturer: "Intel", GHz: 3.1, Threads: 2, Encrypted: true,
	}
	intelFifthNVMe = Type{
		Architectures: intel, Hypervisor: "nitro", ENA: "required", HVM: true, UEFI: true, TPM: true, Manufacturer: "Intel", GHz: 3.1, Threads: 2, Encrypted: true, DiskKind: "ssd", DiskNVMe: true,
	}
	computeFifth = Type{
		Architectures: intel, Hypervisor: "nitro", ENA: "required", HVM: true, UEFI: true, TPM: true, Manufacturer: "Intel", GHz: 3.4, Threads: 2, Encrypted: true,
	}
	computeFifthNVMe = Type{
		Architectures: intel, Hypervisor: "nitro", ENA: "required", HVM: true, UEFI: true, TPM: true, Manufacturer: "Intel", GHz: 3.4, Threads: 2, Encrypted: true, DiskKind: "ssd", DiskNVMe: true,
	}
	intelSixth = Type{
		Architectures: intel, Hypervisor: "nitro", ENA: "required", HVM: true, UEFI: true, TPM: true, Manufacturer: "Intel", GHz: 3.5, Threads: 2, Encrypted: true,
	}
	intelSeventh = Type{
		Architectures: intel, Hypervisor: "nitro", ENA: "required", HVM: true, UEFI: true, TPM: true, Manufacturer: "Intel", GHz: 3.2, Threads: 2, Encrypted: true,
	}
	graviton2 = Type{
		Architectures: arm, Hypervisor: "nitro", ENA: "required", HVM: true, UEFI: true, Manufacturer: "AWS", GHz: 2.5, Threads: 1, Encrypted: true,
	}
	graviton3 = Type{
		Architectures: arm, Hypervisor: "nitro", ENA: "required", HVM: true, UEFI: true, Manufacturer: "AWS", GHz: 2.6, Threads: 1, Encrypted: true,
	}
	storageXen = Type{
		Architectures: intel, Hypervisor: "xen", ENA: "supported", HVM: true, Manufacturer: "Intel", GHz: 2.3, Threads: 2, Encrypted: true, DiskKind: "ssd", DiskNVMe: true,
	}
	storageNitro = Type{
		Architectures: intel, Hypervisor: "nitro", ENA: "required", HVM: true, UEFI: true, TPM: true, Manufacturer: "Intel", GHz: 3.5, Threads: 2, Encrypted: true, DiskKind: "ssd", DiskNVMe: true,
	}
)

// families are the instance types by family.
var families = []family{
	{"m1", firstGeneration, []size{
		{name: "small", vcpus: 1, memory: 1740, interfaces: 2, addresses: 4, network: "Low", disks: 1, diskGB: 160},
		{name: "medium", vcpus: 1, memory: 3788, interfaces: 2, addresses: 6, network: "Moderate", disks: 1, diskGB: 410},
		{name: "large", vcpus: 2, memory: 7680, interfaces: 3, addresses: 10, network: "Moderate", mbps: Range{500, 500}, iops: Range{4000, 4000}, disks: 2, diskGB: 420},
		{name: "xlarge", vcpus: 4, memory: 15360, interfaces: 4, addresses: 15, network: "High", mbps: Range{1000, 1000}, iops: Range{8000, 8000}, disks: 4, diskGB: 420},
	}},
	{"m3", thirdGeneration, []size{
		{name: "medium", vcpus: 1, memory: 3840, interfaces: 2, addresses: 6, network: "Moderate", disks: 1, diskGB: 4},
		{name: "large", vcpus: 2, memory: 7680, interfaces: 3, addresses: 10, network: "Moderate", disks: 1, diskGB: 32},
	}},
	{"m3", thirdGenerationLarge, []size{
		{name: "xlarge", vcpus: 4, memory: 15360, interfaces: 4, addresses: 15, network: "High", mbps: Range{500, 500}, iops: Range{4000, 4000}, disks: 2, diskGB: 40},
		{name: "2xlarge", vcpus: 8, memory: 30720, interfaces: 4, addresses: 30, network: "High", mbps: Range{1000, 1000}, iops: Range{8000, 8000}, disks: 2, diskGB: 80},
	}},
	{"c3", thirdCompute, []size{
		{name: "large", vcpus: 2, memory: 3840, interfaces: 3, addresses: 10, network: "Moderate", disks: 2, diskGB: 16},
		{name: "8xlarge", vcpus: 32, memory: 61440, interfaces: 8, addresses: 30, network: "10 Gigabit", gbps: 10, peak: 10, disks: 2, diskGB: 320},
	}},
	{"c3", thirdComputeLarge, []size{
		{name: "xlarge", vcpus: 4, memory: 7680, interfaces: 4, addresses: 15, network: "Moderate", mbps: Range{500, 500}, iops: Range{4000, 4000}, disks: 2, diskGB: 40},
		{name: "2xlarge", vcpus: 8, memory: 15360, interfaces: 4, addresses: 15, network: "High", mbps: Range{1000, 1000}, iops: Range{8000, 8000}, disks: 2, diskGB: 80},
		{name: "4xlarge", vcpus: 16, memory: 30720, interfaces: 8, addresses: 30, network: "High", mbps: Range{2000, 2000}, iops: Range{16000, 16000}, disks: 2, diskGB: 160},
	}},
	{"t1", firstGenerationMicro, []size{
		{name: "micro", vcpus: 1, memory: 627, interfaces: 2, addresses: 2, network: "Very Low"},
	}},
	{"t2", burstableXen32, []size{
		{name: "nano", vcpus: 1, memory: 512, interfaces: 2, addresses: 2, network: "Low to Moderate"},
		{name: "micro", vcpus: 1, memory: 1024, interfaces: 2, addresses: 2, network: "Low to Moderate", free: true},
		{name: "small", vcpus: 1, memory: 2048, interfaces: 3, addresses: 4, network: "Low to Moderate"},
		{name: "medium", vcpus: 2, memory: 4096, interfaces: 3, addresses: 6, network: "Low to Moderate"},
	}},
	{"t2", burstableXen, []size{
		{name: "large", vcpus: 2, memory: 8192, interfaces: 3, addresses: 12, network: "Low to Moderate"},
		{name: "xlarge", vcpus: 4, memory: 16384, interfaces: 3, addresses: 15, network: "Moderate"},
		{name: "2xlarge", vcpus: 8, memory: 32768, interfaces: 3, addresses: 15, network: "Moderate"},
	}},
	{"t3", burstableIntel, []size{
		{name: "nano", vcpus: 2, memory: 512, interfaces: 2, addresses: 2, network: "Up to 5 Gigabit", gbps: 0.032, peak: 5, mbps: Range{43, 2085}, iops: Range{250, 11800}},
		{name: "micro", vcpus: 2, memory: 1024, interfaces: 2, addresses: 2, network: "Up to 5 Gigabit", gbps: 0.064, peak: 5, mbps: Range{87, 2085}, iops: Range{500, 11800}, free: true},
		{name: "small", vcpus: 2, memory: 2048, interfaces: 3, addresses: 4, network: "Up to 5 Gigabit", gbps: 0.128, peak: 5, mbps: Range{174, 2085}, iops: Range{1000, 11800}},
		{name: "medium", vcpus: 2, memory: 4096, interfaces: 3, addresses: 6, network: "Up to 5 Gigabit", gbps: 0.256, peak: 5, mbps: Range{347, 2085}, iops: Range{2000, 11800}},
		{name: "large", vcpus: 2, memory: 8192, interfaces: 3, addresses: 12, network: "Up to 5 Gigabit", gbps: 0.512, peak: 5, mbps: Range{695, 2780}, iops: Range{4000, 15700}},
		{name: "xlarge", vcpus: 4, memory: 16384, interfaces: 4, addresses: 15, network: "Up to 5 Gigabit", gbps: 1.024, peak: 5, mbps: Range{695, 2780}, iops: Range{4000, 15700}},
		{name: "2xlarge", vcpus: 8, memory: 32768, interfaces: 4, addresses: 15, network: "Up to 5 Gigabit", gbps: 2.048, peak: 5, mbps: Range{695, 2780}, iops: Range{4000, 15700}},
	}},
	{"t3a", burstableAMD, []size{
		{name: "nano", vcpus: 2, memory: 512, interfaces: 2, addresses: 2, network: "Up to 5 Gigabit", gbps: 0.032, peak: 5, mbps: Range{45, 2085}, iops: Range{250, 11800}},
		{name: "micro", vcpus: 2, memory: 1024, interfaces: 2, addresses: 2, network: "Up to 5 Gigabit", gbps: 0.064, peak: 5, mbps: Range{90, 2085}, iops: Range{500, 11800}},
		{name: "small", vcpus: 2, memory: 2048, interfaces: 2, addresses: 4, network: "Up to 5 Gigabit", gbps: 0.128, peak: 5, mbps: Range{175, 2085}, iops: Range{1000, 11800}},
		{name: "medium", vcpus: 2, memory: 4096, interfaces: 3, addresses: 6, network: "Up to 5 Gigabit", gbps: 0.256, peak: 5, mbps: Range{350, 2085}, iops: Range{2000, 11800}},
		{name: "large", vcpus: 2, memory: 8192, interfaces: 3, addresses: 12, network: "Up to 5 Gigabit", gbps: 0.512, peak: 5, mbps: Range{695, 2780}, iops: Range{4000, 15700}},
		{name: "xlarge", vcpus: 4, memory: 16384, interfaces: 4, addresses: 15, network: "Up to 5 Gigabit", gbps: 1.024, peak: 5, mbps: Range{695, 2780}, iops: Range{4000, 15700}},
		{name: "2xlarge", vcpus: 8, memory: 32768, interfaces: 4, addresses: 15, network: "Up to 5 Gigabit", gbps: 2.048, peak: 5, mbps: Range{695, 2780}, iops: Range{4000, 15700}},
	}},
	{"t4g", burstableARM, []size{
		{name: "nano", vcpus: 2, memory: 512, interfaces: 2, addresses: 2, network: "Up to 5 Gigabit", gbps: 0.032, peak: 5, mbps: Range{43, 2085}, iops: Range{250, 11800}},
		{name: "micro", vcpus: 2, memory: 1024, interfaces: 2, addresses: 2, network: "Up to 5 Gigabit", gbps: 0.064, peak: 5, mbps: Range{87, 2085}, iops: Range{500, 11800}},
		{name: "small", vcpus: 2, memory: 2048, interfaces: 3, addresses: 4, network: "Up to 5 Gigabit", gbps: 0.128, peak: 5, mbps: Range{174, 2085}, iops: Range{1000, 11800}},
		{name: "medium", vcpus: 2, memory: 4096, interfaces: 3, addresses: 6, network: "Up to 5 Gigabit", gbps: 0.256, peak: 5, mbps: Range{347, 2085}, iops: Range{2000, 11800}},
		{name: "large", vcpus: 2, memory: 8192, interfaces: 3, addresses: 12, network: "Up to 5 Gigabit", gbps: 0.512, peak: 5, mbps: Range{695, 2780}, iops: Range{4000, 15700}},
		{name: "xlarge", vcpus: 4, memory: 16384, interfaces: 4, addresses: 15, network: "Up to 5 Gigabit", gbps: 1.024, peak: 5, mbps: Range{695, 2780}, iops: Range{4000, 15700}},
		{name: "2xlarge", vcpus: 8, memory: 32768, interfaces: 4, addresses: 15, network: "Up to 5 Gigabit", gbps: 2.048, peak: 5, mbps: Range{695, 2780}, iops: Range{4000, 15700}},
	}},
	{"m4", xenFourth, []size{
		{name: "large", vcpus: 2, memory: 8192, interfaces: 2, addresses: 10, network: "Moderate", mbps: Range{450, 450}, iops: Range{3600, 3600}},
		{name: "xlarge", vcpus: 4, memory: 16384, interfaces: 4, addresses: 15, network: "High", mbps: Range{750, 750}, iops: Range{6000, 6000}},
		{name: "2xlarge", vcpus: 8, memory: 32768, interfaces: 4, addresses: 15, network: "High", mbps: Range{1000, 1000}, iops: Range{8000, 8000}},
		{name: "4xlarge", vcpus: 16, memory: 65536, interfaces: 8, addresses: 30, network: "High", mbps: Range{2000, 2000}, iops: Range{16000, 16000}},
		{name: "10xlarge", vcpus: 40, memory: 163840, interfaces: 8, addresses: 30, network: "10 Gigabit", gbps: 10, peak: 10, mbps: Range{4000, 4000}, iops: Range{32000, 32000}},
	}},
	{"m5", intelFifth, []size{
		{name: "large", vcpus: 2, memory: 8192, interfaces: 3, addresses: 10, network: "Up to 10 Gigabit", gbps: 0.75, peak: 10, mbps: Range{650, 4750}, iops: Range{3600, 18750}},
		{name: "xlarge", vcpus: 4, memory: 16384, interfaces: 4, addresses: 15, network: "Up to 10 Gigabit", gbps: 1.25, peak: 10, mbps: Range{1150, 4750}, iops: Range{6000, 18750}},
		{name: "2xlarge", vcpus: 8, memory: 32768, interfaces: 4, addresses: 15, network: "Up to 10 Gigabit", gbps: 2.5, peak: 10, mbps: Range{2300, 4750}, iops: Range{12000, 18750}},
		{name: "4xlarge", vcpus: 16, memory: 65536, interfaces: 8, addresses: 30, network: "Up to 10 Gigabit", gbps: 5, peak: 10, mbps: Range{4750, 4750}, iops: Range{18750, 18750}},
		{name: "8xlarge", vcpus: 32, memory: 131072, interfaces: 8, addresses: 30, network: "10 Gigabit", gbps: 10, peak: 10, mbps: Range{6800, 6800}, iops: Range{30000, 30000}},
		{name: "12xlarge", vcpus: 48, memory: 196608, interfaces: 8, addresses: 30, network: "12 Gigabit", gbps: 12, peak: 12, mbps: Range{9500, 9500}, iops: Range{40000, 40000}},
		{name: "16xlarge", vcpus: 64, memory: 262144, interfaces: 15, addresses: 50, network: "20 Gigabit", gbps: 20, peak: 20, mbps: Range{13600, 13600}, iops: Range{60000, 60000}},
		{name: "24xlarge", vcpus: 96, memory: 393216, interfaces: 15, addresses: 50, network: "25 Gigabit", gbps: 25, peak: 25, mbps: Range{19000, 19000}, iops: Range{80000, 80000}},
	}},
	{"m5d", intelFifthNVMe, []size{
		{name: "large", vcpus: 2, memory: 8192, interfaces: 3, addresses: 10, network: "Up to 10 Gigabit", gbps: 0.75, peak: 10, mbps: Range{650, 4750}, iops: Range{3600, 18750}, disks: 1, diskGB: 75},
		{name: "xlarge", vcpus: 4, memory: 16384, interfaces: 4, addresses: 15, network: "Up to 10 Gigabit", gbps: 1.25, peak: 10, mbps: Range{1150, 4750}, iops: Range{6000, 18750}, disks: 1, diskGB: 150},
		{name: "2xlarge", vcpus: 8, memory: 32768, interfaces: 4, addresses: 15, network: "Up to 10 Gigabit", gbps: 2.5, peak: 10, mbps: Range{2300, 4750}, iops: Range{12000, 18750}, disks: 1, diskGB: 300},
		{name: "4xlarge", vcpus: 16, memory: 65536, interfaces: 8, addresses: 30, network: "Up to 10 Gigabit", gbps: 5, peak: 10, mbps: Range{4750, 4750}, iops: Range{18750, 18750}, disks: 2, diskGB: 300},
		{name: "8xlarge", vcpus: 32, memory: 131072, interfaces: 8, addresses: 30, network: "10 Gigabit", gbps: 10, peak: 10, mbps: Range{6800, 6800}, iops: Range{30000, 30000}, disks: 2, diskGB: 600},
		{name: "12xlarge", vcpus: 48, memory: 196608, interfaces: 8, addresses: 30, network: "12 Gigabit", gbps: 12, peak: 12, mbps: Range{9500, 9500}, iops: Range{40000, 40000}, disks: 2, diskGB: 900},
		{name: "16xlarge", vcpus: 64, memory: 262144, interfaces: 15, addresses: 50, network: "20 Gigabit", gbps: 20, peak: 20, mbps: Range{13600, 13600}, iops: Range{60000, 60000}, disks: 4, diskGB: 600},
		{name: "24xlarge", vcpus: 96, memory: 393216, interfaces: 15, addresses: 50, network: "25 Gigabit", gbps: 25, peak: 25, mbps: Range{19000, 19000}, iops: Range{80000, 80000}, disks: 4, diskGB: 900},
	}},
	{"r5", intelFifth, []size{
		{name: "large", vcpus: 2, memory: 16384, interfaces: 3, addresses: 10, network: "Up to 10 Gigabit", gbps: 0.75, peak: 10, mbps: Range{650, 4750}, iops: Range{3600, 18750}},
		{name: "xlarge", vcpus: 4, memory: 32768, interfaces: 4, addresses: 15, network: "Up to 10 Gigabit", gbps: 1.25, peak: 10, mbps: Range{1150, 4750}, iops: Range{6000, 18750}},
		{name: "2xlarge", vcpus: 8, memory: 65536, interfaces: 4, addresses: 15, network: "Up to 10 Gigabit", gbps: 2.5, peak: 10, mbps: Range{2300, 4750}, iops: Range{12000, 18750}},
		{name: "4xlarge", vcpus: 16, memory: 131072, interfaces: 8, addresses: 30, network: "Up to 10 Gigabit", gbps: 5, peak: 10, mbps: Range{4750, 4750}, iops: Range{18750, 18750}},
		{name: "8xlarge", vcpus: 32, memory: 262144, interfaces: 8, addresses: 30, network: "10 Gigabit", gbps: 10, peak: 10, mbps: Range{6800, 6800}, iops: Range{30000, 30000}},
		{name: "12xlarge", vcpus: 48, memory: 393216, interfaces: 8, addresses: 30, network: "12 Gigabit", gbps: 12, peak: 12, mbps: Range{9500, 9500}, iops: Range{40000, 40000}},
		{name: "16xlarge", vcpus: 64, memory: 524288, interfaces: 15, addresses: 50, network: "20 Gigabit", gbps: 20, peak: 20, mbps: Range{13600, 13600}, iops: Range{60000, 60000}},
		{name: "24xlarge", vcpus: 96, memory: 786432, interfaces: 15, addresses: 50, network: "25 Gigabit", gbps: 25, peak: 25, mbps: Range{19000, 19000}, iops: Range{80000, 80000}},
	}},
	{"c5", computeFifth, []size{
		{name: "large", vcpus: 2, memory: 4096, interfaces: 3, addresses: 10, network: "Up to 10 Gigabit", gbps: 0.75, peak: 10, mbps: Range{650, 4750}, iops: Range{4000, 20000}},
		{name: "xlarge", vcpus: 4, memory: 8192, interfaces: 4, addresses: 15, network: "Up to 10 Gigabit", gbps: 1.25, peak: 10, mbps: Range{1150, 4750}, iops: Range{6000, 20000}},
		{name: "2xlarge", vcpus: 8, memory: 16384, interfaces: 4, addresses: 15, network: "Up to 10 Gigabit", gbps: 2.5, peak: 10, mbps: Range{2300, 4750}, iops: Range{10000, 20000}},
		{name: "4xlarge", vcpus: 16, memory: 32768, interfaces: 8, addresses: 30, network: "Up to 10 Gigabit", gbps: 5, peak: 10, mbps: Range{4750, 4750}, iops: Range{20000, 20000}},
		{name: "9xlarge", vcpus: 36, memory: 73728, interfaces: 8, addresses: 30, network: "12 Gigabit", gbps: 12, peak: 12, mbps: Range{9500, 9500}, iops: Range{40000, 40000}},
		{name: "12xlarge", vcpus: 48, memory: 98304, interfaces: 8, addresses: 30, network: "12 Gigabit", gbps: 12, peak: 12, mbps: Range{9500, 9500}, iops: Range{40000, 40000}},
		{name: "18xlarge", vcpus: 72, memory: 147456, interfaces: 15, addresses: 50, network: "25 Gigabit", gbps: 25, peak: 25, mbps: Range{19000, 19000}, iops: Range{80000, 80000}},
		{name: "24xlarge", vcpus: 96, memory: 196608, interfaces: 15, addresses: 50, network: "25 Gigabit", gbps: 25, peak: 25, mbps: Range{19000, 19000}, iops: Range{80000, 80000}},
	}},
	{"c5d", computeFifthNVMe, []size{
		{name: "large", vcpus: 2, memory: 4096, interfaces: 3, addresses: 10, network: "Up to 10 Gigabit", gbps: 0.75, peak: 10, mbps: Range{650, 4750}, iops: Range{4000, 20000}, disks: 1, diskGB: 50},
		{name: "xlarge", vcpus: 4, memory: 8192, interfaces: 4, addresses: 15, network: "Up to 10 Gigabit", gbps: 1.25, peak: 10, mbps: Range{1150, 4750}, iops: Range{6000, 20000}, disks: 1, diskGB: 100},
		{name: "2xlarge", vcpus: 8, memory: 16384, interfaces: 4, addresses: 15, network: "Up to 10 Gigabit", gbps: 2.5, peak: 10, mbps: Range{2300, 4750}, iops: Range{10000, 20000}, disks: 1, diskGB: 200},
		{name: "4xlarge", vcpus: 16, memory: 32768, interfaces: 8, addresses: 30, network: "Up to 10 Gigabit", gbps: 5, peak: 10, mbps: Range{4750, 4750}, iops: Range{20000, 20000}, disks: 1, diskGB: 400},
		{name: "9xlarge", vcpus: 36, memory: 73728, interfaces: 8, addresses: 30, network: "12 Gigabit", gbps: 12, peak: 12, mbps: Range{9500, 9500}, iops: Range{40000, 40000}, disks: 1, diskGB: 900},
		{name: "12xlarge", vcpus: 48, memory: 98304, interfaces: 8, addresses: 30, network: "12 Gigabit", gbps: 12, peak: 12, mbps: Range{9500, 9500}, iops: Range{40000, 40000}, disks: 2, diskGB: 900},
		{name: "18xlarge", vcpus: 72, memory: 147456, interfaces: 15, addresses: 50, network: "25 Gigabit", gbps: 25, peak: 25, mbps: Range{19000, 19000}, iops: Range{80000, 80000}, disks: 2, diskGB: 900},
		{name: "24xlarge", vcpus: 96, memory: 196608, interfaces: 15, addresses: 50, network: "25 Gigabit", gbps: 25, peak: 25, mbps: Range{19000, 19000}, iops: Range{80000, 80000}, disks: 4, diskGB: 900},
	}},
	{"m6i", intelSixth, []size{
		{name: "large", vcpus: 2, memory: 8192, interfaces: 3, addresses: 10, network: "Up to 12.5 Gigabit", gbps: 0.781, peak: 12.5, mbps: Range{650, 10000}, iops: Range{3600, 40000}},
		{name: "xlarge", vcpus: 4, memory: 16384, interfaces: 4, addresses: 15, network: "Up to 12.5 Gigabit", gbps: 1.562, peak: 12.5, mbps: Range{1250, 10000}, iops: Range{6000, 40000}},
		{name: "2xlarge", vcpus: 8, memory: 32768, interfaces: 4, addresses: 15, network: "Up to 12.5 Gigabit", gbps: 3.125, peak: 12.5, mbps: Range{2500, 10000}, iops: Range{12000, 40000}},
		{name: "4xlarge", vcpus: 16, memory: 65536, interfaces: 8, addresses: 30, network: "Up to 12.5 Gigabit", gbps: 6.25, peak: 12.5, mbps: Range{5000, 10000}, iops: Range{20000, 40000}},
		{name: "8xlarge", vcpus: 32, memory: 131072, interfaces: 8, addresses: 30, network: "12.5 Gigabit", gbps: 12.5, peak: 12.5, mbps: Range{10000, 10000}, iops: Range{40000, 40000}},
		{name: "12xlarge", vcpus: 48, memory: 196608, interfaces: 8, addresses: 30, network: "18.75 Gigabit", gbps: 18.75, peak: 18.75, mbps: Range{15000, 15000}, iops: Range{60000, 60000}},
		{name: "16xlarge", vcpus: 64, memory: 262144, interfaces: 15, addresses: 50, network: "25 Gigabit", gbps: 25, peak: 25, mbps: Range{20000, 20000}, iops: Range{80000, 80000}},
		{name: "24xlarge", vcpus: 96, memory: 393216, interfaces: 15, addresses: 50, network: "37.5 Gigabit", gbps: 37.5, peak: 37.5, mbps: Range{30000, 30000}, iops: Range{120000, 120000}},
		{name: "32xlarge", vcpus: 128, memory: 524288, interfaces: 15, addresses: 50, network: "50 Gigabit", gbps: 50, peak: 50, mbps: Range{40000, 40000}, iops: Range{160000, 160000}},
	}},
	{"c6i", intelSixth, []size{
		{name: "large", vcpus: 2, memory: 4096, interfaces: 3, addresses: 10, network: "Up to 12.5 Gigabit", gbps: 0.781, peak: 12.5, mbps: Range{650, 10000}, iops: Range{3600, 40000}},
		{name: "xlarge", vcpus: 4, memory: 8192, interfaces: 4, addresses: 15, network: "Up to 12.5 Gigabit", gbps: 1.562, peak: 12.5, mbps: Range{1250, 10000}, iops: Range{6000, 40000}},
		{name: "2xlarge", vcpus: 8, memory: 16384, interfaces: 4, addresses: 15, network: "Up to 12.5 Gigabit", gbps: 3.125, peak: 12.5, mbps: Range{2500, 10000}, iops: Range{12000, 40000}},
		{name: "4xlarge", vcpus: 16, memory: 32768, interfaces: 8, addresses: 30, network: "Up to 12.5 Gigabit", gbps: 6.25, peak: 12.5, mbps: Range{5000, 10000}, iops: Range{20000, 40000}},
		{name: "8xlarge", vcpus: 32, memory: 65536, interfaces: 8, addresses: 30, network: "12.5 Gigabit", gbps: 12.5, peak: 12.5, mbps: Range{10000, 10000}, iops: Range{40000, 40000}},
		{name: "12xlarge", vcpus: 48, memory: 98304, interfaces: 8, addresses: 30, network: "18.75 Gigabit", gbps: 18.75, peak: 18.75, mbps: Range{15000, 15000}, iops: Range{60000, 60000}},
		{name: "16xlarge", vcpus: 64, memory: 131072, interfaces: 15, addresses: 50, network: "25 Gigabit", gbps: 25, peak: 25, mbps: Range{20000, 20000}, iops: Range{80000, 80000}},
		{name: "24xlarge", vcpus: 96, memory: 196608, interfaces: 15, addresses: 50, network: "37.5 Gigabit", gbps: 37.5, peak: 37.5, mbps: Range{30000, 30000}, iops: Range{120000, 120000}},
		{name: "32xlarge", vcpus: 128, memory: 262144, interfaces: 15, addresses: 50, network: "50 Gigabit", gbps: 50, peak: 50, mbps: Range{40000, 40000}, iops: Range{160000, 160000}},
	}},
	{"r6i", intelSixth, []size{
		{name: "large", vcpus: 2, memory: 16384, interfaces: 3, addresses: 10, network: "Up to 12.5 Gigabit", gbps: 0.781, peak: 12.5, mbps: Range{650, 10000}, iops: Range{3600, 40000}},
		{name: "xlarge", vcpus: 4, memory: 32768, interfaces: 4, addresses: 15, network: "Up to 12.5 Gigabit", gbps: 1.562, peak: 12.5, mbps: Range{1250, 10000}, iops: Range{6000, 40000}},
		{name: "2xlarge", vcpus: 8, memory: 65536, interfaces: 4, addresses: 15, network: "Up to 12.5 Gigabit", gbps: 3.125, peak: 12.5, mbps: Range{2500, 10000}, iops: Range{12000, 40000}},
		{name: "4xlarge", vcpus: 16, memory: 131072, interfaces: 8, addresses: 30, network: "Up to 12.5 Gigabit", gbps: 6.25, peak: 12.5, mbps: Range{5000, 10000}, iops: Range{20000, 40000}},
		{name: "8xlarge", vcpus: 32, memory: 262144, interfaces: 8, addresses: 30, network: "12.5 Gigabit", gbps: 12.5, peak: 12.5, mbps: Range{10000, 10000}, iops: Range{40000, 40000}},
		{name: "12xlarge", vcpus: 48, memory: 393216, interfaces: 8, addresses: 30, network: "18.75 Gigabit", gbps: 18.75, peak: 18.75, mbps: Range{15000, 15000}, iops: Range{60000, 60000}},
		{name: "16xlarge", vcpus: 64, memory: 524288, interfaces: 15, addresses: 50, network: "25 Gigabit", gbps: 25, peak: 25, mbps: Range{20000, 20000}, iops: Range{80000, 80000}},
		{name: "24xlarge", vcpus: 96, memory: 786432, interfaces: 15, addresses: 50, network: "37.5 Gigabit", gbps: 37.5, peak: 37.5, mbps: Range{30000, 30000}, iops: Range{120000, 120000}},
		{name: "32xlarge", vcpus: 128, memory: 1048576, interfaces: 15, addresses: 50, network: "50 Gigabit", gbps: 50, peak: 50, mbps: Range{40000, 40000}, iops: Range{160000, 160000}},
	}},
	{"m7i", intelSeventh, []size{
		{name: "large", vcpus: 2, memory: 8192, interfaces: 3, addresses: 10, network: "Up to 12.5 Gigabit", gbps: 0.781, peak: 12.5, mbps: Range{650, 10000}, iops: Range{3600, 40000}},
		{name: "xlarge", vcpus: 4, memory: 16384, interfaces: 4, addresses: 15, network: "Up to 12.5 Gigabit", gbps: 1.562, peak: 12.5, mbps: Range{1250, 10000}, iops: Range{6000, 40000}},
		{name: "2xlarge", vcpus: 8, memory: 32768, interfaces: 4, addresses: 15, network: "Up to 12.5 Gigabit", gbps: 3.125, peak: 12.5, mbps: Range{2500, 10000}, iops: Range{12000, 40000}},
		{name: "4xlarge", vcpus: 16, memory: 65536, interfaces: 8, addresses: 30, network: "Up to 12.5 Gigabit", gbps: 6.25, peak: 12.5, mbps: Range{5000, 10000}, iops: Range{20000, 40000}},
		{name: "8xlarge", vcpus: 32, memory: 131072, interfaces: 8, addresses: 30, network: "12.5 Gigabit", gbps: 12.5, peak: 12.5, mbps: Range{10000, 10000}, iops: Range{40000, 40000}},
		{name: "12xlarge", vcpus: 48, memory: 196608, interfaces: 8, addresses: 30, network: "18.75 Gigabit", gbps: 18.75, peak: 18.75, mbps: Range{15000, 15000}, iops: Range{60000, 60000}},
		{name: "16xlarge", vcpus: 64, memory: 262144, interfaces: 15, addresses: 50, network: "25 Gigabit", gbps: 25, peak: 25, mbps: Range{20000, 20000}, iops: Range{80000, 80000}},
		{name: "24xlarge", vcpus: 96, memory: 393216, interfaces: 15, addresses: 50, network: "37.5 Gigabit", gbps: 37.5, peak: 37.5, mbps: Range{30000, 30000}, iops: Range{120000, 120000}},
		{name: "48xlarge", vcpus: 192, memory: 786432, interfaces: 15, addresses: 50, network: "50 Gigabit", gbps: 50, peak: 50, mbps: Range{40000, 40000}, iops: Range{240000, 240000}},
	}},
	{"c7i", intelSeventh, []size{
		{name: "large", vcpus: 2, memory: 4096, interfaces: 3, addresses: 10, network: "Up to 12.5 Gigabit", gbps: 0.781, peak: 12.5, mbps: Range{650, 10000}, iops: Range{3600, 40000}},
		{name: "xlarge", vcpus: 4, memory: 8192, interfaces: 4, addresses: 15, network: "Up to 12.5 Gigabit", gbps: 1.562, peak: 12.5, mbps: Range{1250, 10000}, iops: Range{6000, 40000}},
		{name: "2xlarge", vcpus: 8, memory: 16384, interfaces: 4, addresses: 15, network: "Up to 12.5 Gigabit", gbps: 3.125, peak: 12.5, mbps: Range{2500, 10000}, iops: Range{12000, 40000}},
		{name: "4xlarge", vcpus: 16, memory: 32768, interfaces: 8, addresses: 30, network: "Up to 12.5 Gigabit", gbps: 6.25, peak: 12.5, mbps: Range{5000, 10000}, iops: Range{20000, 40000}},
		{name: "8xlarge", vcpus: 32, memory: 65536, interfaces: 8, addresses: 30, network: "12.5 Gigabit", gbps: 12.5, peak: 12.5, mbps: Range{10000, 10000}, iops: Range{40000, 40000}},
		{name: "12xlarge", vcpus: 48, memory: 98304, interfaces: 8, addresses: 30, network: "18.75 Gigabit", gbps: 18.75, peak: 18.75, mbps: Range{15000, 15000}, iops: Range{60000, 60000}},
		{name: "16xlarge", vcpus: 64, memory: 131072, interfaces: 15, addresses: 50, network: "25 Gigabit", gbps: 25, peak: 25, mbps: Range{20000, 20000}, iops: Range{80000, 80000}},
		{name: "24xlarge", vcpus: 96, memory: 196608, interfaces: 15, addresses: 50, network: "37.5 Gigabit", gbps: 37.5, peak: 37.5, mbps: Range{30000, 30000}, iops: Range{120000, 120000}},
		{name: "48xlarge", vcpus: 192, memory: 393216, interfaces: 15, addresses: 50, network: "50 Gigabit", gbps: 50, peak: 50, mbps: Range{40000, 40000}, iops: Range{240000, 240000}},
	}},
	{"m6g", graviton2, []size{
		{name: "medium", vcpus: 1, memory: 4096, interfaces: 2, addresses: 4, network: "Up to 10 Gigabit", gbps: 0.5, peak: 10, mbps: Range{315, 4750}, iops: Range{2500, 20000}},
		{name: "large", vcpus: 2, memory: 8192, interfaces: 3, addresses: 10, network: "Up to 10 Gigabit", gbps: 0.75, peak: 10, mbps: Range{630, 4750}, iops: Range{3600, 20000}},
		{name: "xlarge", vcpus: 4, memory: 16384, interfaces: 4, addresses: 15, network: "Up to 10 Gigabit", gbps: 1.25, peak: 10, mbps: Range{1188, 4750}, iops: Range{6000, 20000}},
		{name: "2xlarge", vcpus: 8, memory: 32768, interfaces: 4, addresses: 15, network: "Up to 10 Gigabit", gbps: 2.5, peak: 10, mbps: Range{2375, 4750}, iops: Range{12000, 20000}},
		{name: "4xlarge", vcpus: 16, memory: 65536, interfaces: 8, addresses: 30, network: "Up to 10 Gigabit", gbps: 5, peak: 10, mbps: Range{4750, 4750}, iops: Range{20000, 20000}},
		{name: "8xlarge", vcpus: 32, memory: 131072, interfaces: 8, addresses: 30, network: "12 Gigabit", gbps: 12, peak: 12, mbps: Range{9500, 9500}, iops: Range{40000, 40000}},
		{name: "12xlarge", vcpus: 48, memory: 196608, interfaces: 8, addresses: 30, network: "20 Gigabit", gbps: 20, peak: 20, mbps: Range{14250, 14250}, iops: Range{50000, 50000}},
		{name: "16xlarge", vcpus: 64, memory: 262144, interfaces: 15, addresses: 50, network: "25 Gigabit", gbps: 25, peak: 25, mbps: Range{19000, 19000}, iops: Range{80000, 80000}},
	}},
	{"c6g", graviton2, []size{
		{name: "medium", vcpus: 1, memory: 2048, interfaces: 2, addresses: 4, network: "Up to 10 Gigabit", gbps: 0.5, peak: 10, mbps: Range{315, 4750}, iops: Range{2500, 20000}},
		{name: "large", vcpus: 2, memory: 4096, interfaces: 3, addresses: 10, network: "Up to 10 Gigabit", gbps: 0.75, peak: 10, mbps: Range{630, 4750}, iops: Range{3600, 20000}},
		{name: "xlarge", vcpus: 4, memory: 8192, interfaces: 4, addresses: 15, network: "Up to 10 Gigabit", gbps: 1.25, peak: 10, mbps: Range{1188, 4750}, iops: Range{6000, 20000}},
		{name: "2xlarge", vcpus: 8, memory: 16384, interfaces: 4, addresses: 15, network: "Up to 10 Gigabit", gbps: 2.5, peak: 10, mbps: Range{2375, 4750}, iops: Range{12000, 20000}},
		{name: "4xlarge", vcpus: 16, memory: 32768, interfaces: 8, addresses: 30, network: "Up to 10 Gigabit", gbps: 5, peak: 10, mbps: Range{4750, 4750}, iops: Range{20000, 20000}},
		{name: "8xlarge", vcpus: 32, memory: 65536, interfaces: 8, addresses: 30, network: "12 Gigabit", gbps: 12, peak: 12, mbps: Range{9500, 9500}, iops: Range{40000, 40000}},
		{name: "12xlarge", vcpus: 48, memory: 98304, interfaces: 8, addresses: 30, network: "20 Gigabit", gbps: 20, peak: 20, mbps: Range{14250, 14250}, iops: Range{50000, 50000}},
		{name: "16xlarge", vcpus: 64, memory: 131072, interfaces: 15, addresses: 50, network: "25 Gigabit", gbps: 25, peak: 25, mbps: Range{19000, 19000}, iops: Range{80000, 80000}},
	}},
	{"m7g", graviton3, []size{
		{name: "medium", vcpus: 1, memory: 4096, interfaces: 2, addresses: 4, network: "Up to 12.5 Gigabit", gbps: 0.52, peak: 12.5, mbps: Range{315, 10000}, iops: Range{2500, 40000}},
		{name: "large", vcpus: 2, memory: 8192, interfaces: 3, addresses: 10, network: "Up to 12.5 Gigabit", gbps: 0.937, peak: 12.5, mbps: Range{630, 10000}, iops: Range{3600, 40000}},
		{name: "xlarge", vcpus: 4, memory: 16384, interfaces: 4, addresses: 15, network: "Up to 12.5 Gigabit", gbps: 1.876, peak: 12.5, mbps: Range{1250, 10000}, iops: Range{6000, 40000}},
		{name: "2xlarge", vcpus: 8, memory: 32768, interfaces: 4, addresses: 15, network: "Up to 15 Gigabit", gbps: 3.75, peak: 15, mbps: Range{2500, 10000}, iops: Range{12000, 40000}},
		{name: "4xlarge", vcpus: 16, memory: 65536, interfaces: 8, addresses: 30, network: "Up to 15 Gigabit", gbps: 7.5, peak: 15, mbps: Range{5000, 10000}, iops: Range{20000, 40000}},
		{name: "8xlarge", vcpus: 32, memory: 131072, interfaces: 8, addresses: 30, network: "15 Gigabit", gbps: 15, peak: 15, mbps: Range{10000, 10000}, iops: Range{40000, 40000}},
		{name: "12xlarge", vcpus: 48, memory: 196608, interfaces: 8, addresses: 30, network: "22.5 Gigabit", gbps: 22.5, peak: 22.5, mbps: Range{15000, 15000}, iops: Range{60000, 60000}},
		{name: "16xlarge", vcpus: 64, memory: 262144, interfaces: 15, addresses: 50, network: "30 Gigabit", gbps: 30, peak: 30, mbps: Range{20000, 20000}, iops: Range{80000, 80000}},
	}},
	{"i3", storageXen, []size{
		{name: "large", vcpus: 2, memory: 15616, interfaces: 3, addresses: 10, network: "Up to 10 Gigabit", gbps: 0.75, peak: 10, mbps: Range{425, 425}, iops: Range{3000, 3000}, disks: 1, diskGB: 475},
		{name: "xlarge", vcpus: 4, memory: 31232, interfaces: 4, addresses: 15, network: "Up to 10 Gigabit", gbps: 1.25, peak: 10, mbps: Range{850, 850}, iops: Range{6000, 6000}, disks: 1, diskGB: 950},
		{name: "2xlarge", vcpus: 8, memory: 62464, interfaces: 4, addresses: 15, network: "Up to 10 Gigabit", gbps: 2.5, peak: 10, mbps: Range{1700, 1700}, iops: Range{12000, 12000}, disks: 1, diskGB: 1900},
		{name: "4xlarge", vcpus: 16, memory: 124928, interfaces: 8, addresses: 30, network: "Up to 10 Gigabit", gbps: 5, peak: 10, mbps: Range{3500, 3500}, iops: Range{16000, 16000}, disks: 2, diskGB: 1900},
		{name: "8xlarge", vcpus: 32, memory: 249856, interfaces: 8, addresses: 30, network: "10 Gigabit", gbps: 10, peak: 10, mbps: Range{7000, 7000}, iops: Range{32500, 32500}, disks: 4, diskGB: 1900},
		{name: "16xlarge", vcpus: 64, memory: 499712, interfaces: 15, addresses: 50, network: "25 Gigabit", gbps: 25, peak: 25, mbps: Range{14000, 14000}, iops: Range{65000, 65000}, disks: 8, diskGB: 1900},
	}},
	{"i4i", storageNitro, []size{
		{name: "large", vcpus: 2, memory: 16384, interfaces: 3, addresses: 10, network: "Up to 10 Gigabit", gbps: 0.781, peak: 10, mbps: Range{625, 10000}, iops: Range{2500, 40000}, disks: 1, diskGB: 468},
		{name: "xlarge", vcpus: 4, memory: 32768, interfaces: 4, addresses: 15, network: "Up to 10 Gigabit", gbps: 1.875, peak: 10, mbps: Range{1250, 10000}, iops: Range{5000, 40000}, disks: 1, diskGB: 937},
		{name: "2xlarge", vcpus: 8, memory: 65536, interfaces: 4, addresses: 15, network: "Up to 12 Gigabit", gbps: 4.687, peak: 12, mbps: Range{2500, 10000}, iops: Range{10000, 40000}, disks: 1, diskGB: 1875},
		{name: "4xlarge", vcpus: 16, memory: 131072, interfaces: 8, addresses: 30, network: "Up to 25 Gigabit", gbps: 9.375, peak: 25, mbps: Range{5000, 10000}, iops: Range{20000, 40000}, disks: 1, diskGB: 3750},
		{name: "8xlarge", vcpus: 32, memory: 262144, interfaces: 8, addresses: 30, network: "18.75 Gigabit", gbps: 18.75, peak: 18.75, mbps: Range{10000, 10000}, iops: Range{40000, 40000}, disks: 2, diskGB: 3750},
		{name: "16xlarge", vcpus: 64, memory: 524288, interfaces: 15, addresses: 50, network: "37.5 Gigabit", gbps: 37.5, peak: 37.5, mbps: Range{20000, 20000}, iops: Range{80000, 80000}, disks: 4, diskGB: 3750},
		{name: "32xlarge", vcpus: 128, memory: 1048576, interfaces: 15, addresses: 50, network: "75 Gigabit", gbps: 75, peak: 75, mbps: Range{40000, 40000}, iops: Range{160000, 160000}, disks: 8, diskGB: 3750},
	}},
}
