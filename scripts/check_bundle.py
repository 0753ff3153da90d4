#!/usr/bin/env python3
"""Fails where a folder made by scripts/bundle.sh would not run on an older Linux, elsewhere, or is too large.

Usage: check_bundle.py FOLDER

Of each ELF file: the symbol versions it needs are at most those of Ubuntu 22.04; every library it needs is in the bundle,
in torch's Python package or comes with the system; it looks for libraries relative to itself only.
"""
import re
import subprocess
import sys
from pathlib import Path

NEWEST = {"GLIBC": (2, 35), "GLIBCXX": (3, 4, 30), "CXXABI": (1, 3, 13), "GCC": (12, 0, 0)}
LARGEST_BYTES = 60_000_000
OF_THE_SYSTEM = re.compile(r"(ld-linux-x86-64|lib(c|m|dl|rt|pthread|util|resolv|stdc\+\+|gcc_s))\.so\.\d+$")
OF_TORCH = re.compile(r"lib(torch|torch_cpu|torch_cuda|c10|c10_cuda)\.so$|libgomp\.so\.1$"
                      r"|lib(cudart|cublas|cublasLt|nccl|cupti)\.so\.\d+$")


def elf_files(folder):
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                if file.read(4) == b"\x7fELF":
                    yield path


def readelf(path, *options):
    return subprocess.run(["readelf", "--wide", *options, str(path)], capture_output=True, text=True, check=True).stdout


def needed_versions(text):
    """{(library, version)} of the version needs section that `readelf --version-info` prints."""
    needs = text.partition("Version needs section")[2]
    found, library = set(), ""
    for match in re.finditer(r"File: (\S+)|Name: (\S+)", needs):
        library = match[1] or library
        if match[2]:
            found.add((library, match[2]))
    return found


def is_too_new(version):
    """Whether `GLIBC_2.36` is newer than what must suffice. One that is no number, such as GLIBC_ABI_DT_RELR, is."""
    name, _, number = version.rpartition("_")
    if name not in NEWEST:
        return name.startswith(tuple(NEWEST))
    return not re.fullmatch(r"[\d.]+", number) or tuple(map(int, number.split("."))) > NEWEST[name]


def too_new(text):
    return [f"needs {version} of {library}" for library, version in sorted(needed_versions(text))
            if OF_THE_SYSTEM.match(library) and is_too_new(version)]


def unmet_needs(text, bundled):
    """Libraries that nobody brings, and folders of the machine that built it, in `readelf --dynamic`."""
    found = [f"needs {name}, which is in neither bundle, torch nor system"
             for name in re.findall(r"\(NEEDED\).*\[(.*)\]", text)
             if name not in bundled and not OF_THE_SYSTEM.match(name) and not OF_TORCH.match(name)]
    for paths in re.findall(r"\((?:RPATH|RUNPATH)\).*\[(.*)\]", text):
        found += [f"looks for libraries in '{path}'" for path in paths.split(":") if not path.startswith("$ORIGIN")]
    return found


def problems(folder):
    folder = Path(folder)
    elves = list(elf_files(folder))
    found = [] if elves else [f"{folder}: no program in it"]
    bundled = {path.name for path in elves if path.parent.name == "lib"}
    for path in elves:
        texts = readelf(path, "--version-info"), readelf(path, "--dynamic")
        found += [f"{path.relative_to(folder)}: {problem}" for problem in too_new(texts[0]) + unmet_needs(texts[1], bundled)]
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if size > LARGEST_BYTES:
        found.append(f"{folder}: {size / 1e6:.1f} MB, expected at most {LARGEST_BYTES / 1e6:.0f} MB")
    return found


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    found = problems(sys.argv[1])
    for line in found:
        print(line)
    print(f"bundle: {len(found)} problems" if found else "bundle: clean")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
