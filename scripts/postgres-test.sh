#!/bin/sh
# Run a command with a throw-away PostgreSQL:
#
#	scripts/postgres-test.sh go test ./internal/metadb ./internal/task
#
# The command finds its connection URL in ORIGAMI_TEST_POSTGRES. The cluster
# lives in a temporary directory, listens on a unix socket there and on nothing
# else, and is gone afterwards; nothing is synced. It takes many connections,
# since as many tests as there are processors open some for each of these.
# PostgreSQL refuses to run as root, so root runs it as the user "postgres" (or
# $ORIGAMI_POSTGRES_USER).
set -eu

if [ $# -eq 0 ]; then
	echo "usage: $0 command [argument ...]" >&2
	exit 2
fi

bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
if ! [ -x "${bin:-}/initdb" ]; then
	bin=$(dirname "$(command -v initdb || true)")
fi
if ! [ -x "$bin/initdb" ]; then
	echo "$0: initdb not found; install postgresql" >&2
	exit 1
fi

dir=$(mktemp -d /tmp/origami-postgres.XXXXXX) # short: a socket's path has 107 bytes
as=
if [ "$(id -u)" = 0 ]; then
	user=${ORIGAMI_POSTGRES_USER:-postgres}
	chown "$user" "$dir"
	as="setpriv --reuid=$user --regid=$(id -g "$user") --clear-groups --"
fi
chmod 700 "$dir"

stop() {
	(cd "$dir" && $as "$bin/pg_ctl" -D "$dir/data" -m immediate -w -t 600 stop >/dev/null 2>&1) || true
	rm -rf "$dir"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

(
	cd "$dir"
	$as "$bin/initdb" -N -D "$dir/data" -U origami -A trust -E UTF8 --locale=C.UTF-8 >"$dir/log" 2>&1 &&
		$as "$bin/pg_ctl" -D "$dir/data" -l "$dir/data/server.log" -w -t 600 \
			-o "-k $dir -p 5432 -c listen_addresses='' -c fsync=off -c max_connections=1000" start >>"$dir/log" 2>&1
) || {
	cat "$dir/log" "$dir/data/server.log" >&2 || true
	exit 1
}

export ORIGAMI_TEST_POSTGRES="postgres://origami@/postgres?host=$dir&port=5432"
status=0
"$@" || status=$?
exit $status
