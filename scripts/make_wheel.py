#!/usr/bin/env python3
"""Writes a wheel around a folder that scripts/bundle.sh made: what scripts/wheel.sh calls.

Usage: make_wheel.py BUNDLE OUT

The package `thoughtrank` holds the bundle and a command of its name, which starts the bundle's launcher with the torch of
the environment that it is installed in. The same bundle gives the same bytes.
"""
import base64
import hashlib
import re
import stat
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TAG = "py3-none-manylinux_2_35_x86_64"
CONTENTS = ["thoughtrank", "bin", "lib", "configs", "licences", "LICENSE"]  # what a run needs of a bundle

COMMAND = '''"""A command-line program that makes a Llama model think before it answers. `main` is the command of that name."""
import importlib.util
import os
import sys


def main():
    if "TORCH_WHEEL" not in os.environ:
        found = importlib.util.find_spec("torch")
        if found is None:
            print("thoughtrank: this Python finds no torch: pip install torch=={torch}", file=sys.stderr)
            return 66
        os.environ["TORCH_WHEEL"] = found.submodule_search_locations[0]
    launcher = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bundle", "thoughtrank")
    os.execv(launcher, [launcher, *sys.argv[1:]])
'''
METADATA = """Metadata-Version: 2.1
Name: thoughtrank
Version: {version}
Summary: Makes a Llama model think before it answers: generates thoughts, lets a judge rank, trains on the winner
License: Apache-2.0
License-File: LICENSE
Requires-Python: >=3.10
Requires-Dist: torch=={torch}
"""
WHEEL = f"Wheel-Version: 1.0\nGenerator: thoughtrank make_wheel.py\nRoot-Is-Purelib: false\nTag: {TAG}\n"
ENTRY_POINTS = "[console_scripts]\nthoughtrank = thoughtrank:main\n"


def version():
    """The program's version, of the one header that has it."""
    header, = (ROOT / "include" / "thoughtrank").rglob("version.h")
    return re.search(r'kVersion = "([^"]+)"', header.read_text(encoding="utf-8"))[1]


def torch_version():
    return re.search(r"^torch==(\S+)$", (ROOT / "third_party" / "requirements.txt").read_text(), re.MULTILINE)[1]


def bundle_files(bundle):
    """(name in the wheel, content, whether it is started) of each file."""
    for top in CONTENTS:
        path = bundle / top
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            if file.is_file():
                name = f"thoughtrank/bundle/{file.relative_to(bundle).as_posix()}"
                yield name, file.read_bytes(), bool(file.stat().st_mode & stat.S_IXUSR)


def texts():
    info = f"thoughtrank-{version()}.dist-info"
    yield "thoughtrank/__init__.py", COMMAND.format(torch=torch_version())
    yield f"{info}/METADATA", METADATA.format(version=version(), torch=torch_version())
    yield f"{info}/WHEEL", WHEEL
    yield f"{info}/entry_points.txt", ENTRY_POINTS
    yield f"{info}/licenses/LICENSE", (ROOT / "LICENSE").read_text(encoding="utf-8")


def record_line(name, content):
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(content)}\n"


def write_wheel(bundle, out):
    path = Path(out) / f"thoughtrank-{version()}-{TAG}.whl"
    record = f"thoughtrank-{version()}.dist-info/RECORD"
    files = [*bundle_files(Path(bundle)), *((name, text.encode(), False) for name, text in texts())]
    lines = "".join(record_line(name, content) for name, content, _ in files) + f"{record},,\n"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, content, is_started in [*files, (record, lines.encode(), False)]:
            entry = zipfile.ZipInfo(name)  # of 1980, whenever it is made
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (stat.S_IFREG | (0o755 if is_started else 0o644)) << 16
            wheel.writestr(entry, content)
    return path


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    path = write_wheel(*sys.argv[1:])
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
