"""Run every step of the Dockerfile in a bare Debian 12 root, where no container engine is at hand.

    sudo python3 deploy/rehearse.py FOLDER          # needs debootstrap, chroot and a Debian mirror

FOLDER becomes the root of a minimal Debian 12 unless it is one already. ENV, WORKDIR, USER, COPY and RUN are
done in order, as a build would; then the command of CMD is started with secrets made for the moment, `/healthz`
is asked, and it is stopped. What a kernel keeps apart (namespaces, capabilities, volumes) is not rehearsed.
"""

import json
import os
import re
import secrets
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
# Where this machine reaches packages by a way of its own, the root goes the same way.
PASSED_ON = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")
CERTIFICATES = "etc/ssl/authorities-of-this-machine.crt"
ASK = "import sys, urllib.request as u; print(u.urlopen(f'http://127.0.0.1:{sys.argv[1]}/healthz').read().decode())"


def steps(text: str) -> Iterator[tuple[str, str]]:
    for line in re.sub(r"\\\n", "", text).splitlines():
        if line and not line.startswith("#"):
            word, _, rest = line.partition(" ")
            yield word, rest.strip()


def left_out(folder: str, names: list[str]) -> set[str]:
    """What .dockerignore keeps out of the image."""
    at_top = Path(folder) == REPOSITORY
    lines = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").split()
    anywhere = {line.removeprefix("**/") for line in lines if line.startswith("**/")}
    here = {line.split("/")[-1] for line in lines if "/" in line and Path(folder).name == line.split("/")[0]}
    return set(names) & (anywhere | here | (set(lines) if at_top else set()))


class Root:
    """A Debian root and what the steps so far have set."""

    def __init__(self, folder: Path):
        self.folder, self.folder_inside, self.user = folder, "/", "root"
        self.environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        self.environment |= {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        if "PIP_CERT" in os.environ:
            self.environment["PIP_CERT"] = f"/{CERTIFICATES}"

    def command(self, words: list[str]) -> list[str]:
        set_up = [f"{name}={value}" for name, value in self.environment.items()]
        inside = ["env", "-i", *set_up, "sh", "-c", f"cd {self.folder_inside} && exec {shlex.join(words)}"]
        return ["chroot", f"--userspec={self.user}:{self.user}", str(self.folder), *inside]

    def run(self, line: str) -> None:
        subprocess.run(self.command(["sh", "-ec", line]), check=True)

    def copy(self, line: str) -> None:
        *sources, target = line.split()
        place = self.folder / Path(self.folder_inside, target).relative_to("/")
        for source in sources:
            found = REPOSITORY / source
            if found.is_dir():
                shutil.copytree(found, place, dirs_exist_ok=True, ignore=left_out)
            else:
                to = place / found.name if target.endswith("/") else place
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(found, to)

    def step(self, word: str, rest: str) -> None:
        if word == "ENV":
            self.environment |= dict(pair.split("=", 1) for pair in shlex.split(rest))
        elif word == "WORKDIR":
            self.folder_inside = rest
            (self.folder / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
        elif word == "USER":
            self.user = rest
        elif word == "COPY":
            self.copy(rest)
        elif word == "RUN":
            self.run(rest)


def begin(folder: Path, image: str) -> None:
    if image != "debian:12-slim":
        raise SystemExit(f"the image begins with {image}; this rehearsal knows debian:12-slim")
    if not (folder / "etc/debian_version").exists():
        subprocess.run(["debootstrap", "--variant=minbase", "bookworm", str(folder)], check=True)
    for name in ("proc", "dev", "dev/shm"):
        subprocess.run(["mountpoint", "-q", folder / name], check=False).returncode == 0 or subprocess.run(
            ["mount", "--bind", f"/{name}", folder / name], check=True
        )
    shutil.copy2("/etc/resolv.conf", folder / "etc/resolv.conf")
    if "PIP_CERT" in os.environ:  # the root knows Debian's authorities, not this machine's own
        shutil.copy2(os.environ["PIP_CERT"], folder / CERTIFICATES)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def serve(root: Root, words: list[str]) -> None:
    """Start the image's own command with secrets of the moment, and ask it whether it is well."""
    root.environment |= {"SECRET_KEY": secrets.token_urlsafe(48), "AUDIT_KEY": secrets.token_urlsafe(48)}
    port = free_port()
    root.environment["PORT"] = str(port)
    server = subprocess.Popen(root.command(words))
    try:
        for _ in range(240):
            time.sleep(1)
            asked = subprocess.run(
                root.command([".venv/bin/python", "-c", ASK, str(port)]), capture_output=True, text=True
            )
            if asked.returncode == 0:
                print(asked.stdout)
                return
        raise SystemExit(f"the server did not answer: {asked.stderr[-500:]}")
    finally:
        server.terminate()
        server.wait(20)


def main(folder: Path) -> None:
    root, words = Root(folder), []
    for word, rest in steps((HERE / "Dockerfile").read_text(encoding="utf-8")):
        print(f"{word} {rest[:100]}", flush=True)
        if word == "FROM":
            begin(folder, rest)
        elif word == "CMD":
            words = json.loads(rest)
        else:
            root.step(word, rest)
    serve(root, words)
    print("Every step ran, and the server answers that it is well.")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]).resolve())
