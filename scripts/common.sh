# What the scripts share; sourced, from the repository root.

# libtorch's threads wait in a loop for their next work. On a machine that others use, too, they take the processor from
# those that they wait for. A shorter loop costs 2 % where nobody else is (figures in tests/benchmarks/README.md).
[[ -n ${OMP_WAIT_POLICY:-} ]] || export GOMP_SPINCOUNT=${GOMP_SPINCOUNT:-10000}

heading() { printf '\n%s\n' "== $* =="; }

die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# How far ninja, whose output is in the file LOG, has come: " [12/345]".
progress_in() { tail -c 4000 "$1" | grep -oE '^\[[0-9]+/[0-9]+\]' | tail -n 1 | sed 's/^/ /' || true; }

# run_logged LOG WHAT COMMAND...: the output goes to LOG; prints a sign of life every 30 s and the time at the end.
# Leaves the command's exit status in logged_status: asked for in an `if`, bash would run COMMAND without `set -e`.
run_logged() {
  local log=$1 what=$2 started=$SECONDS next_sign=30 pid
  shift 2
  mkdir -p "$(dirname "$log")"
  set -m # a process group of its own, so that it can be ended with its children
  "$@" >"$log" 2>&1 </dev/null &
  pid=$!
  set +m
  trap 'kill -- "-$pid" 2>/dev/null || true; exit 130' INT TERM
  while kill -0 "$pid" 2>/dev/null; do
    sleep 1
    if ((SECONDS - started >= next_sign)); then
      printf '   %s: %d s so far%s\n' "$what" "$((SECONDS - started))" "$(progress_in "$log")"
      next_sign=$((next_sign + 30))
    fi
  done
  logged_status=0
  wait "$pid" || logged_status=$?
  trap - INT TERM
  ((logged_status != 0)) || printf '   %s: done in %d s\n' "$what" "$((SECONDS - started))"
}

# run_quietly LOG WHAT COMMAND...: run_logged; ends the script with the end of LOG where the command fails.
run_quietly() {
  local started=$SECONDS
  run_logged "$@"
  if ((logged_status != 0)); then
    tail -n 30 "$1" >&2
    die "$2 failed after $((SECONDS - started)) s (all of it: $1)"
  fi
}

# The cause of the last try's failure as pip and apt-get tell it in the file LOG: the exception under a traceback, or the
# last error; with the connection that broke where pip goes on to find no package.
error_in() {
  awk '
    /^Failed, trying again in / { error = broken = last = "" }
    /^WARNING: .*connection broken by / { broken = $0; sub(/.*connection broken by ./, "", broken) }
    /^Traceback \(most recent call last\):/ { traced = 1 }
    traced && /^[A-Za-z_][A-Za-z0-9_.]*(:|$)/ { error = $0; traced = 0 }
    /^(ERROR|E|W): ?/ && !/Exception:$/ { error = $0 }
    NF { last = $0 }
    END {
      sub(/<[^>]*>: /, "", broken)  # an object of Python
      sub(/.: [^ ]*$/, "", broken)  # what was asked for
      if (error == "") error = last
      print error (error ~ /No matching distribution/ && broken != "" ? ", after " broken : "")
    }' "$1"
}

# download LOG WHAT MEND COMMAND...: run_logged; ends the script with one message where the command fails: the cause, and
# what helps.
download() {
  local log=$1 what=$2 mend=$3
  shift 3
  run_logged "$log" "$what" "$@"
  if ((logged_status != 0)); then
    die "$what: not installed, in four tries. $(error_in "$log")"$'\n'"   $mend"$'\n'"   All of it: $log"
  fi
}

# retry COMMAND...: four tries, with longer and longer waits, against networks that time out.
retry() {
  local wait_s
  for wait_s in 5 20 60; do
    if "$@"; then return 0; fi
    echo "Failed, trying again in $wait_s s"
    sleep "$wait_s"
  done
  "$@"
}
