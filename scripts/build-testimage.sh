#!/bin/sh
# build-testimage.sh OUT.raw [SIZE]
#
# Builds the guest of the tests and of the demo: a raw disk of SIZE (default
# 64M) with GRUB, Debian's cloud kernel, BusyBox and Dropbear, about 25 MB in
# all. It boots in 192 MB of memory, takes its address by DHCP and its key,
# name and user data from the instance metadata service, prints
# "origami-guest: ready" on the serial console when admin can log in over SSH,
# obeys the power button, and keeps what is written to /home/admin and /disk.
# What it does at boot is in scripts/guest/.
#
# Needs no root: nothing is mounted, no loop device is used. The same packages
# give the same bytes: identifiers and times are fixed, the latter to
# SOURCE_DATE_EPOCH or the date of the kernel. Packages are downloaded once
# into build/guest-packages; delete that directory to get newer ones.
set -eu

fail() {
	echo "$0: $*" >&2
	exit 1
}
case $# in 1 | 2) ;; *) fail "usage: $0 OUT.raw [SIZE]" ;; esac
case $1 in -*) fail "usage: $0 OUT.raw [SIZE]" ;; esac
out=$1
size=${2:-64M}

top=$(cd "$(dirname "$0")/.." && pwd)
guest=$top/scripts/guest
packages=$top/build/guest-packages
grub=/usr/lib/grub/i386-pc
export PATH="$PATH:/usr/sbin:/sbin" LC_ALL=C TZ=UTC
umask 022

for tool in apt-get dpkg-deb mke2fs debugfs sfdisk grub-mkimage cpio; do
	command -v $tool >/dev/null || fail "$tool is missing; run scripts/setup.sh demo"
done
[ -f $grub/boot.img ] || fail "$grub/boot.img is missing; run scripts/setup.sh demo"

