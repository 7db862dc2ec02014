"""Start what the units and the compose file say, in the root that rehearse.py made, and see that all of it works.

    sudo python3 deploy/rehearse_services.py FOLDER

First the ExecStart lines of both units, as their user and with /etc/pdx.env, on SQLite. Then the services of the
compose file: Debian's PostgreSQL 15 as `database`, web, worker, and Debian's Caddy as `proxy`, with the
environment and the commands written there. Each time the health check of the image passes, a worker is alive
and makes the day's backup; through the proxy `/healthz` answers by TLS under its own authority. All stands in a
network of its own, so that names and ports are as written. What an engine keeps apart is not rehearsed.
"""

import json
import os
import re
import secrets
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from deploy.rehearse import Root, steps  # noqa: E402 - this file is called by its path, as root

PATIENCE_SECONDS = 600
SITE = "pdx.example.org"
DATA = "var/lib/pdx"
ROOT_OF_PROXY = "data/caddy/pki/authorities/local/root.crt"
WORKERS = (
    "import urllib.request as u; "
    "asked = u.Request('http://127.0.0.1:8000/metrics', headers={'X-Forwarded-Proto': 'https'}); "
    "print(u.urlopen(asked).read().decode())"
)
BY_TLS = (
    "import json, ssl, urllib.request as u; told = u.urlopen('https://{site}/healthz', "
    "context=ssl.create_default_context(cafile='/{authority}')).read(); print(json.loads(told)['database'])"
)


def of_image(folder: Path) -> Root:
    """The root as the Dockerfile leaves it: its ENV, WORKDIR and USER."""
    root = Root(folder)
    for word, rest in steps((HERE / "Dockerfile").read_text(encoding="utf-8")):
        if word in ("ENV", "WORKDIR", "USER"):
            root.step(word, rest)
    return root


def unit(name: str, folder: Path) -> tuple[Root, list[str]]:
    """What a unit starts, and as whom, where and with which environment."""
    told = dict(re.findall(r"^(\w+)=(.*)$", (HERE / name).read_text(encoding="utf-8"), re.M))
    root = Root(folder)
    root.user, root.folder_inside = told["User"], told["WorkingDirectory"]
    lines = (folder / told["EnvironmentFile"].lstrip("/")).read_text(encoding="utf-8")
    root.environment |= dict(line.split("=", 1) for line in lines.split())
    return root, shlex.split(told["ExecStart"])


def compose(told: dict[str, str]) -> tuple[dict[str, str], list[list[str]]]:
    """The environment of web and worker with its secrets filled in, and the commands that are written there."""
    text = re.sub(
        r"\$\{(\w+):\?\}", lambda found: told[found[1]], (HERE / "compose.yaml").read_text(encoding="utf-8")
    )
    settings = text.split("&settings\n")[1].split("    volumes:")[0]
    pairs = {name: value.strip('"') for name, value in re.findall(r"^      (\w+): (.+)$", settings, re.M)}
    return pairs, [json.loads(words) for words in re.findall(r"^    command: (\[.+\])$", text, re.M)]


