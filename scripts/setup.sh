#!/bin/sh
# setup.sh [demo|test|bench]...
#
# Makes sure that the programs which the demo, the tests or the benchmarks run
# are here, and that Go is new enough; default: test. Says nothing when all is
# there. Missing packages are installed on Debian and its kin, as root or with
# a sudo that does not ask; otherwise the command that would is printed.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
export PATH="$PATH:/usr/sbin:/sbin"

# Each word is a Debian package, a colon, and a program or file that shows it.
base="make:make git:git"
# the tiny guest and a machine to boot it; the client to talk with
demo="$base qemu-system-x86:qemu-system-x86_64 qemu-utils:qemu-img grub-pc-bin:/usr/lib/grub/i386-pc/boot.img
	grub-common:grub-mkimage cpio:cpio fdisk:sfdisk e2fsprogs:debugfs openssh-client:ssh awscli:aws"
# foreign tools as judges of our formats and our NBD server; the other database;
# a C compiler for -race
test="$demo postgresql:/usr/lib/postgresql/*/bin/initdb libnbd-bin:nbdcopy nbdkit:nbdkit gcc:gcc libc6-dev:/usr/include/stdio.h"
# a real Debian machine, and load
bench="$demo libnbd-bin:nbdcopy fio:fio mmdebstrap:mmdebstrap
	fakeroot:fakeroot uidmap:newuidmap"

[ $# -gt 0 ] || set -- test
want=
for purpose; do
	case $purpose in
	demo) want="$want $demo" ;;
	test) want="$want $test" ;;
	bench) want="$want $bench" ;;
	*)
		echo "usage: $0 [demo|test|bench]..." >&2
		exit 2
		;;
	esac
done

missing() {
	for pair in $want; do
		proof=${pair#*:}
		case $proof in
		/*) ls $proof >/dev/null 2>&1 ;; # a pattern, perhaps
		*) command -v "$proof" >/dev/null ;;
		esac || echo "${pair%%:*}"
	done | sort -u | tr '\n' ' '
}

packages=$(missing)
if [ -n "$packages" ]; then
	install="apt-get install -y --no-install-recommends $packages"
	if ! command -v apt-get >/dev/null; then
		echo "$0: these Debian packages, or what they are called here, are missing: $packages" >&2
		exit 1
	elif [ "$(id -u)" = 0 ]; then
		sudo=
	elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
		sudo="sudo -n"
	else
		echo "$0: packages are missing; as root, run" >&2
		echo "    apt-get update && $install" >&2
		exit 1
	fi
	echo "$0: installing $packages"
	log=$(mktemp)
	trap 'rm -f "$log"' EXIT
	if ! { $sudo apt-get update -qq &&
		$sudo env DEBIAN_FRONTEND=noninteractive $install; } >"$log" 2>&1 </dev/null; then
		tail -n 20 "$log" >&2
		echo "$0: could not install: $install" >&2
		exit 1
	fi
	packages=$(missing)
	if [ -n "$packages" ]; then
		echo "$0: installed, and still not found: $packages" >&2
		exit 1
	fi
fi

need=$(sed -n 's/^go //p' "$top/go.mod")
if ! command -v go >/dev/null; then
	echo "$0: Go $need or newer is needed, and no go is in PATH; see https://go.dev/doc/install" >&2
	exit 1
fi
# An older go command may fetch the right toolchain by itself; ask it here.
have=$(cd "$top" && go env GOVERSION 2>/dev/null | sed 's/^go//; s/[^0-9.].*//') || have=
if [ -z "$have" ] || [ "$(printf '%s\n%s\n' "$need" "$have" | sort -V | head -n 1)" != "$need" ]; then
	echo "$0: Go $need or newer is needed, and this is ${have:-older}; see https://go.dev/doc/install" >&2
	exit 1
fi
