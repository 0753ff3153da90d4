#!/usr/bin/env bash
# Set-up, the small model, every test but the slow ones, and the checks of layers and sizes.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/common.sh

scripts/setup.sh

heading "Model"
.deps/venv/bin/python scripts/fetch_smollm2.py models/SmolLM2-135M-Instruct

heading "Tests"
ctest --test-dir build --output-on-failure --parallel 2 --label-exclude '^slow$' --no-tests=error

heading "Layers and sizes"
python3 scripts/check_layers.py
python3 scripts/check_size.py
