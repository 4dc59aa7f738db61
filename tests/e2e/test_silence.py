"""A connection that stays open and says nothing more, and a server that nobody can ask.

The bug: a firewall forgets a connection, a server's machine is gone without a word, and
a program that waits for an answer waits for ever.  Every call ends in bounded time, and
what it says is true.

The bounds are those of the program (a statement's 30 s, and what its answer may need
longer), so all scenes are played at once: they wait, and need no processor.
"""

import subprocess
import threading
import time

import pytest
from harness import invariants
from harness.api import Api
from harness.ledger import Ledger
from harness.program import Worker, environment, program, run_pawl
from harness.proxy import CUT_ANSWER, SILENCE, Proxy, commit_of

BOUND_S = 50  # a statement's 30 s and its margin, and the asking afterwards
ROLES = ("claim", "settle", "keep", "upkeep", "log", "group")
AT_ONCE = ("claim", "group")  # send COMMIT with what it ends
TRUE_EXITS = {  # exit code: what may have been pushed
    0: {1}, 1: {0}, 4: {0}, 7: {0, 1}, 124: {0}}

pytestmark = pytest.mark.slow


class Scene(threading.Thread):
    """play() in a thread; what went wrong in it goes wrong in finish()."""

    def __init__(self):
        super().__init__(daemon=True)
        self.error = None

    def run(self):
        try:
            self.play()
        except BaseException as error:
            self.error = error

    def finish(self):
        self.join()
        if self.error is not None:
            raise self.error
        return self


class Push(Scene):
    """`pawl push` through a proxy with one fault; `kind` tells its job."""

    def __init__(self, db, kind, action, when, then_refuse=False, lines=0):
        super().__init__()
        self.db, self.kind, self.action, self.when = db, kind, action, when
        self.then_refuse = then_refuse
        self.words = ["--ndjson", "-"] if lines else [kind]
        self.input = f'{{"kind": "{kind}"}}\n' * lines

    def play(self):
        with Proxy(self.db) as proxy:

            def strikes(message):
                struck = message.application.startswith("pawl cli") and self.when(message)
                proxy.refuse = proxy.refuse or struck and self.then_refuse
                return struck

            fault = proxy.fault(self.action, strikes)
            began = time.monotonic()
            done = subprocess.run(
                [str(program()), "push", *self.words], input=self.input,
                env=environment(self.db, proxy.env()), capture_output=True, text=True,
                timeout=3 * BOUND_S, check=False)
            self.took_s = time.monotonic() - began
            self.struck = fault.struck.is_set()
            self.messages = proxy.count()
        self.exit, self.stdout, self.stderr = done.returncode, done.stdout, done.stderr

    def pushed(self):
        return self.db.value("SELECT count(*) FROM pawl.job WHERE kind = %s", [self.kind])


class SilentWorker(Scene):
    """A worker under load; one role's connection goes silent at its tenth message, or at a
    COMMIT that is sent with what it ends: the server has done the one and waits for the
    other, with all that it has locked."""

    def __init__(self, db, directory, role, at_commit=False):
        super().__init__()
        self.db, self.role, self.at_commit = db, role, at_commit
        self.ledger = Ledger(directory)

    def push(self, api, n):
        groups = {"group_keys": ["g"] * n} if self.role == "group" else {}
        return api.push_some(n, kind="work", **groups)

    def play(self):
        seen = []
        is_commit = commit_of(self.role)

        def tenth(message):
            if message.application.startswith(f"pawl {self.role}"):
                seen.append(message.number)
            if self.at_commit:
                return len(seen) >= 10 and is_commit(message)
            return len(seen) == 10

        handler = self.ledger.handler("echo hello; exec sleep 0.05")
        with Proxy(self.db) as proxy, self.db.connect() as connection:
            api = Api(connection)
            jobs = self.push(api, 40)
            fault = proxy.fault(SILENCE, tenth)
            with Worker(self.db, "-j", "2", "--lease", "1s", "--poll", "100ms",
                        env=proxy.env(), handlers={"work": handler}) as worker:
                assert fault.struck.wait(60), (self.role, worker.log())
                invariants.wait_finished(self.db, len(jobs), BOUND_S)
                jobs += self.push(api, 5)
                invariants.wait_finished(self.db, len(jobs), BOUND_S)
                assert worker.running(), worker.log()
                worker.kill()
        self.twice = invariants.check_outcomes(self.db, jobs, self.ledger)


def messages_of_a_push(db):
    """A slow machine may make them more."""
    with Proxy(db) as proxy:
        run_pawl(db, "push", "loud", env=proxy.env())
        return proxy.count()


@pytest.fixture(scope="module")
def scenes(cluster, tmp_path_factory):
    """All of them, begun."""
    db = cluster.new_database()
    messages = min(messages_of_a_push(db) for _ in range(3))
    assert messages >= 10
    begun = {("push", n): Push(db, f"silent{n}", SILENCE, lambda m, n=n: m.number == n)
             for n in range(messages)}
    begun["unasked"] = Push(db, "unasked", CUT_ANSWER, commit_of("cli push"), True)
    begun["lines"] = Push(db, "lines", CUT_ANSWER, commit_of("cli push"), True, lines=1500)
    for role in ROLES:
        begun[role] = SilentWorker(cluster.new_database(), tmp_path_factory.mktemp(role), role)
    for role in AT_ONCE:
        begun[f"{role}, COMMIT"] = SilentWorker(
            cluster.new_database(), tmp_path_factory.mktemp(role), role, at_commit=True)
    for scene in begun.values():
        scene.start()
    return begun


def test_silence_at_any_message_of_a_push(scenes):
    """From each message on in turn: bounded, and what the command says is true."""
    pushes = [scenes[key].finish() for key in scenes if key[0] == "push"]
    for number, push in enumerate(pushes):
        said = f"message {number}: exit {push.exit}, {push.pushed()} jobs, {push.stderr}"
        assert push.struck or push.messages <= number, said  # one may have fewer
        assert push.took_s < 2 * BOUND_S, (push.took_s, said)
        assert push.pushed() in TRUE_EXITS.get(push.exit, ()), said
    exits = {push.exit for push in pushes}
    assert exits & {0, 4}, exits


def test_push_that_cannot_ask(scenes):
    """The COMMIT was done, its answer lost, and nobody can be asked: exit 7, in bounded
    time, no id on stdout, and not a second job."""
    push = scenes["unasked"].finish()
    assert push.struck and push.exit == 7, (push.exit, push.stderr)
    assert push.took_s < BOUND_S
    assert push.stdout == "" and push.pushed() == 1


def test_lines_that_cannot_be_asked_for(scenes):
    """The same in a stream: it stops there, and says of which lines it does not know."""
    push = scenes["lines"].finish()
    assert push.struck and push.exit == 7, (push.exit, push.stderr)
    assert "Whether lines 1 to 1000 were pushed is not known" in push.stderr
    assert push.stdout == "" and push.pushed() == 1000


@pytest.mark.parametrize("role", [*ROLES, *(f"{role}, COMMIT" for role in AT_ONCE)])
def test_connection_of_a_worker_goes_silent(scenes, role):
    """One thread's alone, in mid-work: bounded, no job lost, none with two outcomes.
    The lease may be lost when it is the keeper's; with it what runs is interrupted,
    taken over as a crash, and run again."""
    scene = scenes[role].finish()
    print(f"{role}: ran twice: {scene.twice}")
