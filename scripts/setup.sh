#!/bin/sh
# setup.sh [demo|debian|test|bench]...
#
# Makes sure that the programs which the demo, the build of the Debian image,
# the tests or the benchmarks run are here, and that Go is new enough; default:
# test. Says nothing when all is there. Missing packages are installed on Debian
# and its kin, as root or with a sudo that does not ask; otherwise the command
# that would is printed.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
export PATH="$PATH:/usr/sbin:/sbin"

# Each word is a Debian package, a colon, and a program or file that shows it.
base="make:make git:git"
# the tiny guest and a machine to boot it; the client to talk with
demo="$base qemu-system-x86:qemu-system-x86_64 qemu-utils:qemu-img grub-pc-bin:/usr/lib/grub/i386-pc/boot.img
	grub-common:grub-mkimage cpio:cpio fdisk:sfdisk e2fsprogs:debugfs openssh-client:ssh awscli:aws"
# a Debian cloud image
debian="$demo mmdebstrap:mmdebstrap fakeroot:fakeroot uidmap:newuidmap"
# foreign tools as judges of our formats and our NBD server; the other database;
# a C compiler for -race
test="$debian packer:packer postgresql:/usr/lib/postgresql/*/bin/initdb libnbd-bin:nbdcopy nbdkit:nbdkit gcc:gcc libc6-dev:/usr/include/stdio.h"
# load
bench="$debian libnbd-bin:nbdcopy fio:fio"

[ $# -gt 0 ] || set -- test
want=
for purpose; do
	case $purpose in
	demo) want="$want $demo" ;;
	debian) want="$want $debian" ;;
	test) want="$want $test" ;;
	bench) want="$want $bench" ;;
	*)
		echo "usage: $0 [demo|debian|test|bench]..." >&2
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

# Not in every release of Debian; what needs it skips without.
optional=" packer "
needed() {
	for package in $(missing); do
		case $optional in *" $package "*) ;; *) echo "$package" ;; esac
	done | tr '\n' ' '
}
# available PACKAGE...: leaves out optional packages that apt does not know.
available() {
	for package; do
		case $optional in
		*" $package "*) apt-cache show "$package" >/dev/null 2>&1 || continue ;;
		esac
		echo "$package"
	done | tr '\n' ' '
}

packages=$(missing)
if [ -n "$packages" ] && command -v apt-get >/dev/null &&
	{ [ "$(id -u)" = 0 ] || { command -v sudo >/dev/null && sudo -n true 2>/dev/null; }; }; then
	sudo=
	[ "$(id -u)" = 0 ] || sudo="sudo -n"
	install="apt-get install -y --no-install-recommends"
	echo "$0: installing $packages"
	log=$(mktemp)
	trap 'rm -f "$log"' EXIT
	if ! { $sudo apt-get update -qq && packages=$(available $packages) &&
		{ [ -z "$packages" ] || $sudo env DEBIAN_FRONTEND=noninteractive $install $packages; }; } >"$log" 2>&1 </dev/null &&
		[ -n "$(needed)" ]; then
		tail -n 20 "$log" >&2
		echo "$0: could not install: $install $packages" >&2
		exit 1
	fi
	packages=$(needed)
	if [ -n "$packages" ]; then
		echo "$0: installed, and still not found: $packages" >&2
		exit 1
	fi
elif [ -n "$(needed)" ]; then
	if command -v apt-get >/dev/null; then
		echo "$0: packages are missing; as root, run" >&2
		echo "    apt-get update && apt-get install -y --no-install-recommends $(available $packages)" >&2
	else
		echo "$0: these Debian packages, or what they are called here, are missing: $packages" >&2
	fi
	exit 1
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
