#!/usr/bin/env bash
# What new code must leave clean: format, layers, sizes, shell, the sanitizer build of the rooms without torch,
# clang-tidy, tests.
#   scripts/check.sh              tidies the rooms without torch
#   scripts/check.sh --base REV   tidies only what differs from REV
#   scripts/check.sh --all        tidies the torch rooms, too (half a minute a file)
#   scripts/check.sh --no-tests   leaves out scripts/test.sh
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/common.sh

base="" all=false tests=true
while (($#)); do
  case $1 in
    --base) base=${2:?--base needs a revision} && shift 2 ;;
    --all) all=true && shift ;;
    --no-tests) tests=false && shift ;;
    *) die "unknown argument '$1' (see the head of this file)" ;;
  esac
done

our_files() { git ls-files --cached --others --exclude-standard -- "$@" | sort; }

# The .cpp files to tidy: those that a build folder has a compile command for.
files_to_tidy() {
  local folder=$1 file
  our_files 'src/*.cpp' | while read -r file; do
    grep -q "\"file\": \"$PWD/$file\"" "$folder/compile_commands.json" || continue
    [[ -z $base ]] || ! git diff --quiet "$base" -- "$file" || continue
    echo "$file"
  done
}

tidy() {
  local folder=$1 files
  mapfile -t files < <(files_to_tidy "$folder")
  ((${#files[@]})) || return 0
  printf '%s\n' "${files[@]}" |
    xargs -P "$(nproc)" -n 1 clang-tidy --quiet -p "$folder" --warnings-as-errors='*'
}

# g++ 12 takes members of std::regex for uninitialized where it instruments them (gcc.gnu.org/PR105562).
# clang-tidy reads the same flags and does not know that one.
sanitizer_build() {
  cmake -S . -B build-asan -G Ninja -DCMAKE_BUILD_TYPE=Debug -DTHOUGHTRANK_SANITIZE=ON \
    -DCMAKE_CXX_FLAGS="-O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -Wno-unknown-warning-option -Wno-maybe-uninitialized"
  ninja -C build-asan
}

for tool in cmake ninja clang-format clang-tidy; do
  command -v "$tool" >/dev/null || die "$tool is missing: scripts/setup.sh --tests installs what the checks need"
done

heading "Format, layers, sizes"
mapfile -t sources < <(our_files '*.h' '*.inl' '*.cpp' '*.cu' '*.cuh')
clang-format --dry-run -Werror "${sources[@]}"
python3 scripts/check_layers.py
python3 scripts/check_size.py

heading "Shell"
mapfile -t shells < <(our_files 'scripts/*.sh' .ci/run)
if command -v shellcheck >/dev/null; then
  shellcheck --exclude=SC1091 --shell=bash "${shells[@]}"
else
  bash -n "${shells[@]}" && echo "shellcheck is not installed: only the syntax was checked"
fi

heading "Sanitizers: the rooms without torch"
run_quietly build-asan/build.log "build" sanitizer_build
ctest --test-dir build-asan --output-on-failure --parallel 2 --no-tests=error

heading "clang-tidy"
run_quietly build-asan/tidy.log "rooms without torch" tidy build-asan
if $all; then
  run_quietly build-tidy/configure.log "configure" cmake -S . -B build-tidy -G Ninja -DCMAKE_BUILD_TYPE=Release \
    -DTHOUGHTRANK_BATCHES=OFF -DTHOUGHTRANK_CUDA=OFF
  run_quietly build-tidy/tidy.log "all rooms" tidy build-tidy
fi

if $tests; then scripts/test.sh; fi
