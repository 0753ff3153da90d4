#!/usr/bin/env bash
# Installs what a run needs of third_party/ and builds the program into build/. What is in place already is left alone.
#   scripts/setup.sh            the program, for the GPU where this machine has an NVIDIA driver
#   scripts/setup.sh --tests    what the tests need, too, and the whole build; CUDA kernels where nvcc is found
# THOUGHTRANK_CUDA=ON or OFF in the environment says whether CUDA's libraries and kernels belong to it.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/common.sh

tests=false
while (($#)); do
  case $1 in
    --tests) tests=true && shift ;;
    *) die "unknown argument '$1' (see the head of this file)" ;;
  esac
done

wants_cuda() {
  case ${THOUGHTRANK_CUDA:-AUTO} in
    ON) ;;
    OFF) return 1 ;;
    AUTO) [[ -e /proc/driver/nvidia/version ]] || command -v nvidia-smi >/dev/null ;;
    *) die "THOUGHTRANK_CUDA is '$THOUGHTRANK_CUDA', expected ON, OFF or AUTO" ;;
  esac
}

# The packages of the lists given that are not installed.
missing_packages() {
  local package
  while read -r package; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || echo "$package"
  done < <(cat "$@")
}

install_packages() {
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=3)
  ((EUID == 0)) || apt=(sudo "${apt[@]}")
  retry "${apt[@]}" -o APT::Update::Error-Mode=any update
  retry "${apt[@]}" install --yes --no-install-recommends "$@"
}

ensure_packages() {
  local missing lists=(third_party/apt.txt)
  if $tests; then lists+=(third_party/apt-test.txt); fi
  mapfile -t missing < <(missing_packages "${lists[@]}")
  if ((${#missing[@]} == 0)); then
    echo "   Debian packages: in place"
    return
  fi
  if ((EUID != 0)) && ! command -v sudo >/dev/null; then
    die "these Debian packages are missing, and there is no sudo; as root: apt-get install ${missing[*]}"
  fi
  ((EUID == 0)) || sudo --validate # asks for the password before the output goes to a file
  download .deps/apt.log "Debian packages (${#missing[@]} to install, a minute)" \
    "Is the network there? By hand, as root: apt-get update && apt-get install ${missing[*]}" \
    install_packages "${missing[@]}"
}

# A folder that pip once finished with and has not begun to change since; with an interpreter that starts.
venv_is_sound() {
  compgen -G '.deps/venv/*.sha256' >/dev/null && [[ ! -e .deps/venv/incomplete ]] && .deps/venv/bin/python -c '' 2>/dev/null
}

has_list() {
  sha256sum --check --status ".deps/venv/$1.sha256" 2>/dev/null &&
    compgen -G '.deps/venv/lib/python3*/site-packages/torch/lib/libtorch_cpu.so' >/dev/null
}

# install_list LIST OPTIONS...: the stamp, from which has_list knows, comes last.
install_list() {
  local list=$1
  shift
  if ! venv_is_sound; then
    rm -rf .deps/venv
    python3 -m venv .deps/venv
  fi
  touch .deps/venv/incomplete
  # Compiled Python and a cache of wheels would take a minute and a gigabyte, and nobody comes back for them.
  retry .deps/venv/bin/python -m pip install --quiet --no-input --disable-pip-version-check --progress-bar off \
    --no-compile --no-cache-dir "$@" --requirement "third_party/$list.txt"
  sha256sum "third_party/$list.txt" >".deps/venv/$list.sha256"
  rm .deps/venv/incomplete
}

# ensure_list LIST GIB WHAT COST PIP-OPTIONS...
ensure_list() {
  local list=$1 gib=$2 what=$3 cost=$4 free_gib
  shift 4
  if venv_is_sound && has_list "$list"; then
    echo "   $what: in place"
    return
  fi
  free_gib=$(df --output=avail --block-size=1G . | tail -n 1)
  ((free_gib >= gib)) || die "$what and the build need $gib GiB of disk, $PWD has $((free_gib)) GiB free"
  download ".deps/$list.log" "$what ($cost)" \
    "Is the network there? A proxy: https_proxy=…; a mirror: PIP_INDEX_URL=…; then start this script again." \
    install_list "$list" "$@"
}

ensure_venv() {
  ensure_list requirements 3 "Python packages with libtorch" "0.7 GB to load, 1 to 3 minutes" --no-deps
  if wants_cuda; then ensure_list requirements-cuda 10 "CUDA libraries and compiler" "2.5 GB to load, 2 to 8 minutes"; fi
  if $tests; then ensure_list requirements-test 10 "Python packages of the tests" "2.5 GB to load, 2 to 8 minutes"; fi
}

# What cmake is told: a first set-up is for a run. What the folder was made for later stays, so that nothing is built twice.
configure_options() {
  if [[ -n ${THOUGHTRANK_CUDA:-} ]]; then
    echo "-DTHOUGHTRANK_CUDA=$THOUGHTRANK_CUDA"
  elif wants_cuda; then
    echo -DTHOUGHTRANK_CUDA=ON
  elif $tests; then
    echo -DTHOUGHTRANK_CUDA=AUTO
  elif [[ ! -f build/CMakeCache.txt ]]; then
    echo -DTHOUGHTRANK_CUDA=OFF
  fi
  if $tests; then
    echo -DTHOUGHTRANK_TESTS=ON
  elif [[ ! -f build/CMakeCache.txt ]]; then
    echo -DTHOUGHTRANK_TESTS=OFF
  fi
}

# build WHAT CPU-MINUTES TARGET...
build() {
  local what=$1 minutes=$((($2 + $(nproc) - 1) / $(nproc))) options
  shift 2
  mapfile -t options < <(configure_options)
  run_quietly build/configure.log "configure" cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Release "${options[@]}"
  if [[ -t 1 ]]; then
    ninja -C build "$@"
  elif ! ninja -C build -n "$@" | grep -q 'no work to do'; then
    run_quietly build/build.log "$what (from nothing about $minutes min on $(nproc) cores)" ninja -C build "$@"
  else
    echo "   $what: in place"
  fi
}

heading "Set-up"
mkdir -p .deps
exec 9>.deps/setup.lock
flock --nonblock 9 || { echo "   waiting for another set-up of this folder" && flock 9; }
ensure_packages
ensure_venv
if $tests; then
  build "program and tests" 25 all
else
  build program 5 thoughtrank
fi
