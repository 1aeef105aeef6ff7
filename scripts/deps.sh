#!/bin/sh
# Brings what the machine needs besides Go: PostgreSQL's server binaries. No system-wide cluster is made or started.
set -eu

if ! command -v go >/dev/null 2>&1; then
	echo "Go is missing: install Go 1.26 or newer (https://go.dev/dl)." >&2
	exit 1
fi
if command -v postgres >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1; then
	exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
	echo "PostgreSQL's server binaries are missing: install PostgreSQL 15 or newer (only the binaries are used), or set DATABASE_URL." >&2
	exit 1
fi
sudo=
if [ "$(id -u)" != 0 ]; then
	if ! command -v sudo >/dev/null 2>&1; then
		echo "PostgreSQL is missing and installing it needs root: run 'apt-get install postgresql' as root, or set DATABASE_URL." >&2
		exit 1
	fi
	sudo=sudo
fi
echo "installing PostgreSQL's binaries …"
# Debian's package makes and starts a cluster unless it is told not to, before it is unpacked.
conf=/etc/postgresql-common/createcluster.d/cis.conf
$sudo mkdir -p "$(dirname "$conf")"
printf "create_main_cluster = false\nstart_conf = 'manual'\n" | $sudo tee "$conf" >/dev/null
$sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -y update
$sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends postgresql
$sudo rm -f "$conf" # what the administrator installs later is theirs to decide
