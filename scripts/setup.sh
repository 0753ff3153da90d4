#!/usr/bin/env bash
# Installs what a run needs of third_party/ and builds the program into build/. What is in place already is left alone.
#   scripts/setup.sh            the program, for the GPU where this machine has one of NVIDIA's
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

# A driver alone is none: a container sees its host's in /proc, and no card unless it was given one.
has_gpu() {
  [[ -e /dev/nvidiactl || -e /dev/nvidia0 ]] ||
    [[ -e /dev/dxg && -e /usr/lib/wsl/lib/libcuda.so.1 ]] || # WSL, where any maker's card is /dev/dxg
    [[ $(timeout 30 nvidia-smi -L 2>/dev/null) == "GPU "* ]]
}

wants_cuda() {
  case ${THOUGHTRANK_CUDA:-AUTO} in
    ON) ;;
    OFF) return 1 ;;
    AUTO) has_gpu ;;
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

# A folder in which pip finished a list, with an interpreter that starts.
venv_is_sound() {
  compgen -G '.deps/venv/*.sha256' >/dev/null && .deps/venv/bin/python -c '' 2>/dev/null
}

has_list() {
  venv_is_sound && sha256sum --check --status ".deps/venv/$1.sha256" 2>/dev/null &&
    compgen -G '.deps/venv/lib/python3*/site-packages/torch/lib/libtorch_cpu.so' >/dev/null
}

# pip takes a package for installed once it has written a part of it. So while pip changes .deps/venv, .deps/venv.before is
# the environment as the last finished list left it; in hard links, since pip replaces files and never writes into them.
keep_venv() { cp -al .deps/venv .deps/scrap && mv .deps/scrap .deps/venv.before; }

# Takes back what a list that was not finished has changed.
restore_venv() {
  rm -rf .deps/scrap
  [[ ! -d .deps/venv.before ]] || { rm -rf .deps/venv && mv .deps/venv.before .deps/venv; }
}

# From here on the changed environment is the one that counts.
accept_venv() {
  rm -rf .deps/scrap
  [[ ! -d .deps/venv.before ]] || mv .deps/venv.before .deps/scrap # at one stroke, unlike rm
  rm -rf .deps/scrap
}

# try_list LIST PIP-OPTIONS...: in a sound environment or, where there is none, a new one.
try_list() {
  local list=$1
  shift
  restore_venv || return
  if venv_is_sound; then
    keep_venv || return
  else
    rm -rf .deps/venv
    python3 -m venv .deps/venv || return
  fi
  # Compiled Python and a cache of wheels would take a minute and a gigabyte, and nobody comes back for them. The wheels are
  # loaded to the disk on which require_disk has looked.
  mkdir .deps/scrap && TMPDIR=$PWD/.deps/scrap .deps/venv/bin/python -m pip install --quiet --no-input \
    --disable-pip-version-check --progress-bar off --no-compile --no-cache-dir "$@" --requirement "third_party/$list.txt"
}

# install_list LIST PIP-OPTIONS...: the stamp, from which has_list knows, comes last.
install_list() {
  retry try_list "$@"
  accept_venv
  sha256sum "third_party/$1.txt" >".deps/venv/$1.sha256"
}

# Whether one of LIST... brings the CUDA libraries: both later lists depend on them, and the first that comes loads them.
brings_cuda_libraries() { [[ "$*" == *requirements-* ]] && ! compgen -G '.deps/venv/requirements-*.sha256' >/dev/null; }

# What LIST... and the build take at most, in MiB by du: the packages, and the wheels or else the build.
needed_mib() {
  local list packages=0 wheels=50 build=700
  if $tests; then build=1300; fi
  [[ ! -d build ]] || build=$((build - $(du -sm build | cut -f 1)))
  for list in "$@"; do
    case $list in
      requirements) packages=$((packages + 1400)) wheels=700 ;;
      requirements-cuda) packages=$((packages + 300)) wheels=$((wheels + 150)) ;;
      requirements-test) packages=$((packages + 150)) ;;
    esac
  done
  if brings_cuda_libraries "$@"; then packages=$((packages + 3400)) wheels=2200; fi
  echo $((packages + (wheels > build ? wheels : build)))
}

require_disk() {
  local needed free
  needed=$(needed_mib "$@")
  free=$(df --output=avail --block-size=1M . | tail -n 1)
  ((free >= needed)) || die "what is missing in .deps and build needs $needed MiB of disk, $PWD has $((free)) MiB free"
}

what_is() {
  case $1 in
    requirements) echo "Python packages with libtorch" ;;
    requirements-cuda) echo "CUDA libraries and compiler" ;;
    requirements-test) echo "Python packages of the tests" ;;
  esac
}

# ensure_list LIST PIP-OPTIONS...
ensure_list() {
  local what cost="at most 0.1 GB to load, 1 to 3 minutes"
  what=$(what_is "$1")
  if has_list "$1"; then
    echo "   $what: in place"
    return
  fi
  if [[ $1 == requirements ]]; then cost="0.7 GB to load, 1 to 3 minutes"; fi
  if brings_cuda_libraries "$1"; then cost="2.5 GB to load, 2 to 8 minutes"; fi
  download ".deps/$1.log" "$what ($cost)" \
    "Is the network there? A proxy: https_proxy=…; a mirror: PIP_INDEX_URL=…; then start this script again." \
    install_list "$@"
}

ensure_venv() {
  local list lists=(requirements) missing=()
  if wants_cuda; then lists+=(requirements-cuda); fi
  if $tests; then lists+=(requirements-test); fi
  restore_venv
  for list in "${lists[@]}"; do
    has_list "$list" || missing+=("$list")
  done
  if ((${#missing[@]} > 0)); then require_disk "${missing[@]}"; fi
  ensure_list requirements --no-deps
  for list in "${lists[@]:1}"; do
    ensure_list "$list"
  done
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
  local what=$1 minutes=$2 plan options
  shift 2
  mapfile -t options < <(configure_options)
  run_quietly build/configure.log "configure" cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Release "${options[@]}"
  if [[ -t 1 ]]; then
    ninja -C build "$@"
    return
  fi
  plan=$(ninja -C build -n "$@")
  if [[ $plan == *"no work to do"* ]]; then
    echo "   $what: in place"
    return
  fi
  if [[ $plan == *"Building CUDA object"* ]]; then minutes=$((minutes + 2)); fi
  minutes=$(((minutes + $(nproc) - 1) / $(nproc)))
  run_quietly build/build.log "$what (from nothing about $minutes min on $(nproc) cores)" ninja -C build "$@"
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
