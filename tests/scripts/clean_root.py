"""A root folder with glibc, gcc's libraries, bash, coreutils, python3 and a virtual environment with torch: what a fresh
machine has. Commands run in it by chroot in namespaces of their own, so that nothing is left mounted."""
import re
import shutil
import subprocess
from pathlib import Path

BASE_PROGRAMS = ["bash", "dirname", "readlink", "sed", "ls", "cat", "env"]
BASE_LIBRARIES = ["ld-linux-x86-64.so.2", "libc.so.6", "libm.so.6", "libdl.so.2", "librt.so.1", "libpthread.so.0",
                  "libutil.so.1", "libresolv.so.2", "libstdc++.so.6", "libgcc_s.so.1"]
SYSTEM_FOLDER = Path("/usr/lib/x86_64-linux-gnu")
VENV = "/opt/venv"

# Mounts stay in the namespace. $1: the root; $2: a site-packages folder; then the command.
ENTER = """
set -e
mount --rbind /proc "$1/proc"
mount --rbind /dev "$1/dev"
for package in torch nvidia; do mount --bind "$2/$package" "$1$3/$package"; done
root=$1; shift 3
exec chroot "$root" "$@"
"""


def libraries_of(path):
    """name -> path of all the shared libraries of a program, the loader included."""
    text = subprocess.run(["ldd", str(path)], capture_output=True, text=True, check=True).stdout
    paths = [Path(found) for found in re.findall(r"(/\S+) \(0x", text)]
    return {path.name: path for path in paths}


class CleanRoot:
    def __init__(self, root, site_packages):
        self.root, self.site_packages = Path(root), Path(site_packages)
        for folder in ["proc", "dev", "tmp", "usr/bin", "usr/lib/x86_64-linux-gnu", "lib64"]:
            (self.root / folder).mkdir(parents=True)
        (self.root / "lib").symlink_to("usr/lib")
        (self.root / "bin").symlink_to("usr/bin")
        self.copy_programs()
        self.copy_python()

    def copy_programs(self):
        libraries = {name: SYSTEM_FOLDER / name for name in BASE_LIBRARIES}
        for program in BASE_PROGRAMS:
            found = shutil.which(program)
            shutil.copy(found, self.root / "usr/bin" / program)
            libraries |= libraries_of(found)
        for name, path in libraries.items():
            folder = "lib64" if name.startswith("ld-linux") else "usr/lib/x86_64-linux-gnu"
            shutil.copy(path, self.root / folder / name)

    def copy_python(self):
        """The system's python3 without its tests and site packages, and an empty environment. Its own libraries
        (expat, zlib) go to a folder that only it is told of, so that they cannot stand in for the bundle's."""
        python = Path(shutil.which("python3", path="/usr/bin")).resolve()
        shutil.copy(python, self.root / "usr/bin" / python.name)
        own = self.root / "usr/lib/python-only"
        own.mkdir()
        for name, path in libraries_of(python).items():
            if not (self.root / "usr/lib/x86_64-linux-gnu" / name).exists() and not name.startswith("ld-linux"):
                shutil.copy(path, own / name)
        shutil.copytree(f"/usr/lib/{python.name}", self.root / "usr/lib" / python.name, symlinks=False,
                        ignore=shutil.ignore_patterns("test", "dist-packages", "__pycache__", "config-*", "sitecustomize.py"))
        binary = self.root / VENV[1:] / "bin"
        binary.mkdir(parents=True)
        starter = binary / "python3"
        starter.write_text(f'#!/bin/bash\nLD_LIBRARY_PATH=/usr/lib/python-only exec -a {VENV}/bin/python3 '
                           f'/usr/bin/{python.name} "$@"\n')
        starter.chmod(0o755)
        (self.root / VENV[1:] / "pyvenv.cfg").write_text("home = /usr/bin\n")
        self.venv_packages = f"{VENV}/lib/{python.name}/site-packages"
        for package in ["torch", "nvidia"]:
            (self.root / self.venv_packages[1:] / package).mkdir(parents=True)

    def run(self, *words, text_in="", path=f"{VENV}/bin:/usr/bin"):
        command = ["unshare", "--user", "--map-root-user", "--mount", "bash", "-c", ENTER, "enter", str(self.root),
                   str(self.site_packages), self.venv_packages, *map(str, words)]
        return subprocess.run(command, input=text_in, capture_output=True, text=True, timeout=120,
                              env={"PATH": path + ":/usr/sbin:/sbin"}, check=False)


def why_not():
    """Why this machine cannot make a root of its own; empty where it can."""
    needed = [Path("/usr/bin/unshare"), Path("/usr/bin/python3"), *(SYSTEM_FOLDER / name for name in BASE_LIBRARIES)]
    if missing := [str(path) for path in needed if not path.exists()]:
        return f"{missing} missing: not a Debian"
    tried = subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "bash", "-c",
                            "mount --rbind /proc /proc && chroot / true"], capture_output=True, text=True, check=False)
    return tried.stderr.strip() if tried.returncode else ""
