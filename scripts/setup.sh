#!/usr/bin/env bash
# Installs what third_party/ lists and builds the release into build/. What is in place already is left alone.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/common.sh

# The packages of third_party/apt.txt that are not installed.
missing_packages() {
  local package
  while read -r package; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || echo "$package"
  done < <(grep -v '^ *\(#\|$\)' third_party/apt.txt)
}

# retry COMMAND...: four tries, with longer and longer waits, against networks that time out.
retry() {
  local wait_s
  for wait_s in 5 20 60; do
    if "$@"; then return 0; fi
    echo "$1 failed, trying again in $wait_s s"
    sleep "$wait_s"
  done
  "$@"
}

install_packages() {
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=3)
  ((EUID == 0)) || apt=(sudo "${apt[@]}")
  retry "${apt[@]}" -o APT::Update::Error-Mode=any update
  retry "${apt[@]}" install --yes --no-install-recommends "$@"
}

ensure_packages() {
  local missing
  mapfile -t missing < <(missing_packages)
  if ((${#missing[@]} == 0)); then
    echo "   Debian packages: in place"
    return
  fi
  if ((EUID != 0)) && ! command -v sudo >/dev/null; then
    die "these Debian packages are missing, and there is no sudo; as root: apt-get install ${missing[*]}"
  fi
  ((EUID == 0)) || sudo --validate # asks for the password before the output goes to a file
  run_quietly .deps/apt.log "Debian packages (${#missing[@]} to install)" install_packages "${missing[@]}"
}

# True where .deps/venv was finished from this very list and its interpreter and libtorch are there.
venv_is_whole() {
  [[ -f .deps/venv/requirements.sha256 ]] &&
    sha256sum --check --status .deps/venv/requirements.sha256 2>/dev/null &&
    .deps/venv/bin/python -c '' 2>/dev/null &&
    compgen -G '.deps/venv/lib/python3*/site-packages/torch/lib/libtorch_cpu.so' >/dev/null
}

# The stamp comes last, so that a half-made venv never has one.
make_venv() {
  rm -rf .deps/venv
  python3 -m venv .deps/venv
  retry .deps/venv/bin/python -m pip install --quiet --no-input --disable-pip-version-check \
    --progress-bar off --requirement third_party/requirements.txt
  sha256sum third_party/requirements.txt >.deps/venv/requirements.sha256
}

ensure_venv() {
  local free_gib
  if venv_is_whole; then
    echo "   Python packages: in place"
    return
  fi
  free_gib=$(df --output=avail --block-size=1G . | tail -n 1)
  ((free_gib >= 8)) || die "libtorch and the build need 8 GiB of disk, $PWD has $((free_gib)) GiB free"
  run_quietly .deps/pip.log "Python packages with libtorch (1 to 7 minutes)" make_venv
}

build() {
  run_quietly build/configure.log "configure" cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Release
  if [[ -t 1 ]]; then
    ninja -C build
  else
    run_quietly build/build.log "build" ninja -C build
  fi
}

heading "Set-up"
mkdir -p .deps
exec 9>.deps/setup.lock
flock --nonblock 9 || { echo "   waiting for another set-up of this folder" && flock 9; }
ensure_packages
ensure_venv
build
