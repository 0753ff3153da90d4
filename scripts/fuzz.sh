#!/usr/bin/env bash
# Fuzzes the parsers of what strangers write, with clang's libFuzzer under address and undefined-behaviour sanitizers.
#   scripts/fuzz.sh                    60 s each
#   scripts/fuzz.sh --seconds 600 journal reply
#   scripts/fuzz.sh --runs 10000000    executions each, instead of seconds
#   scripts/fuzz.sh --longest 1024     bytes of an input at most, instead of 65,536: more executions a second
# A finding is kept in build-fuzz/findings/. What was learnt stays in build-fuzz/corpus/; tests/fuzz/seeds/ is where it began.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/common.sh

limit=(-max_total_time=60) longest=65536 targets=()
while (($#)); do
  case $1 in
    --seconds) limit=("-max_total_time=${2:?--seconds needs a number}") && shift 2 ;;
    --runs) limit=("-runs=${2:?--runs needs a number}") && shift 2 ;;
    --longest) longest=${2:?--longest needs a number} && shift 2 ;;
    -*) die "unknown argument '$1' (see the head of this file)" ;;
    *) targets+=("$1") && shift ;;
  esac
done
((${#targets[@]})) || targets=(journal config rows reply tokenizer_json tokenizer_model model_config safetensors index)
command -v clang++ >/dev/null || die "clang++ is not installed: the fuzzers need clang's libFuzzer"

build() {
  cmake -S . -B build-fuzz -G Ninja -DCMAKE_CXX_COMPILER=clang++ -DCMAKE_BUILD_TYPE=Debug -DTHOUGHTRANK_SANITIZE=ON \
    -DTHOUGHTRANK_FUZZ=ON -DCMAKE_CXX_FLAGS="-O1 -gline-tables-only -fsanitize=fuzzer-no-link -fno-omit-frame-pointer"
  ninja -C build-fuzz "${targets[@]/%/_fuzz}"
}

# Prints one line: executions, what was found.
fuzz() {
  local name=$1 log="build-fuzz/$1.log"
  mkdir -p "build-fuzz/corpus/$name" build-fuzz/findings "tests/fuzz/seeds/$name"
  if "build-fuzz/tests/fuzz/${name}_fuzz" "${limit[@]}" -rss_limit_mb=2048 -timeout=20 "-max_len=$longest" -print_final_stats=1 \
    "-artifact_prefix=build-fuzz/findings/$name-" "build-fuzz/corpus/$name" "tests/fuzz/seeds/$name" >"$log" 2>&1; then
    printf '%-16s %12s executions, no finding\n' "$name" "$(sed -n 's/stat::number_of_executed_units: *//p' "$log")"
  else
    printf '%-16s FOUND, see %s:\n' "$name" "$log"
    grep -E "ERROR|SUMMARY|Test unit written" "$log" || tail -5 "$log"
    return 1
  fi
}

heading "Fuzzing"
run_quietly build-fuzz/build.log "build" build
export -f fuzz
export longest
limit_text=${limit[*]}
printf '%s\n' "${targets[@]}" | xargs -P "$(nproc)" -I {} bash -c "limit=($limit_text); fuzz {}"
