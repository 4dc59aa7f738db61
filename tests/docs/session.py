"""The shell in which the blocks of one page are run."""

import os
import pathlib
import select
import shlex
import signal
import subprocess

from harness.wait import wait_until

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DEADLINE_S = 240  # of a block: an example takes less than a minute, alone
END_S = 120  # of what runs in the background: a drain, and a server that shuts down
LOOP = 'set -eu; while IFS= read -r line <&"$0"; do eval "$line"; done'


# Commands that a page tells the reader to run and the test must not. Each looks whether
# the reader would succeed.
STAND_INS = {
    # what is to be installed exists, and is there already
    "apt-get": """#!/bin/sh
for word; do
	case $word in
		-* | update | install) ;;
		*) dpkg-query -W "$word" || exit 1 ;;
	esac
done
""",
    "sudo": '#!/bin/sh\nexec "$@"\n',
    # a clone is this tree
    "git": """#!/bin/sh
test "$1" = clone && ln -s {root} "${{3:-$(basename "$2" .git)}}"
""",
    # the suites do not run in themselves, and what is built is what is tested; of the
    # demo's pictures a part is enough here (make torture takes all of them)
    "make": """#!/bin/sh
case "$*" in
	"" | all | install) {pawl} version ;;
	check | bench | torture | clean) grep "^$1:" {root}/Makefile ;;
	demo) PAWL={pawl} {root}/examples/image-batch/run --pictures 60 ;;
	demo\\ EXAMPLE=*) PAWL={pawl} {root}/examples/${{2#*=}}/run ;;
	*) exit 1 ;;
esac
""",
}


def only(tree: pathlib.Path, pattern: str) -> pathlib.Path:
    (found,) = tree.rglob(pattern)
    return found


class Session:
    """A shell that lives as long as the page. What fails in it ends it.

    What was built is found where `make install` put it: tree has /usr/local below it.
    """

    def __init__(self, directory: pathlib.Path, tree: pathlib.Path, environment: dict):
        self.directory = directory
        pawl = only(tree, "bin/pawl")
        library = only(tree, "libpawl.so.0").parent
        programs = directory / ".bin"
        programs.mkdir()
        for name, text in STAND_INS.items():
            (programs / name).write_text(text.format(root=ROOT, pawl=pawl))
            (programs / name).chmod(0o755)
        commands, self.commands = os.pipe()
        self.answers, answer = os.pipe()
        self.answer = answer  # its number in the shell
        self.shell = subprocess.Popen(
            ["/bin/bash", "-c", LOOP, str(commands)], stdin=subprocess.DEVNULL,
            cwd=directory, pass_fds=(commands, answer), start_new_session=True,
            env=dict(environment, HOME=str(directory),
                     PATH=f"{programs}:{pawl.parent}:/usr/sbin:/usr/bin:/sbin:/bin",
                     LD_LIBRARY_PATH=str(library), PKG_CONFIG_SYSROOT_DIR=str(tree),
                     PKG_CONFIG_PATH=str(library / "pkgconfig")))
        self.life = os.pidfd_open(self.shell.pid)
        os.close(commands)
        os.close(answer)

    def run(self, command: str, log: pathlib.Path) -> bool:
        """Run a command in the shell; answer whether it went well."""
        end = "" if command.endswith("&") else ";"
        line = (f"{{ {command}{end} }} >{shlex.quote(str(log))} 2>&1; "
                f"echo >&{self.answer}\n")
        os.write(self.commands, line.encode())
        return self.has_answered()

    def has_answered(self) -> bool:
        """False when the shell has ended. What a block has left running keeps the pipe
        open, so that its end says nothing."""
        ready, _, _ = select.select([self.answers, self.life], [], [], DEADLINE_S)
        if not ready:
            raise TimeoutError(f"the block has not ended within {DEADLINE_S} s")
        return self.answers in ready and bool(os.read(self.answers, 1))

    def close(self) -> None:
        """End the shell and what its blocks have left running."""
        for descriptor in (self.commands, self.answers, self.life):
            os.close(descriptor)
        self.signal(signal.SIGTERM)
        self.shell.wait(DEADLINE_S)
        try:
            wait_until(lambda: not self.signal(0), END_S, "the page's processes to end")
        finally:
            self.signal(signal.SIGKILL)

    def signal(self, number: int) -> bool:
        """To the shell and all that it has started; False when nobody is left."""
        try:
            os.killpg(self.shell.pid, number)
        except ProcessLookupError:
            return False
        return True
