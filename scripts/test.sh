#!/usr/bin/env bash
# Set-up with all that tests need, the small model, the checks of layers and sizes, every test but the slow ones.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/common.sh

scripts/setup.sh --tests

heading "Model"
.deps/venv/bin/python scripts/fetch_smollm2.py models/SmolLM2-135M-Instruct

heading "Layers and sizes"
python3 scripts/check_layers.py
python3 scripts/check_size.py

heading "Tests"
ctest --test-dir build --output-on-failure --parallel 2 --label-exclude '^slow$' --no-tests=error | tee build/ctest.log
