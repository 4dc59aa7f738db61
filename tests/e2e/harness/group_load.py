"""Groups: a ledger of who ran beside whom, jobs that write to a user's table, and what
must hold afterwards (I6): in a group job n+1 starts after job n is terminal.
"""

from collections import defaultdict

from psycopg.types.json import Jsonb

from . import invariants
from .ledger import Ledger, write_script
from .paths import BUILD
from .wait import wait_until

OBJECT = BUILD / "tests/e2e/handler_sql.so"
TABLE = """CREATE TABLE public.written (
    job bigint, fence bigint, grp text, pid int DEFAULT pg_backend_pid());
    GRANT ALL ON public.written TO PUBLIC"""
WRITE = """WITH w AS (INSERT INTO public.written (job, fence, grp)
    SELECT $1::bigint, $2::bigint, $4::text WHERE $3::int > 0 RETURNING 1)
    SELECT pg_sleep({}) FROM w"""


class GroupLedger(Ledger):
    """Two lines an attempt: "job fence group start" and, when it went well, "... end"."""

    def handler(self, then=":", before=":"):
        self._scripts += 1
        words = "$PAWL_JOB $PAWL_FENCE $PAWL_GROUP"
        return write_script(
            self.directory, f"{self.path.name}-handler-{self._scripts}",
            f'set -eu\n{before}\necho "{words} start" >>{self.path}\n{then}\n'
            f'echo "{words} end" >>{self.path}')

    def lines(self):
        """[(job, fence, group, word)]"""
        found = []
        for line in self.path.read_text(encoding="ascii").splitlines():
            job, fence, group, word = line.split()
            found.append((int(job), int(fence), group, word))
        return found

    def runs(self):
        return [(job, fence) for job, fence, _, word in self.lines() if word == "start"]


def skip_failed(api):
    """A job that was hit by three kills does not hold its group."""
    api.value("queue_set", queue="default", settings=Jsonb({"on_group_failure": "skip"}))


