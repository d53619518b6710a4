#!/bin/sh
# demo.sh IMAGE.raw [FLAG-OF-SERVE]...
#
# Runs bin/origami on build/demo, with more flags if wanted, imports IMAGE.raw as "origami-guest" the first
# time, and says what to try in another terminal. Ctrl-C ends it; what was made
# stays in build/demo for the next time, and machines go on running until they
# are terminated.
set -eu
[ $# -ge 1 ] || {
	echo "usage: $0 IMAGE.raw [FLAG-OF-SERVE]..." >&2
	exit 2
}
image=$1
shift
top=$(cd "$(dirname "$0")/.." && pwd)
origami=$top/bin/origami
data=$top/build/demo
log=$top/build/demo.log

"$origami" serve --data-dir "$data" "$@" >"$log" 2>&1 &
server=$!
trap 'kill $server 2>/dev/null; wait $server' EXIT
trap 'exit 0' INT TERM

tries=60
until eval "$("$origami" env --data-dir "$data" 2>/dev/null)" &&
	images=$(aws ec2 describe-images --owners self --filters Name=name,Values=origami-guest \
		--query 'Images[].ImageId' --output text 2>/dev/null); do
	tries=$((tries - 1))
	if [ $tries = 0 ] || ! kill -0 $server 2>/dev/null; then
		tail -n 20 "$log" >&2
		echo "$0: the service does not answer; its log is $log" >&2
		exit 1
	fi
	sleep 0.5
done
if [ -z "$images" ]; then
	"$origami" import "$image" --name origami-guest --data-dir "$data" >/dev/null
	images=$(aws ec2 describe-images --owners self --filters Name=name,Values=origami-guest \
		--query 'Images[].ImageId' --output text)
fi

cat <<TOUR
Origami serves $AWS_ENDPOINT_URL; the log is $log.
Image $images boots in some seconds. In another terminal:

    eval "\$($origami env --data-dir $data)"
    aws ec2 import-key-pair --key-name me --public-key-material fileb://\$HOME/.ssh/id_ed25519.pub
    aws ec2 run-instances --image-id $images --instance-type t3.micro --key-name me
    aws ec2 describe-instances --query 'Reservations[].Instances[].[InstanceId,State.Name,PublicIpAddress]'
    ssh admin@THAT-ADDRESS

Ctrl-C ends the service.
TOUR
wait $server
