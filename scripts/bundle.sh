#!/usr/bin/env bash
# Makes one folder that runs on any x86-64 Linux with glibc >= 2.35, libstdc++ >= 3.4.30 and `pip install torch==2.11.0`:
# the program, Debian's shared libraries that it needs, configs, scripts. It can be moved anywhere. No root is needed.
#   scripts/bundle.sh [--build DIR] [OUT]     DIR: a finished build (default: build); OUT: default DIR/bundle
# writes OUT/thoughtrank-linux-x86_64/ and OUT/thoughtrank-linux-x86_64.tar.gz. Needs patchelf and binutils.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/common.sh

build=build out="" name=thoughtrank-linux-x86_64
# shellcheck disable=SC2016  # the loader's word, not the shell's
origin='$ORIGIN'
while (($#)); do
  case $1 in
    --build) build=${2:?--build needs a folder} && shift 2 ;;
    -*) die "unknown option '$1' (see the head of this file)" ;;
    *) out=$1 && shift ;;
  esac
done
out=${out:-$build/bundle}
[[ -x $build/thoughtrank ]] || die "found no program in '$build': run scripts/setup.sh, or pass --build DIR"
for tool in patchelf readelf strip; do
  command -v "$tool" >/dev/null || die "$tool is missing: apt-get install patchelf binutils"
done

# The programs of the bundle: thoughtrank, and the tests that need a GPU.
programs() {
  echo "$build/thoughtrank"
  [[ ! -d $build/tests ]] || find "$build/tests" -type f -name '*_cuda_test' -perm -u+x | sort
}

# shared_libraries FILE...: the paths that the loader finds for all they need.
shared_libraries() {
  ldd "$@" | awk '$2 == "=>" && $3 ~ "^/" { print $3 }' | sort -u
}

# Comes with every Linux of that age: glibc's and gcc's libraries.
is_of_the_system() {
  case ${1##*/} in
    libc.so.* | libm.so.* | libdl.so.* | librt.so.* | libpthread.so.* | libutil.so.* | libresolv.so.*) ;;
    libstdc++.so.* | libgcc_s.so.*) ;;
    *) return 1 ;;
  esac
}

# The Debian package that a library belongs to; nothing where it is not Debian's.
package_of() {
  local path
  path=$(readlink -f "$1")
  { dpkg-query --search "$path" || dpkg-query --search "${path#/usr}"; } 2>/dev/null | sed -n '1s/:.*//p'
}

# install_elf FILE FOLDER RPATH: stripped, and looking for libraries beside itself only. (DT_RPATH, as the libraries'
# own needs must be found by it, too, and before those of LD_LIBRARY_PATH.)
install_elf() {
  local target=$2/${1##*/}
  mkdir -p "$2"
  strip --strip-unneeded -o "$target" "$(readlink -f "$1")"
  patchelf --force-rpath --set-rpath "$3" "$target"
}

install_libraries() {
  local library package wheel
  wheel=$(shared_libraries "$build/thoughtrank" | sed -n 's|/torch/lib/libc10\.so$||p')
  [[ -n $wheel ]] || die "'$build/thoughtrank' does not use torch of a Python package"
  while read -r library; do
    is_of_the_system "$library" && continue
    [[ $(realpath "$library") != "$(realpath "$wheel")"/* ]] || continue
    package=$(package_of "$library")
    [[ -n $package ]] || die "'$library' is neither Debian's nor torch's: build with scripts/setup.sh"
    install_elf "$library" "$folder/lib" "$origin"
    cp -n "/usr/share/doc/$package/copyright" "$folder/licences/$package" 2>/dev/null ||
      die "Debian's licence text of $package is missing: apt-get install --reinstall $package"
  done < <(mapfile -t all < <(programs) && shared_libraries "${all[@]}")
}

install_programs() {
  local program
  install_elf "$build/thoughtrank" "$folder/bin" "$origin/../lib"
  while read -r program; do
    [[ $program == "$build/thoughtrank" ]] || install_elf "$program" "$folder/tests" "$origin/../lib"
  done < <(programs)
  install -m 755 scripts/bundle_launcher.sh "$folder/thoughtrank"
}

install_files() {
  cp -r configs "$folder/configs"
  cp LICENSE "$folder/LICENSE"
  install -D -t "$folder/scripts" scripts/gpu_check.{sh,py} scripts/{fetch_smollm2,summarize_run,noisy_judge}.py
  install -D -t "$folder/tests/servers" tests/servers/mock_judge.py
  install -D -t "$folder/tests/parity" tests/parity/check_checkpoint.py
  install -D -t "$folder/tests/benchmarks" tests/benchmarks/*.py
  { echo "# thoughtrank, $(git describe --always --dirty 2>/dev/null || echo 'unknown commit')" && echo &&
    sed '1s/^#/##/' src/app/help/gpu.md; } >"$folder/README.md"
}

folder=$out/$name
rm -rf "$folder" "$folder.tar.gz"
mkdir -p "$folder/licences"
install_programs
install_libraries
install_files
python3 scripts/check_bundle.py "$folder"
tar --create --directory "$out" --sort=name --owner=0 --group=0 --numeric-owner "$name" | gzip -9 -n >"$folder.tar.gz"
du -sh "$folder" "$folder.tar.gz"
