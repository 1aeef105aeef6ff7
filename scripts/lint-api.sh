#!/bin/sh
# Has Redocly, a validator and linter of OpenAPI that is not ours, look at the API's description.
set -eu
cd "$(dirname "$0")/.."

if ! command -v npx >/dev/null 2>&1; then
	echo "SKIPPED: npx is not here; nobody else looked at the API's description (install Node.js 20 or newer)." >&2
	exit 0
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
${GO:-go} run ./cmd/cis openapi >"$dir/openapi.json"
config=$PWD/scripts/redocly.yaml
cd "$dir"
if ! npm --silent --no-fund --no-audit install @redocly/cli@2.77.0 >install.log 2>&1; then
	echo "SKIPPED: the linter could not be installed; nobody else looked at the API's description." >&2
	cat install.log >&2
	exit 0
fi
REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true exec node_modules/.bin/redocly lint --config "$config" --max-problems 20 openapi.json
