#!/bin/sh
# The main job of Origami from end to end, on a service of its own: import a
# disk, register it, launch, change, bake, launch again. Every step shows the
# command that does it, what came of it, and how long it took.
#
#	scripts/demo.sh GUEST.raw [FLAG...]
#
# Flags are those of `origami serve`.
#
# GUEST.raw is the small Linux disk of scripts/build-testimage.sh. Nothing is
# left behind, unless a step fails: then its log is.
set -eu

guest=$1
shift
origami=$(pwd)/bin/origami
work=$(mktemp -d /tmp/origami-demo.XXXXXX)
log=$work/service.log
step=0
steps=7
service=

say() { printf '%s\n' "$*"; }
now() { date +%s%N; }

# since START prints the seconds since then.
since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.1f s", (b - a) / 1e9 }'; }

# begin TITLE starts a step.
begin() {
	step=$((step + 1))
	title=$1
	began=$(now)
	printf '\n[%d/%d] %s\n' "$step" "$steps" "$title"
}

finish() { printf '      done in %s\n' "$(since "$began")"; }

# show COMMAND... prints a command as one would type it.
show() {
	printf '      $'
	for word in "$@"; do
		case $word in
		*[!A-Za-z0-9_./:=,@%+-]*) printf " '%s'" "$word" ;;
		*) printf ' %s' "$word" ;;
		esac
	done
	printf '\n'
}

# cloud ARGUMENT... runs the AWS CLI against the demo's service. Old versions of
# it do not know AWS_ENDPOINT_URL.
cloud() { aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }

# do_cloud ARGUMENT... shows a command of the AWS CLI, and runs it.
do_cloud() {
	show aws "$@" >&2
	cloud "$@" --output text
}

cleanup() {
	status=$?
	trap - EXIT INT TERM
	if [ -n "$service" ]; then
		ids=$(cloud ec2 describe-instances --query 'Reservations[].Instances[].InstanceId' --output text 2>/dev/null || true)
		if [ -n "$ids" ]; then
			# shellcheck disable=SC2086 # one argument an instance
			cloud ec2 terminate-instances --instance-ids $ids --output text >/dev/null 2>&1 || true
			await "the instances to end" 60 no_instances >/dev/null 2>&1 || true
		fi
		kill "$service" 2>/dev/null || true
		wait "$service" 2>/dev/null || true
	fi
	if [ "$status" -ne 0 ]; then
		say
		say "FAILED in step $step, \"$title\". The service's log is $log; its last lines:"
		tail -n 15 "$log" 2>/dev/null | cut -c1-300
		exit "$status"
	fi
	rm -rf "$work"
}

no_instances() {
	[ -z "$(cloud ec2 describe-instances --filters Name=instance-state-name,Values=pending,running,stopping,stopped,shutting-down \
		--query 'Reservations[].Instances[].InstanceId' --output text)" ]
}

# await WHAT SECONDS COMMAND... runs a command until it succeeds.
await() {
	what=$1 limit=$2
	shift 2
	deadline=$(($(date +%s) + limit))
	until "$@"; do
		if [ "$(date +%s)" -ge "$deadline" ]; then
			say "      gave up waiting for $what after $limit s" >&2
			return 1
		fi
		sleep 0.3
	done
}

on() {
	address=$1
	shift
	ssh -i "$work/key.pem" -p "$sshport" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
		-o LogLevel=ERROR -o ConnectTimeout=5 -o BatchMode=yes "admin@$address" "$@"
}

answers() { on "$1" true 2>/dev/null; }

available() { [ "$(cloud ec2 describe-images --image-ids "$1" --query 'Images[0].State' --output text)" = available ]; }

# stored prints the bytes that the store holds.
stored() { "$origami" usage --data-dir "$work/data" --output json | sed -n '/^  "storedBytes"/s/[^0-9]//gp'; }

mib() { awk -v n="$1" 'BEGIN { printf "%.1f MiB", n / 1048576 }'; }

trap cleanup EXIT INT TERM
title=preparation

# The loopback addresses of this demo's instances: a range of its own, so that
# it disturbs no other service on this machine.
third=$(awk 'BEGIN { srand(); printf "%d", 20 + int(rand() * 200) }')
mkdir "$work/data"
"$origami" serve --data-dir "$work/data" --listen 127.0.0.1:0 --public-prefix "127.$third.0.0/16" --shutdown-grace 30s "$@" \
	>"$work/banner" 2>"$log" &
service=$!
ready() { [ -s "$work/banner" ] && "$origami" env --data-dir "$work/data" >"$work/env" 2>/dev/null; }
await "the service" 30 ready
. "$work/env"
AWS_PAGER=
AWS_EC2_METADATA_DISABLED=true
export AWS_PAGER AWS_EC2_METADATA_DISABLED
sshport=22
[ "$(id -u)" = 0 ] || [ "$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start)" -le 22 ] || sshport=2222

say "Origami demo: the service runs at $AWS_ENDPOINT_URL, its data is in $work/data."

begin "The disk: a small real Linux (GRUB, the Debian cloud kernel, BusyBox, Dropbear)"
show scripts/build-testimage.sh "$guest"
say "      $guest: $(mib "$(stat -c %s "$guest")") virtual, $(mib $(($(stat -c '%b' "$guest") * 512))) on disk"
finish

