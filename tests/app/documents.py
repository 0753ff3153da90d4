"""The texts that show commands, the commands in them, and what is put in place of a path or a number to try them."""
import re

from program import ROOT

HELP = ROOT / "src" / "app" / "help"

# Commands that are run elsewhere, by their first words, and the file that runs them.
ELSEWHERE = {
    "scripts/quickstart.sh": ".ci/run",
    "scripts/test.sh": ".ci/run",
    "tar xzf thoughtrank-linux-x86_64.tar.gz": "tests/scripts/bundle_test.py",
    "python3 -m venv venv": "tests/scripts/bundle_test.py",
    "scripts/wheel.sh && pip install": "tests/scripts/wheel_test.py",
    "cmake --install": "tests/scripts/install_test.py",
    "pip install torch==": "scripts/setup.sh",
    "./thoughtrank doctor": "tests/scripts/bundle_test.py",
    "scripts/gpu_check.sh": "tests/scripts/gpu_check_test.py",
    "source <(thoughtrank completion": "tests/app/completion_test.py",
    "thoughtrank completion fish | source": "tests/app/completion_test.py",
    "python3 tests/servers/mock_judge.py": "tests/app/program.py",
    "thoughtrank study --config configs/study.yaml --print --add": "tests/app/study_test.py",
    "export JUDGE_API_KEY": "tests/app/wire_test.py",
}

# What is changed in a command before it is run: a pattern and what stands for it.
SUBSTITUTIONS = [
    (r"http://127\.0\.0\.1:8099/v1", "URL"),
    (r"--config my-run/round\.yaml", r"\g<0> --set judge.drop.bare=false"),  # the tiny model says little else
    (r"judge-test --config round\.yaml", "judge-test --config configs/llama-3.2-3b.yaml"),  # it has no taste either
    (r"inspect runs/first (.*)--prompt example-01", r"inspect runs/first \1--prompt PROMPT"),
    (r"bench decode", r"\g<0> --prompt-tokens 8 --new-tokens 4 --branches 8"),
    (r"bench train --model \S+$", r"\g<0> --sequence 40 --rows 2 --loss-tokens 30"),
    (r"\| man -l -", r"| { if command -v man >/dev/null; then man -l -; else cat; fi; }"),
]


def documents():
    return [ROOT / "README.md", *sorted(HELP.glob("*.md")), *sorted((HELP / "commands").glob("*.md"))]


def commands_of(path):
    """The lines of the fenced `sh` blocks, those that end in a backslash joined, without comments."""
    lines = []
    for block in re.findall(r"^```sh\n(.*?)^```", path.read_text(encoding="utf-8"), re.M | re.S):
        for line in block.replace("\\\n", " ").splitlines():
            line = re.sub(r"\s+#\s.*$", "", line).strip()
            if line:
                lines.append(re.sub(r"\s+", " ", line))
    return lines


def is_elsewhere(line):
    return any(line.startswith(command) for command in ELSEWHERE)
