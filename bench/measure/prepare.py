"""The peers that run on Node, installed before the first measurement.

npm installs them from bench/peers/package-lock.json, which holds hashes and no
addresses: whatever registry npm is told to use has to deliver what was locked. Scripts
of packages are not run. Node itself is the package that npm's `node` would fetch for
this processor.
"""

import filecmp
import shutil
import subprocess
import sys

from .paths import BENCH, WORK

LOCKED = ("package.json", "package-lock.json")


def install_peers() -> None:
    """npm ci, unless what is locked is installed already."""
    there = WORK / "peers"
    there.mkdir(parents=True, exist_ok=True)
    stamp = there / "installed"
    same = stamp.exists() and all(
        (there / name).exists()
        and filecmp.cmp(BENCH / "peers" / name, there / name, shallow=False)
        for name in LOCKED)
    for path in (BENCH / "peers").iterdir():
        shutil.copy(path, there)
    if same:
        return
    stamp.unlink(missing_ok=True)
    print("bench: installing the peers from npm", file=sys.stderr, flush=True)
    done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
                          cwd=there, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise SystemExit(f"bench: npm could not install the peers:\n{done.stdout}")
    stamp.touch()