begin "Import it, as raw and as qcow2, and register it as an AMI"
empty=$(stored)
show origami import "$guest" --name demo-raw
"$origami" import "$guest" --name demo-raw --data-dir "$work/data" | sed 's/^/      /'
first=$(stored)
qemu-img convert -c -O qcow2 "$guest" "$work/guest.qcow2"
show origami import guest.qcow2 --name demo-qcow2
"$origami" import "$work/guest.qcow2" --name demo-qcow2 --data-dir "$work/data" | sed 's/^/      /'
second=$(stored)
say "      the same disk again, from qcow2, added $((second - first)) bytes: every block was there already"
snapshot=$(cloud ec2 describe-images --filters Name=name,Values=demo-raw --query 'Images[0].BlockDeviceMappings[0].Ebs.SnapshotId' --output text)
image=$(do_cloud ec2 register-image --name demo-base --architecture x86_64 --virtualization-type hvm --ena-support \
	--root-device-name /dev/sda1 --block-device-mappings "DeviceName=/dev/sda1,Ebs={SnapshotId=$snapshot}" --query ImageId)
do_cloud ec2 describe-images --owners self --query 'Images[].[ImageId,State,Name,BlockDeviceMappings[0].Ebs.SnapshotId]' | sed 's/^/      /'
finish

begin "Launch two instances with a key pair, and log in to each"
show aws ec2 create-key-pair --key-name demo --key-type ed25519 --query KeyMaterial
(umask 077; cloud ec2 create-key-pair --key-name demo --key-type ed25519 --query KeyMaterial --output text >"$work/key.pem")
ids=$(do_cloud ec2 run-instances --image-id "$image" --count 2 --instance-type t3.nano --key-name demo \
	--tag-specifications 'ResourceType=instance,Tags=[{Key=Name,Value=demo}]' --query 'Instances[].InstanceId')
# shellcheck disable=SC2086 # one argument an instance
set -- $ids
one=$1 two=$2
addresses=$(do_cloud ec2 describe-instances --instance-ids "$one" "$two" --query 'Reservations[].Instances[].PublicIpAddress')
# shellcheck disable=SC2086
set -- $addresses
oneip=$1 twoip=$2
for ip in "$oneip" "$twoip"; do
	await "ssh at $ip" 240 answers "$ip"
	show ssh "admin@$ip" 'uname -sr; hostname'
	say "      $(on "$ip" 'uname -sr; hostname' | tr '\n' ' ') after $(since "$began")"
done
finish

begin "Change one, bake a new image from it, deregister the old one"
show ssh "admin@$oneip" 'echo baked > ~/proof; sync'
on "$oneip" 'echo "baked by the demo" > ~/proof; sync'
before=$(stored)
baked=$(do_cloud ec2 create-image --instance-id "$one" --name demo-baked --query ImageId)
await "$baked" 180 available "$baked"
after=$(stored)
do_cloud ec2 describe-images --image-ids "$baked" --query 'Images[].[ImageId,State,Name,SourceInstanceId]' | sed 's/^/      /'
do_cloud ec2 deregister-image --image-id "$image" >/dev/null
say "      the other instance goes on: $(on "$twoip" uptime | sed 's/^ *//')"
finish

begin "Launch from the new image, and prove that the change is there"
three=$(do_cloud ec2 run-instances --image-id "$baked" --instance-type t3.nano --key-name demo --query 'Instances[0].InstanceId')
threeip=$(cloud ec2 describe-instances --instance-ids "$three" --query 'Reservations[0].Instances[0].PublicIpAddress' --output text)
await "ssh at $threeip" 240 answers "$threeip"
show ssh "admin@$threeip" cat proof
proof=$(on "$threeip" cat proof)
say "      $proof"
[ "$proof" = "baked by the demo" ]
finish

begin "What it cost"
logical=$(cloud ec2 describe-snapshots --owner-ids self --query 'sum(Snapshots[].VolumeSize)' --output text)
full=$(cloud ec2 describe-snapshots --owner-ids self --query 'sum(Snapshots[].FullSnapshotSizeInBytes)' --output text)
show origami usage
"$origami" usage --data-dir "$work/data" | sed 's/^/      /'
say "      logical size of all snapshots:      ${logical%.*} GiB, with $(mib "$full") of data"
say "      stored for the first image:         $(mib $((first - empty)))"
say "      added by the same disk as qcow2:    $(mib $((second - first)))"
say "      added by the baked image:           $(mib $((after - before)))"
say "      stored in all:                      $(mib "$(stored)")"
finish

begin "Clean up"
do_cloud ec2 terminate-instances --instance-ids "$one" "$two" "$three" --query 'TerminatingInstances[].[InstanceId,CurrentState.Name]' | sed 's/^/      /'
await "the instances to end" 120 no_instances
for name in demo-raw demo-qcow2 demo-baked; do
	id=$(cloud ec2 describe-images --owners self --filters "Name=name,Values=$name" --query 'Images[0].ImageId' --output text)
	do_cloud ec2 deregister-image --image-id "$id" --delete-associated-snapshots >/dev/null 2>&1 ||
		cloud ec2 deregister-image --image-id "$id" >/dev/null
done
for id in $(cloud ec2 describe-snapshots --owner-ids self --query 'Snapshots[].SnapshotId' --output text); do
	cloud ec2 delete-snapshot --snapshot-id "$id" >/dev/null
done
cloud ec2 delete-key-pair --key-name demo >/dev/null
[ -z "$(cloud ec2 describe-images --owners self --query 'Images[].ImageId' --output text)" ]
finish

say
say "All of it worked. Now start your own: make run, and follow the README."
