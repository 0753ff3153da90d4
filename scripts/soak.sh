#!/usr/bin/env bash
# The fault tests with their long trial counts, hours instead of minutes, and the scorecard of what held.
#   scripts/soak.sh                 all rows, written to tests/fault/SCORECARD.md
#   scripts/soak.sh --rows R1,R5    some rows; other options as tests/fault/scorecard.py has them
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/common.sh

[[ -x build/thoughtrank ]] || scripts/setup.sh
write=(--write tests/fault/SCORECARD.md)
if (($#)); then write=(); fi
heading "Faults, long counts"
exec python3 -B tests/fault/scorecard.py --nightly "${write[@]}" "$@"
