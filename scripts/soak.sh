#!/usr/bin/env bash
# The fault tests with their long trial counts, hours instead of minutes, and the scorecard of what held.
#   scripts/soak.sh                 all rows, written to tests/fault/SCORECARD.md
#   scripts/soak.sh --rows R1,R5    some rows; other options as tests/fault/scorecard.py has them
#   scripts/soak.sh --minutes 60    instead: runs of 99 rounds under faults for so long (R34)
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/common.sh

[[ -e build/tests/fault/libsaboteur.so ]] || scripts/setup.sh --tests
if [[ ${1:-} == --minutes ]]; then
  heading "Runs under faults, $2 minutes"
  exec python3 -B tests/fault/soak.py --write tests/fault/SCORECARD.md "$@"
fi
write=(--write tests/fault/SCORECARD.md)
if (($#)); then write=(); fi
heading "Faults, long counts"
exec python3 -B tests/fault/scorecard.py --nightly "${write[@]}" "$@"
