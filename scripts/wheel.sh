#!/usr/bin/env bash
# Packs the bundle of scripts/bundle.sh as a Python wheel that depends on the pinned torch: `pip install FILE` in a virtual
# environment, then `thoughtrank doctor`. For x86-64 Linux with glibc >= 2.35.
#   scripts/wheel.sh [--build DIR] [OUT]      DIR: a finished build (default: build); OUT: default DIR/wheel
# writes OUT/thoughtrank-VERSION-py3-none-manylinux_2_35_x86_64.whl. Needs patchelf and binutils.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/common.sh

build=build out=""
while (($#)); do
  case $1 in
    --build) build=${2:?--build needs a folder} && shift 2 ;;
    -*) die "unknown option '$1' (see the head of this file)" ;;
    *) out=$1 && shift ;;
  esac
done
out=${out:-$build/wheel}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$out"
run_quietly "$out/bundle.log" "bundle" scripts/bundle.sh --build "$build" "$scratch"
python3 scripts/make_wheel.py "$scratch/thoughtrank-linux-x86_64" "$out"
echo "   pip install FILE brings torch with its CUDA libraries, 4.7 GB in all"
if [[ $(readelf --dynamic "$build/thoughtrank") != *libtorch_cuda* ]]; then
  libraries=$(grep -E '^(torch|nvidia-[a-z-]+)==' third_party/requirements.txt | paste -sd ' ')
  echo "   for the CPU alone, 1.3 GB: pip install --no-deps FILE $libraries"
fi
