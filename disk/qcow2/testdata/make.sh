#!/bin/sh
# Makes the specimens in this directory with qemu-img and qemu-io (those here
# are of QEMU 7.2), and SHA256SUMS of the disks that they hold.
set -eu
cd "$(dirname "$0")"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# 96 KiB and one sector: text, a hole, noise that is the same every time.
{
	seq -f 'line %.0f of a log that compresses' 1 600
	head -c 30000 /dev/zero
	seq 1 4000 | gzip -9n | head -c 8192
} | dd of="$tmp/source.raw" bs=1 2>/dev/null
truncate -s 98816 "$tmp/source.raw"

: >SHA256SUMS
keep() { # name: compress the specimen, note what it holds
	qemu-img convert -f qcow2 -O raw "$tmp/$1" "$tmp/$1.raw"
	printf '%s  %s\n' "$(sha256sum <"$tmp/$1.raw" | cut -d' ' -f1)" "$1" >>SHA256SUMS
	gzip -9n <"$tmp/$1" >"$1.gz"
}
convert() { # name, options, arguments
	name=$1 options=$2
	shift 2
	qemu-img convert -f raw -O qcow2 -o "$options" "$@" "$tmp/source.raw" "$tmp/$name"
}
edit() { # name
	qemu-io -f qcow2 -d unmap -c 'write -P 1 4k 9k' -c 'write -z 20k 16k' -c 'discard 8k 4k' \
		-c 'write -P 2 60k 512' -c 'write -P 3 98304 512' "$tmp/$1" >/dev/null
}

convert v2-zlib.qcow2 compat=0.10,cluster_size=4k -c
keep v2-zlib.qcow2
convert v2-plain.qcow2 compat=0.10,cluster_size=512
edit v2-plain.qcow2
keep v2-plain.qcow2
convert v3-zlib.qcow2 compat=1.1,cluster_size=512 -c
keep v3-zlib.qcow2
convert v3-zstd.qcow2 compat=1.1,cluster_size=16k,compression_type=zstd -c
edit v3-zstd.qcow2
keep v3-zstd.qcow2
convert v3-plain.qcow2 compat=1.1,cluster_size=1k,refcount_bits=64
edit v3-plain.qcow2
keep v3-plain.qcow2
convert v3-extended.qcow2 compat=1.1,cluster_size=16k,extended_l2=on
edit v3-extended.qcow2
keep v3-extended.qcow2
convert v3-extended-zstd.qcow2 compat=1.1,cluster_size=32k,extended_l2=on,compression_type=zstd -c
edit v3-extended-zstd.qcow2
keep v3-extended-zstd.qcow2
convert v3-snapshots.qcow2 compat=1.1,cluster_size=4k -c
qemu-img snapshot -c one "$tmp/v3-snapshots.qcow2"
edit v3-snapshots.qcow2
qemu-img snapshot -c two "$tmp/v3-snapshots.qcow2"
qemu-img bitmap --add "$tmp/v3-snapshots.qcow2" changes
keep v3-snapshots.qcow2
convert v3-prealloc.qcow2 compat=1.1,cluster_size=4k,preallocation=metadata
edit v3-prealloc.qcow2
keep v3-prealloc.qcow2
