# What the scripts share; sourced, from the repository root.

heading() { printf '\n%s\n' "== $* =="; }

die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# run_quietly LOG WHAT COMMAND...: the output goes to LOG; prints a sign of life every 30 s, the time at the end,
# and the end of LOG where the command fails.
run_quietly() {
  local log=$1 what=$2 started=$SECONDS next_sign=30 status=0 pid
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
      printf '   %s: %d s so far\n' "$what" "$((SECONDS - started))"
      next_sign=$((next_sign + 30))
    fi
  done
  wait "$pid" || status=$?
  trap - INT TERM
  if ((status != 0)); then
    tail -n 30 "$log" >&2
    die "$what failed after $((SECONDS - started)) s (all of it: $log)"
  fi
  printf '   %s: done in %d s\n' "$what" "$((SECONDS - started))"
}
