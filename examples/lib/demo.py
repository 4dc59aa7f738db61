"""What the examples share: a private PostgreSQL, processes, progress, the last line.

    with Demo("image-batch") as demo:
        demo.start()                                  # pawl up --no-work
        worker = demo.start_worker("measure=./measure", executors=6)
        ...
        demo.finish(jobs=742, succeeded=742)          # the last line of stdout

An example talks on stderr; stdout has its table and, last, one JSON object.  What a
Demo has started ends when its block is left: at the end, on an error, on Ctrl-C, and
(the kernel sees to it) when the example itself is killed.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg

REPOSITORY = Path(__file__).resolve().parents[2]
VARIABLES = {"host": "PGHOST", "port": "PGPORT", "dbname": "PGDATABASE",
             "user": "PGUSER"}
CONFLICTS = {"deadlocks": "deadlock detected", "lock_timeouts": "due to lock timeout"}
IDLERS = {"sessions that were idle in a transaction": "idle-in-transaction timeout"}
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
POLL_S = 0.02  # between two looks at a condition; longer after a look that took long
START_S = 120  # initdb and the schema, on a slow disk
STOP_S = 30    # a drain, and a checkpoint


class Failure(Exception):
    """The example did not do what it must; the text is for people."""


def wait_until(condition, seconds, what):
    """Call condition until it answers something true, and answer that.

    The pauses are three times as long as the looks: the machine is the workers'.
    """
    end = time.monotonic() + seconds
    while True:
        began = time.monotonic()
        answer = condition()
        if answer:
            return answer
        now = time.monotonic()
        if now > end:
            raise Failure(f"waited {seconds} s for {what}")
        time.sleep(max(POLL_S, 3 * (now - began)))


def program():
    """The program: $PAWL, else the one that was built here, else an installed one."""
    built = REPOSITORY / "build" / "src" / "cli" / "pawl"
    for path in (os.environ.get("PAWL"), built, shutil.which("pawl")):
        if path and os.access(path, os.X_OK):
            return str(path)
    raise Failure('there is no program "pawl": run "make" first')


def real_psql():
    """Where the newest psql is, for the handlers to find it first.

    Debian's own is a script that looks for it, which takes several times as long as what
    a handler does with it.
    """
    places = Path("/usr/lib/postgresql").glob("*/bin/psql")
    return [str(path.parent) for path in sorted(places, key=lambda p: float(p.parts[4]))[-1:]]


class Demo:
    """One run of an example, in a directory of its own that goes with it."""

    def __init__(self, name):
        self.name = name
        self.pawl_program = None
        self.directory = None
        self.environment = dict(os.environ)
        self.children = []  # in the order of their start
        self.starting = False  # a child that is not among them yet
        self.asked = None  # to leave, meanwhile

    def __enter__(self):
        for number in SIGNALS:
            signal.signal(number, self.leave)
        self.pawl_program = program()
        self.environment["PAWL"] = self.pawl_program  # for programs of the example's own
        self.environment["PATH"] = ":".join([*real_psql(), self.environment["PATH"]])
        self.directory = Path(tempfile.mkdtemp(prefix="pawl-demo-"))
        self.directory.chmod(0o755)  # the server may run as another user
        return self

    def __exit__(self, kind, value, trace):
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # asked once is enough
        for child in reversed(self.children):
            child.stop()
        if isinstance(value, Exception):
            self.show_logs()
        wait_until(self.remove, STOP_S, f"{self.directory} to be removed")

    def remove(self):
        """False while something that is ending still writes there (an initdb)."""
        shutil.rmtree(self.directory, ignore_errors=True)
        return not self.directory.exists()

    # -- what runs -----------------------------------------------------------------

    def start(self):
        """Start PostgreSQL, wait until it is there, and let all that follows use it."""
        data = self.directory / "postgresql"
        up = self.start_child("pawl up", "up", "--no-work", "-D", data)
        ready = wait_until(lambda: read_connection(up), START_S, "PostgreSQL to start")
        self.environment.update(ready)

    def start_worker(self, *handlers, objects=(), executors=4, groups=None, lease="30s"):
        """Start `pawl work` with handlers of the form KIND=COMMAND, or KIND=FILE.so."""
        options = [word for handler in handlers for word in ("-H", handler)]
        options += [word for file in objects for word in ("-L", file)]
        options += [] if groups is None else ["-g", groups]
        name = f"worker {sum(isinstance(c, Worker) for c in self.children) + 1}"
        return self.start_child(name, "work", "-j", executors, "--lease", lease,
                                *options, kind=Worker)

    def start_child(self, name, *arguments, kind=None):
        """Start the program `pawl` with these arguments."""
        return self.start_program(name, self.pawl_program, *arguments, kind=kind)

    def start_program(self, name, *command, kind=None):
        """Start a program of the example's own; it finds the database as psql does."""
        self.starting = True
        child = (kind or Child)(self, name, [str(word) for word in command])
        self.children.append(child)
        self.starting = False
        if self.asked is not None:
            self.leave(self.asked, None)
        return child

    def leave(self, number, _frame):
        """A signal: leave the block, but not between a child and our knowing of it."""
        if self.starting:
            self.asked = number
        elif number == signal.SIGINT:
            raise KeyboardInterrupt
        else:
            raise SystemExit(128 + number)

    def pawl(self, *arguments, input=None):
        """Run one command to its end; answer what it wrote on stdout."""
        result = subprocess.run([self.pawl_program, *map(str, arguments)], input=input,
                                stdout=subprocess.PIPE, text=True, env=self.environment)
        if result.returncode != 0:
            raise Failure(f"pawl {arguments[0]} ended with {result.returncode}")
        return result.stdout

    def compile(self, source):
        """A handler in C, as the shared object that a worker loads; answers its path."""
        target = self.directory / source.with_suffix(".so").name
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", "libpq"], text=True,
                               stdout=subprocess.PIPE, check=True).stdout.split()
        compiled = subprocess.run(["cc", "-O2", "-Wall", "-shared", "-fPIC", "-o", target,
                                   source, "-I", REPOSITORY / "include", *flags])
        if compiled.returncode != 0:
            raise Failure(f"could not compile {source.name}")
        return target

    def connect(self):
        """A connection of psycopg; each statement is a transaction of its own."""
        words = {word: self.environment[name] for word, name in VARIABLES.items()
                 if name in self.environment}
        return psycopg.connect(autocommit=True, **words)

    def conflicts(self):
        """Deadlocks and lock timeouts in the server's log: none, or a Failure."""
        self.check_log(CONFLICTS)
        return dict.fromkeys(CONFLICTS, 0)

    def check_log(self, mishaps):
        """A Failure if the server's log tells of one of them."""
        path = self.directory / "postgresql" / "log"
        log = path.read_text(encoding="utf-8", errors="replace")
        for name, words in mishaps.items():
            if words in log:
                raise Failure(f"the server's log has {log.count(words)} {name}")

    # -- what is told ----------------------------------------------------------------

    def show_logs(self):
        for child in self.children:
            for line in child.log().splitlines()[-10:]:
                print(f"{child.name}: {line}", file=sys.stderr)

    def finish(self, **results):
        """The last line of stdout; exit code 0 belongs to it."""
        print(json.dumps({"example": self.name, **results}), flush=True)


