#!/usr/bin/env bash
# Starts Apus from an image: everything it needs lies beside it.
set -euo pipefail
bin=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}" 2>/dev/null || echo "${BASH_SOURCE[0]}")")" && pwd)
# shellcheck source=start.sh
. "$bin/start.sh"
start "$bin/../runtime/bin/java" "$(dirname "$bin")/app" "$(dirname "$bin")" "$@"
