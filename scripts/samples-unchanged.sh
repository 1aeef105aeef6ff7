#!/bin/sh
# Samples of stored facts are append-only: a changed or removed one means that old logs are read differently.
set -eu
cd "$(dirname "$0")/.."
git rev-parse --verify -q HEAD >/dev/null || exit 0
changed=$(git log --diff-filter=MDR --format= --name-only -- 'internal/facts/testdata/facts/*.json'; git diff --diff-filter=MDR --name-only HEAD -- 'internal/facts/testdata/facts/*.json')
if [ -n "$changed" ]; then
	echo "samples of stored facts were changed; add a new version instead:" >&2
	echo "$changed" >&2
	exit 1
fi
