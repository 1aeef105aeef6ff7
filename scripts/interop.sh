#!/bin/sh
# Reads every golden mail with python3-icalendar, an iCalendar implementation that is not ours, and holds what it
# understands against what our own reader does.
set -eu
cd "$(dirname "$0")/.."

python=
for p in /usr/bin/python3 python3; do
	if "$p" -c "import icalendar" 2>/dev/null; then python=$p; break; fi
done
if [ -z "$python" ]; then
	sudo=
	if [ "$(id -u)" != 0 ]; then sudo=sudo; fi
	echo "installing python3-icalendar …"
	if { $sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -y update &&
		$sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends python3-icalendar; } >/dev/null 2>&1 &&
		/usr/bin/python3 -c "import icalendar" 2>/dev/null; then
		python=/usr/bin/python3
	else
		echo "SKIPPED: python3-icalendar is not here and could not be installed; nothing was compared (pip install icalendar)." >&2
		exit 0
	fi
fi
ours=$(mktemp)
trap 'rm -f "$ours"' EXIT
CIS_DOMAIN=elsewhere.example ${GO:-go} run ./cmd/cis mail inspect notifier/testdata/golden >"$ours"
exec "$python" scripts/interop.py "$ours"