class Groups:
    """Jobs in groups, half of the groups run by a program that appends to the ledger
    ("work"), half by a function that writes to a table on the group's connection ("sql")."""

    def __init__(self, db, api, ledger, n=12, nap="0.03 + random() * 0.06"):
        self.db = db
        self.n = n
        self.api = api
        self.ledger = ledger
        self.write = WRITE.format(nap)
        db.execute(TABLE)
        skip_failed(api)
        self.work, self.sql = [], []  # ids

    def handlers(self, then="sleep 0.0$((3 + PAWL_JOB % 7))"):
        """Options of a worker."""
        return ["-H", f"work={self.ledger.handler(then)}", "-L", f"sql={OBJECT}"]

        self.push()

    def push(self):
        """Some jobs for each group."""
        for _ in range(3):
            for number in range(self.n // 2):
                self.work.append(self.api.push("work", group_key=f"work/{number}"))
                self.sql.append(self.api.push("sql", args=Jsonb(self.write),
                                              group_key=f"sql/{number}"))

    def feed(self):
        """Push more when a group has nothing that waits."""
        groups = self.db.value(
            "SELECT count(*) FROM (SELECT FROM pawl.waiting GROUP BY group_key) g")
        if groups < self.n:
            self.push()

    def at_work(self, fleet):
        """As at_work; every group has jobs, however long it takes to look."""
        self.feed()
        return at_work(self.db, fleet)

    def ended(self):
        return self.db.value("SELECT count(*) FROM pawl.outcome")

    def wait_more(self, n, said):
        """Until n more have ended; every group has jobs meanwhile."""
        before = self.ended()

        def reached():
            self.feed()
            return self.ended() >= before + n

        wait_until(reached, 30, lambda: f"{n} more to end\n{said()}")

    def finish(self, said):
        try:
            invariants.wait_finished(self.db, len(self.work) + len(self.sql), 60)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{said()}") from None

    def check(self, strict=True):
        """Everything that must hold at the end; answers the jobs that ran twice.

        strict: nothing of an attempt that was given up goes on beside the next.  (The
        handler of a worker that is stopped does: it may not write, but it runs.)
        """
        check_order(self.db)
        self.check_written()
        if strict:
            check_alone(self.ledger)
        return self.check_work()

    def check_work(self):
        twice = self.ledger.twice()
        check_failures(self.db)
        outcomes = dict(self.db.execute("SELECT job_id, fence FROM pawl.outcome"
                                        " WHERE state = 'succeeded'"))
        attempts = invariants.read_attempts(self.db)
        ran = defaultdict(list)
        for job, fence in self.ledger.runs():
            ran[job].append(fence)
        assert set(ran) <= set(self.work)
        for job in self.work:
            lost = {fence for _, fence, _ in attempts[job]}
            assert set(ran[job]) <= lost | {outcomes.get(job)}, (job, ran[job], attempts[job])
            assert job not in outcomes or outcomes[job] in ran[job]
        assert len(self.ledger.runs()) == len(set(self.ledger.runs())), "a claim ran twice"
        crashed = set(invariants.crashed(self.db))
        assert set(twice) <= crashed, "who ran twice has lost a worker"
        return twice

    def check_written(self):
        """The user's table has each job that succeeded once, by the claim that counts."""
        written = self.db.execute("SELECT job, fence FROM public.written ORDER BY 1, 2")
        wanted = self.db.execute(
            "SELECT job_id, fence FROM pawl.outcome WHERE state = 'succeeded'"
            " AND job_id = ANY (%s) ORDER BY 1", [self.sql])
        assert written == wanted


def check_failures(db):
    """None has failed but by as many crashes as it may have."""
    wrong = db.execute(
        "SELECT job_id FROM pawl.outcome o WHERE state <> 'succeeded' AND (SELECT count(*)"
        " FROM pawl.attempt a WHERE a.job_id = o.job_id AND category = 'crash') < %s",
        [invariants.MAX_CRASHES])
    assert wrong == [], f"failed without cause: {wrong}"


def check_order(db):
    """By the database's clock: no attempt of a job began before the one before it in its
    group was terminal."""
    assert db.value("""SELECT count(*) FROM pawl.job j JOIN pawl.outcome o ON o.job_id = j.id
        WHERE j.group_key IS NOT NULL""") > 0
    early = db.execute("""
        WITH began AS (
            SELECT job_id, started_at FROM pawl.outcome
            UNION ALL SELECT job_id, started_at FROM pawl.attempt),
        first AS (SELECT job_id, min(started_at) AS at FROM began GROUP BY 1),
        pairs AS (
            SELECT j.id, j.group_key, f.at, lag(j.id) OVER w AS before,
                lag(o.finished_at) OVER w AS over
            FROM pawl.job j JOIN first f ON f.job_id = j.id
                JOIN pawl.outcome o ON o.job_id = j.id
            WHERE j.group_key IS NOT NULL
            WINDOW w AS (PARTITION BY j.group_key ORDER BY j.id))
        SELECT * FROM pairs WHERE over > at""")
    assert early == [], f"began before the one before it had ended: {early[:5]}"


def check_alone(ledger):
    """By the ledger: in a group a job's lines come after those of the job before it, and
    between a start and its end nothing else starts."""
    groups = defaultdict(list)
    for job, fence, group, word in ledger.lines():
        groups[group].append((job, fence, word))
    assert groups, "nothing ran"
    for group, lines in groups.items():
        jobs = [job for job, _, _ in lines]
        assert jobs == sorted(jobs), f"{group}: out of order: {lines}"
        for at, (job, fence, word) in enumerate(lines):
            if word == "end":
                assert lines[at - 1] == (job, fence, "start"), f"{group}: not alone: {lines}"


def leases(db):
    """{group: (worker, token)} of the leases in force."""
    rows = db.execute("SELECT group_key, worker::text, token FROM pawl.group_lease"
                      " WHERE expires_at > clock_timestamp()")
    return {group: (worker, token) for group, worker, token in rows}


def at_work(db, fleet):
    """{process: its uuid} of those that have a job of a group running."""
    found = db.execute("SELECT DISTINCT w.name, w.id FROM pawl.worker w"
                       " JOIN pawl.running r ON r.worker = w.id WHERE r.traits & 4 > 0")
    pids = {int(name.rpartition(":")[2]): worker for name, worker in found}
    return {process: pids[process.pid] for process in fleet.workers if process.pid in pids}


def most_sessions(db):
    """Of any worker: how many connections it has."""
    return db.value(
        "SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM pg_stat_activity WHERE"
        " datname = current_database() AND application_name ~ '^pawl [a-z]+ [^ ]+:[0-9]+$'"
        " GROUP BY split_part(application_name, ' ', 3)) s")
