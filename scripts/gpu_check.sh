#!/usr/bin/env bash
# Runs on this machine, in under 9 minutes and without network, everything that needs a GPU, and prints a table.
# Works in the repository and in a bundle. Needs python3 with torch==2.11.0; uses transformers where it is installed.
#   scripts/gpu_check.sh [--out gpu_check.json] [--work DIR] [--budget SECONDS] [--device cpu --small]
# PYTHON names another interpreter. Ends with 0 only where all that could run passed.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=${PYTHON:-}
for candidate in "$here"/../.deps/venv/bin/python python3; do
  [[ -n $python ]] || ! command -v "$candidate" >/dev/null || python=$candidate
done
"${python:-python3}" -c 'import importlib.util as u; u.find_spec("torch").origin' 2>/dev/null || {
  echo "gpu_check.sh: '${python:-python3}' finds no torch: activate an environment with torch==2.11.0, or set PYTHON" >&2
  exit 66
}
exec timeout --signal=TERM --kill-after=5 535 "$python" -B "$here/gpu_check.py" "$@"