class Child:
    """A process of ours: `pawl up`, a worker, a program of the example's.

    It has a session of its own, so that Ctrl-C reaches us alone and we end things in
    order; setpriv lets the kernel end it if we are killed.
    """

    def __init__(self, demo, name, command):
        self.name = name
        self.log_path = demo.directory / f"{len(demo.children)}.log"
        ends_with_us = ["/usr/bin/setpriv", "--pdeathsig", "TERM", "--"]
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                ends_with_us + command, env=demo.environment, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True)

    def log(self):
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def running(self):
        return self.process.poll() is None

    def stop(self):
        """Ask it to end, and wait; kill it if it does not."""
        if self.running():
            self.process.terminate()
            self.process.send_signal(signal.SIGCONT)  # it may be stopped
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Worker(Child):
    """A worker process.  ids: its uuids; it gets a new one if it loses its lease.
    fates: what was done to it."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.ids = set()
        self.fates = []

    def live(self):
        """Whether it is meant to be there."""
        return "killed" not in self.fates and "drained" not in self.fates

    def title(self):
        return f"{self.name} ({', '.join(self.fates)})" if self.fates else self.name

    def look_up(self, database):
        """Learn its uuid from the view of workers; answer all that were seen."""
        rows = database.execute("SELECT id FROM pawl.workers WHERE name LIKE %s",
                                [f"%:{self.process.pid}"])
        self.ids.update(id for (id,) in rows)
        return self.ids

    def kill(self):
        """SIGKILL, as the machine's out-of-memory killer would."""
        self.process.kill()
        self.process.wait()
        self.fates.append("killed")

    def pause(self):
        """SIGSTOP, as a debugger, or a machine that is moved, would."""
        self.process.send_signal(signal.SIGSTOP)
        self.fates.append("stopped")

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def drain(self):
        """SIGTERM, as a new version's installation would; answers its exit code."""
        self.fates.append("drained")
        self.process.terminate()
        return self.process.wait(STOP_S + 30)


def read_connection(up):
    """What `pawl up` says when it is ready, as the PG* variables; None: not yet."""
    if not up.running():
        raise Failure(f"pawl up ended with {up.process.returncode}")
    for line in up.log().splitlines():
        if line.startswith("ready: "):
            words = psycopg.conninfo.conninfo_to_dict(line.removeprefix("ready: "))
            return {VARIABLES[word]: text for word, text in words.items()}
    return None


class Progress:
    """A bar on a terminal; elsewhere a line at each tenth."""

    WIDTH = 40

    def __init__(self, total, label):
        self.total = total
        self.label = label
        self.tenth = -1
        self.terminal = sys.stderr.isatty()

    def show(self, done, note=""):
        share = done / self.total if self.total else 1.0
        text = f"{self.label} {done}/{self.total} {note}".rstrip()
        if self.terminal:
            bar = "#" * int(share * self.WIDTH)
            end = "\n" if done >= self.total else ""
            sys.stderr.write(f"\r\033[K[{bar:<{self.WIDTH}}] {text}{end}")
            sys.stderr.flush()
        elif int(share * 10) > self.tenth:
            self.tenth = int(share * 10)
            say(text)

    def interrupt(self, text):
        """A line of its own; the bar goes on below it."""
        say(f"\r\033[K{text}" if self.terminal else text)


def say(text):
    print(text, file=sys.stderr, flush=True)


def show_table(columns, rows):
    """A table on stdout: the first column on the left, numbers on the right."""
    cells = [columns, *[[str(cell) for cell in row] for row in rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    for row in cells:
        first = row[0].ljust(widths[0])
        rest = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        print("  ".join([first, *rest]))


def run_example(main):
    """Call main(); a Failure is one line on stderr and exit code 1."""
    clear = "\r\033[K" if sys.stderr.isatty() else ""
    try:
        main()
    except Failure as failure:
        say(f"{clear}failed: {failure}")
        sys.exit(1)
    except KeyboardInterrupt:
        say(f"{clear}interrupted")
        sys.exit(130)
