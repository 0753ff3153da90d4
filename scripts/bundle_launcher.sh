#!/usr/bin/env bash
# thoughtrank of a bundle: finds the libraries of the Python package torch and starts bin/thoughtrank with them.
# They are looked for in $TORCH_WHEEL (a site-packages/torch folder), else where `python3` of the PATH would import
# torch from: an activated virtual environment, or the user's or the system's packages. Nothing is imported.
set -euo pipefail
wanted="2.11.0+cu130"

# stop CODE MESSAGE: what is wrong and the mend, in one line.
stop() {
  printf 'thoughtrank: %s\n' "$2" >&2
  exit "$1"
}

find_torch() {
  python3 -c '
import importlib.util, sys
sys.path = [folder for folder in sys.path if folder]  # not the working directory
found = importlib.util.find_spec("torch")
print(found.submodule_search_locations[0] if found else "")' 2>/dev/null
}

here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
torch=${TORCH_WHEEL:-$(find_torch || true)}
mend="pip install torch==${wanted%+*} in a virtual environment and activate it, or set TORCH_WHEEL=<site-packages>/torch"
[[ -n $torch ]] || stop 66 "python3 finds no torch: $mend"
[[ -f $torch/version.py && -e $torch/lib/libtorch_cpu.so ]] ||
  stop 66 "'$torch' is no folder of the torch package: $mend"
version=$(sed -n "s/^__version__ = '\(.*\)'/\1/p" "$torch/version.py")
[[ $version == "$wanted" ]] || stop 78 "expected torch $wanted, found $version in '$torch': $mend"

torch=$(cd "$torch" && pwd)
export LD_LIBRARY_PATH="$torch/lib:${torch%/*}/nvidia/cu13/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
# Threads that wait give the processor to others soon; longer loops gain 2 % on a machine of one's own.
[[ -n ${OMP_WAIT_POLICY:-} ]] || export GOMP_SPINCOUNT=${GOMP_SPINCOUNT:-10000}
exec -a "$0" "$here/bin/thoughtrank" "$@"