@contextmanager
def running(root: Root, words: list[str]) -> Iterator[None]:
    process = subprocess.Popen(root.command(words), stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


def until(what: str, holds: Callable[[], bool]) -> None:
    began = time.monotonic()
    while not holds():
        if time.monotonic() > began + PATIENCE_SECONDS:
            raise SystemExit(f"not within {PATIENCE_SECONDS} s: {what}")
        time.sleep(1)
    print(f"  {what}", flush=True)


def says(root: Root, words: list[str]) -> str:
    """What a command in the root prints, "" where it fails."""
    done = subprocess.run(root.command(words), capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else ""


@contextmanager
def web_and_worker(web: tuple[Root, list[str]], worker: tuple[Root, list[str]]) -> Iterator[None]:
    """Both started, the worker once the web server is well; it gives signs of life and makes the day's backup."""
    healthy, python = web[0].command(["deploy/healthy.sh"]), [".venv/bin/python", "-c"]
    backups = web[0].folder / DATA / "backups"
    with running(*web):
        until("web is well", lambda: subprocess.run(healthy, capture_output=True).returncode == 0)
        with running(*worker):
            until("a worker is alive", lambda: "pdx_workers_alive 1" in says(web[0], [*python, WORKERS]))
            until("it made the day's backup", lambda: any(backups.glob("pdx-*.zip")))
            yield


def empty_data(folder: Path) -> None:
    for path in (folder / DATA).iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def secrets_of_the_moment() -> dict[str, str]:
    names = ("SECRET_KEY", "AUDIT_KEY", "POSTGRES_PASSWORD")
    return {name: secrets.token_hex(32) for name in names} | {"SITE": SITE}


def rehearse_units(folder: Path) -> None:
    print("The units", flush=True)
    told = secrets_of_the_moment()
    lines = {"PDX_DATA_DIR": f"/{DATA}", "BACKUP_FOLDER": f"/{DATA}/backups", "COLLECTED_STATIC": "true",
             "HTTPS": "true", "BEHIND_TLS_PROXY": "true", "ALLOWED_HOSTS": f"{SITE},127.0.0.1",
             "SECRET_KEY": told["SECRET_KEY"], "AUDIT_KEY": told["AUDIT_KEY"]}  # fmt: skip
    file = folder / "etc/pdx.env"
    file.touch(mode=0o600)
    file.write_text("".join(f"{name}={value}\n" for name, value in lines.items()), encoding="utf-8")
    empty_data(folder)
    with web_and_worker(unit("pdx-web.service", folder), unit("pdx-work.service", folder)):
        pass


def rehearse_compose(folder: Path) -> None:
    print("The compose file", flush=True)
    told = secrets_of_the_moment()
    environment, (work, proxy) = compose(told)
    empty_data(folder)
    web, caddy = of_image(folder), Root(folder)
    web.environment |= environment
    caddy.environment |= {"XDG_DATA_HOME": "/data", "XDG_CONFIG_HOME": "/config", "HOME": "/root"}
    (command,) = (rest for word, rest in steps((HERE / "Dockerfile").read_text("utf-8")) if word == "CMD")
    with (
        database(folder, told["POSTGRES_PASSWORD"]),
        web_and_worker((web, json.loads(command)), (web, work)),
        running(caddy, proxy),
    ):
        ask = [".venv/bin/python", "-c", BY_TLS.format(site=SITE, authority=ROOT_OF_PROXY)]
        caddy.folder_inside = web.folder_inside
        until("by TLS through the proxy it is well", lambda: "postgresql" in says(caddy, ask))


@contextmanager
def database(folder: Path, password: str) -> Iterator[None]:
    """PostgreSQL as the compose file's image starts it: user and database pdx, reached by the name `database`."""
    server = Root(folder)
    server.user, server.folder_inside = "postgres", "/tmp"
    server.environment["PATH"] += ":/usr/lib/postgresql/15/bin"
    shutil.rmtree(folder / "tmp/database", ignore_errors=True)
    server.run(f"echo {password} > /tmp/password && initdb --username pdx --pwfile /tmp/password --auth scram-sha-256 "
               "--pgdata /tmp/database >/dev/null && rm /tmp/password")  # fmt: skip
    words = ["postgres", "-D", "/tmp/database", "-c", "unix_socket_directories=/tmp"]
    with running(server, words):
        until(
            "PostgreSQL takes connections", lambda: bool(says(server, ["pg_isready", "--host", "database"]))
        )
        server.environment["PGPASSWORD"] = password
        server.run("createdb --host database --username pdx pdx")
        yield


def main(folder: Path) -> None:
    if "--inside" not in sys.argv:
        Root(folder).run("apt-get update -q && apt-get install -qy --no-install-recommends postgresql caddy")
        again = [sys.executable, __file__, str(folder), "--inside"]
        os.execvp("unshare", ["unshare", "--net", *again])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    (folder / "etc/hosts").write_text(f"127.0.0.1 localhost database web {SITE}\n", encoding="utf-8")
    rehearse_units(folder)
    rehearse_compose(folder)
    print("The units and the services of the compose file ran as they are written.")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]).resolve())
