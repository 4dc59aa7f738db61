"""The machine and the versions, as far as they say something about the figures."""

import json
import os
import platform
import subprocess

from .cluster import SETTINGS
from .paths import NODE, PAWL, PG_BIN, REPO, WORK


def describe(with_node: bool, systems: list) -> dict:
    return {"machine": machine(), "versions": versions(with_node, systems),
            "settings": {name: value for name, value in SETTINGS.items() if value}}


def machine() -> dict:
    return {
        "processor": line_of("/proc/cpuinfo", "model name"),
        "cores": os.cpu_count(),
        "memory_gib": round(int(line_of("/proc/meminfo", "MemTotal").split()[0]) / 2**20),
        "kernel": platform.release().partition("-")[0],
        "system": line_of("/etc/os-release", "PRETTY_NAME", "=").strip('"'),
    }


def line_of(path: str, name: str, separator: str = ":") -> str:
    with open(path, encoding="utf-8") as file:
        for line in file:
            key, _, value = line.partition(separator)
            if key.strip() == name:
                return value.strip()
    return "unknown"


def processor_s() -> tuple:
    """Seconds of all processors since the start: (in all, those that the host gave to other
    machines while we wanted to run)."""
    with open("/proc/stat", encoding="ascii") as file:
        ticks = [int(word) for word in file.readline().split()[1:9]]
    return tuple(n / os.sysconf("SC_CLK_TCK") for n in (sum(ticks), ticks[7]))


def versions(with_node: bool, systems: list) -> dict:
    found = {"PostgreSQL": first_line([PG_BIN / "postgres", "--version"]).split()[2],
             "Pawl": pawl()}
    if with_node:
        found["Node"] = first_line([NODE, "--version"]).lstrip("v")
        lock = json.loads((WORK / "peers" / "package-lock.json").read_text())
        for name in ("graphile-worker", "pg-boss", "pg"):
            found[name] = lock["packages"][f"node_modules/{name}"]["version"]
    if any(system.name == "PgQ" for system in systems):
        found["PgQ"] = first_line(["dpkg-query", "-W", "-f", "${Version}\n",
                                   "postgresql-15-pgq3"])
    return found


def pawl() -> str:
    version = first_line([PAWL, "version"])
    commit = first_line(["git", "-C", REPO, "rev-parse", "--short=10", "HEAD"])
    version = version.partition(" (")[0].removeprefix("pawl ")
    return f"{version} ({commit})" if commit else version


def first_line(command: list) -> str:
    try:
        done = subprocess.run(list(map(str, command)), text=True, capture_output=True)
    except OSError:
        return ""
    return done.stdout.partition("\n")[0] if done.returncode == 0 else ""


def load() -> float:
    """How many processes want to run, on average over a minute: a quiet machine's is
    small."""
    return round(os.getloadavg()[0], 2)
