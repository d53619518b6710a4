#!/bin/sh
# build-debian.sh OUT.raw [SIZE]
#
# Builds a Debian 12 cloud image as a raw disk of SIZE (default 2G) with about
# 600 MB of data: Debian's cloud kernel, GRUB for BIOS, systemd, cloud-init,
# OpenSSH, Python. Debian's packages are as Debian made them: cloud-init finds
# out by itself that it runs on EC2, logs "admin" in with the key pair of the
# launch, takes name and user data from the metadata service, and grows the
# root file system to the size of the volume. The console is on the screen and
# on the serial port; the power button shuts down. No password is valid, and
# nothing that must be unique is in the image: no host keys, no machine ID.
#
# Nothing is mounted and no loop device is used: mmdebstrap makes a tar file,
# mke2fs fills a file system from it, GRUB's two images are written in front.
# The finished disk is kept in build/ for as long as this script is the same, so
# a second call costs one sparse copy; delete build/debian-*.raw to fetch newer
# packages.
set -eu

usage() {
	echo "usage: $0 OUT.raw [SIZE]   (SIZE as truncate(1) takes it, at least 1536M; default 2G)" >&2
	exit 2
}
case $# in 1 | 2) ;; *) usage ;; esac
case $1 in -*) usage ;; esac
out=$1
size=${2:-2G}

root=$(cd "$(dirname "$0")/.." && pwd)
export PATH="$PATH:/usr/sbin:/sbin"
for tool in mmdebstrap mke2fs sfdisk grub-mkimage; do
	command -v $tool >/dev/null || {
		echo "$0: $tool is missing; run scripts/setup.sh debian" >&2
		exit 1
	}
done
asroot=
if [ "$(id -u)" != 0 ]; then
	# mmdebstrap then works with the user's subordinate IDs; ownership and device
	# nodes of its tar file need a root, if a false one.
	grep -q "^$(id -un):" /etc/subuid 2>/dev/null || {
		echo "$0: run it as root, or give $(id -un) subordinate user IDs: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $(id -un)" >&2
		exit 1
	}
	command -v fakeroot >/dev/null || {
		echo "$0: fakeroot is missing; run scripts/setup.sh debian" >&2
		exit 1
	}
	asroot=fakeroot
fi

mkdir -p "$root/build"
probe=$(mktemp "$root/build/size.XXXXXX")
truncate -s "$size" "$probe"
bytes=$(stat -c %s "$probe")
rm -f "$probe"
[ "$bytes" -ge $((1536 << 20)) ] && [ $((bytes % 1048576)) = 0 ] || {
	echo "$0: size $size: want a multiple of 1 MiB, 1536M or more" >&2
	exit 2
}

recipe=$(cat "$root/scripts/build-debian.sh" "$root/scripts/debian-cloud.cfg" | sha256sum | cut -c 1-12)
cache=$root/build/debian-$bytes-$recipe.raw
if [ ! -f "$cache" ]; then
	work=$(mktemp -d "$root/build/debian.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	trap 'exit 1' HUP INT TERM

	uuid=6f726967-616d-4920-8465-6269616e3132
	mmdebstrap --quiet --variant=important --architectures=amd64 \
		--include=linux-image-cloud-amd64,systemd-sysv,dbus,openssh-server \
		--include=cloud-init,cloud-guest-utils,fdisk,e2fsprogs,ifupdown,isc-dhcp-client \
		--include=sudo,python3,ca-certificates,curl,less,vim,git,rsync \
		--include='?priority(standard)' \
		--aptopt='APT::Install-Recommends "false"' \
		--aptopt='Acquire::Retries "3"' \
		--customize-hook="printf 'UUID=$uuid / ext4 errors=remount-ro 0 1\n' >\"\$1/etc/fstab\"" \
		--customize-hook='printf "debian\n" >"$1/etc/hostname"' \
		--customize-hook='cp "'"$root"'/scripts/debian-cloud.cfg" "$1/etc/cloud/cloud.cfg.d/10_user.cfg"' \
		--customize-hook='printf "auto lo\niface lo inet loopback\n\nsource /etc/network/interfaces.d/*\n" >"$1/etc/network/interfaces"' \
		--customize-hook='printf "PermitRootLogin no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n" >"$1/etc/ssh/sshd_config.d/10-keys-only.conf"' \
		--customize-hook='printf "LANG=C.UTF-8\n" >"$1/etc/default/locale"' \
		--customize-hook='chroot "$1" passwd --quiet --lock root' \
		--customize-hook='rm -f "$1"/etc/ssh/ssh_host_* "$1"/var/log/*.log "$1/var/lib/systemd/random-seed"' \
		--customize-hook=': >"$1/etc/machine-id"; rm -f "$1/var/lib/dbus/machine-id"' \
		bookworm "$work/root.tar" \
		'deb http://deb.debian.org/debian bookworm main' \
		'deb http://deb.debian.org/debian bookworm-updates main' \
		'deb http://deb.debian.org/debian-security bookworm-security main'

	# The file system goes where the partition will be, 1 MiB into the disk.
	disk=$work/disk.raw
	truncate -s "$bytes" "$disk"
	export disk work uuid bytes
	$asroot sh -euc '
		mkdir "$work/root"
		tar -C "$work/root" --numeric-owner -xpf "$work/root.tar"
		mke2fs -q -t ext4 -F -L cloudimg-root -U "$uuid" -m 0 \
			-E offset=1048576,root_owner=0:0 -d "$work/root" "$disk" $((bytes / 1024 - 1024))k
	'
	printf 'label: dos\nlabel-id: 0x6f726967\nstart=2048, type=83, bootable\n' |
		sfdisk --quiet --no-tell-kernel --wipe never --wipe-partitions never "$disk" >"$work/sfdisk.log" 2>&1 || {
		cat "$work/sfdisk.log" >&2
		exit 1
	}

	# No menu: GRUB loads what the links in / name, and boots.
	cat >"$work/early.cfg" <<-CFG
		set root=(hd0,msdos1)
		linux /vmlinuz root=UUID=$uuid ro console=tty0 console=ttyS0,115200 net.ifnames=0
		initrd /initrd.img
		boot
	CFG
	grub-mkimage -O i386-pc -c "$work/early.cfg" -p '(hd0,msdos1)/boot/grub' \
		-o "$work/core.img" biosdisk part_msdos ext2 linux
	dd if=/usr/lib/grub/i386-pc/boot.img of="$disk" bs=446 count=1 conv=notrunc status=none
	dd if="$work/core.img" of="$disk" bs=512 seek=1 conv=notrunc status=none
	mv "$disk" "$cache"
fi

cp --sparse=always "$cache" "$out.part"
mv "$out.part" "$out"