mkdir -p "$top/build"
work=$(mktemp -d "$top/build/guest.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# download NAME...: fetches packages into the current directory with the
# package lists of the system, or with fresh ones of our own when those are
# missing or too old to name files that still exist.
download() {
	apt-get -qq download "$@" >"$work/apt.log" 2>&1 && return
	apt_private -qq update >>"$work/apt.log" 2>&1 &&
		apt_private -qq download "$@" >>"$work/apt.log" 2>&1 && return
	cat "$work/apt.log" >&2
	fail "cannot download $* from Debian; is this machine online?"
}
apt_private() {
	mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial"
	apt-get -o Dir::State::Lists="$work/apt/lists" -o Dir::Cache="$work/apt/cache" "$@"
}

if [ ! -d "$packages" ]; then
	mkdir "$work/packages"
	(
		cd "$work/packages"
		download linux-image-cloud-amd64:amd64
		kernel=$(dpkg-deb -f linux-image-cloud-amd64_*.deb Depends | sed 's/[ ,(].*//')
		download "$kernel:amd64" busybox-static:amd64 dropbear-bin:amd64 libc6:amd64 \
			libcrypt1:amd64 libtomcrypt1:amd64 libtommath1:amd64 libgmp10:amd64 zlib1g:amd64 \
			openssh-client:amd64 openssh-sftp-server:amd64
		rm linux-image-cloud-amd64_*.deb
	)
	# Another build may have been faster; either directory will do.
	mv -T "$work/packages" "$packages" 2>/dev/null || [ -d "$packages" ]
fi
for deb in "$packages"/*.deb; do
	dpkg-deb -x "$deb" "$work/debs"
done
# libraries live in /lib or in /usr/lib, depending on the package
lib=$work/libs
mkdir "$lib"
cp -a "$work"/debs/lib/x86_64-linux-gnu/. "$lib"
cp -a "$work"/debs/usr/lib/x86_64-linux-gnu/*.so.* "$lib"
kernel=$(basename "$work"/debs/boot/vmlinuz-*)
modules=$work/debs/lib/modules/${kernel#vmlinuz-}/kernel
epoch=${SOURCE_DATE_EPOCH:-$(stat -c %Y "$work/debs/boot/$kernel")}
uuid=6f726967-616d-4967-8465-737467756573

# modules_into DIR PATH...: copies modules, and their order of loading.
modules_into() {
	to=$1
	shift
	mkdir -p "$to"
	for module; do
		cp "$modules/$module.ko" "$to"
		basename "$module" >>"$to/order"
	done
}

# The initial RAM disk finds the disk; everything else is on it, because the
# firmware reads slowly and the kernel fast.
ram=$work/ram
mkdir -p "$ram/bin"
cp "$work/debs/bin/busybox" "$ram/bin"
cp "$guest/initramfs" "$ram/init"
modules_into "$ram/modules" \
	drivers/virtio/virtio_ring drivers/virtio/virtio drivers/virtio/virtio_pci_legacy_dev \
	drivers/virtio/virtio_pci_modern_dev drivers/virtio/virtio_pci drivers/block/virtio_blk
find "$ram" -exec touch -h -d "@$epoch" {} +
(cd "$ram" && find . | sort | cpio --quiet -o -H newc -R 0:0 --reproducible) |
	gzip -n -9 >"$work/initrd"

# The root file system.
tree=$work/tree
mkdir -p "$tree"/bin "$tree"/boot "$tree"/dev "$tree"/disk "$tree"/etc/acpi/PWRF \
	"$tree"/etc/dropbear "$tree"/home/admin "$tree"/lib/x86_64-linux-gnu "$tree"/lib64 \
	"$tree"/proc "$tree"/root "$tree"/run "$tree"/sys "$tree"/tmp \
	"$tree"/usr/lib "$tree"/var/lib "$tree"/var/log
ln -s bin "$tree/sbin"
ln -s ../bin "$tree/usr/bin"
ln -s ../bin "$tree/usr/sbin"
ln -s /run "$tree/var/run"
cp "$work/debs/boot/$kernel" "$tree/boot/vmlinuz"
cp "$work/initrd" "$tree/boot/initrd"
cp "$work/debs/bin/busybox" "$tree/bin"
for applet in $("$work/debs/bin/busybox" --list); do
	case $applet in busybox) ;; *) ln -s busybox "$tree/bin/$applet" ;; esac
done
cp "$work/debs/usr/sbin/dropbear" "$work/debs/usr/bin/dropbearkey" \
	"$work/debs/usr/bin/dbclient" "$work/debs/usr/bin/scp" "$tree/bin"
cp "$work/debs/usr/lib/openssh/sftp-server" "$tree/usr/lib"
cp -L "$lib/ld-linux-x86-64.so.2" "$tree/lib64"
for so in libc.so.6 libcrypt.so.1 libgmp.so.10 libtomcrypt.so.1 libtommath.so.1 libz.so.1; do
	cp -L "$lib/$so" "$tree/lib/x86_64-linux-gnu"
done
modules_into "$tree/lib/modules" net/core/failover drivers/net/net_failover \
	drivers/net/virtio_net drivers/input/evdev drivers/acpi/button
for file in group inittab mdev.conf passwd rc rc.down rc.metadata rc.talk udhcpc.script; do
	cp "$guest/$file" "$tree/etc"
done
cp "$guest/power-button" "$tree/etc/acpi/PWRF/00000080"
cp "$guest/shutdown" "$tree/bin"
echo /bin/sh >"$tree/etc/shells"
echo origami-guest >"$tree/etc/hostname"
echo "127.0.0.1 localhost" >"$tree/etc/hosts"
printf 'UUID=%s / ext4 defaults 0 1\n' $uuid >"$tree/etc/fstab"
printf 'NAME="Origami test guest"\nID=origami-guest\nVERSION_ID=%s\nPRETTY_NAME="Origami test guest"\n' \
	"$(date -u -d "@$epoch" +%Y%m%d)" >"$tree/etc/os-release"

# The disk: one partition from 1 MiB to the end. The tree goes in by debugfs,
# in sorted order, since mke2fs -d would take the order, the times and the
# owners of this machine.
disk=$work/disk.raw
truncate -s "$size" "$disk" || fail "size $size is not one"
bytes=$(stat -c %s "$disk")
[ "$bytes" -ge $((48 << 20)) ] && [ $((bytes % 1048576)) = 0 ] ||
	fail "size $size: want a multiple of 1 MiB, 48M or more"
export E2FSPROGS_FAKE_TIME="$epoch"
# the features are listed here, not taken from this machine's mke2fs.conf
printf '[defaults]\n[fs_types]\next4 = {\ninode_size = 256\n}\nsmall = {\ninode_size = 256\n}\n' >"$work/mke2fs.conf"
export MKE2FS_CONFIG="$work/mke2fs.conf"
mke2fs -q -t ext4 -F -b 4096 -I 256 -N 2048 -m 0 -U $uuid -L origami-guest -J size=4 \
	-O none,has_journal,ext_attr,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum \
	-E "offset=1048576,root_owner=0:0,hash_seed=$uuid,lazy_itable_init=0,nodiscard" \
	"$disk" $((bytes / 1024 - 1024))k
(
	cd "$tree"
	find . -mindepth 1 -printf '%P %y %m %l\n' | sort | while read -r path type mode target; do
		case $type in
		d) echo "mkdir $path" && echo "sif $path mode 040$mode" ;;
		f) echo "write $tree/$path $path" && echo "sif $path mode 0100$mode" ;;
		l) echo "symlink $path $target" ;;
		*) fail "$path: file of type $type" ;;
		esac
	done
	echo "sif home/admin uid 1000"
	echo "sif home/admin gid 1000"
	echo "sif home/admin mode 040750"
	echo "sif root mode 040700"
	echo "sif disk mode 041777"
) >"$work/commands"
debugfs -w -f "$work/commands" "$disk?offset=1048576" >"$work/debugfs.out" 2>"$work/debugfs.err"
# debugfs tells of errors, but not by its exit status
if grep -v '^debugfs 1' "$work/debugfs.err" >&2; then
	fail "debugfs could not fill the file system"
fi
e2fsck -fn "$disk?offset=1048576" >"$work/fsck.out" 2>&1 || {
	cat "$work/fsck.out" >&2
	fail "the file system is not clean"
}
printf 'label: dos\nlabel-id: 0x6f726967\nstart=2048, type=83, bootable\n' |
	sfdisk --quiet --no-tell-kernel --wipe never --wipe-partitions never "$disk" >"$work/sfdisk.log" 2>&1 || {
	cat "$work/sfdisk.log" >&2
	fail "cannot write the partition table"
}

cat >"$work/early.cfg" <<EOC
set root=(hd0,msdos1)
linux /boot/vmlinuz root=UUID=$uuid console=tty0 console=ttyS0 quiet net.ifnames=0 no_timer_check tsc=reliable panic=5
initrd /boot/initrd
boot
EOC
grub-mkimage -O i386-pc -c "$work/early.cfg" -p '(hd0,msdos1)/boot/grub' \
	-o "$work/core.img" biosdisk part_msdos ext2 linux
[ "$(stat -c %s "$work/core.img")" -le $((2047 * 512)) ] || fail "GRUB does not fit before the partition"
dd if=$grub/boot.img of="$disk" bs=446 count=1 conv=notrunc status=none
dd if="$work/core.img" of="$disk" bs=512 seek=1 conv=notrunc status=none

cp --sparse=always "$disk" "$out.part"
mv "$out.part" "$out"
