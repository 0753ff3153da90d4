#!/usr/bin/env bash
# From a clean Debian 12 to a trained checkpoint of a small model: set-up, model, two rounds, a summary.
# Run again it finds everything in place, and resumes the run or says that all is done.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/common.sh

model=models/SmolLM2-135M-Instruct
run=runs/quickstart # run_dir of configs/quickstart.yaml

scripts/setup.sh

heading "Model"
echo "   SmolLM2-135M-Instruct (10 s)"
.deps/venv/bin/python scripts/fetch_smollm2.py "$model"

heading "Run"
echo "   two rounds (about 2 minutes on 2 cores)"
status=0
build/thoughtrank run --config configs/quickstart.yaml >/dev/null || status=$? # the table follows below
case $status in
  0) ;;
  75 | 130) echo "Stopped. scripts/quickstart.sh goes on where it was." >&2 && exit "$status" ;;
  *) echo "The run ended with exit code $status; the message above says why." >&2 && exit "$status" ;;
esac

heading "Result"
python3 scripts/summarize_run.py "$run"

checkpoint=$(find "$run" -path '*/checkpoint/MANIFEST.json' | sort | tail -n 1)
cat <<END

== Next ==
   build/thoughtrank status $run
   build/thoughtrank inspect $run --round 1
   build/thoughtrank ask --model $(dirname "$checkpoint") "What is 6 times 7, minus 5?"
   build/thoughtrank run --help
END
