"""The workers of an example, some of which may be lost.

    fleet = Fleet(demo, database, "measure=./measure", executors=6, lease="2s")
    fleet.start(2)
    loss = fleet.lose_one(at_work, holds=4)   # SIGKILL; at_work() says when it may be
    loss = fleet.stop_one(at_work, holds=4)   # SIGSTOP, and SIGCONT when that is done
    worker = fleet.drain_one(at_work, holds=4)
    wait_until(lambda: fleet.ended() == len(jobs), ...)
    rows = read_jobs(database)
    show_table(*fleet.table(rows, loss))
"""

from psycopg.rows import namedtuple_row

from demo import Failure, wait_until

PATIENCE_S = 120


class Loss:
    """A worker that was killed or stopped: when, by the database's clock, and what it held."""

    def __init__(self, worker, lost_at, jobs):
        self.worker = worker
        self.lost_at = lost_at
        self.jobs = jobs

    def taken_over(self, rows):
        """The rows of the jobs that it held and another finished: all, or a Failure."""
        taken = [row for row in rows
                 if row.id in self.jobs and row.worker not in self.worker.ids]
        if len(taken) < len(self.jobs):
            raise Failure(f"of {len(self.jobs)} jobs that {self.worker.title()} held, "
                          f"{len(taken)} were taken over")
        return taken

    def recovery_ms(self, rows):
        """From just before the loss until the last of its jobs was claimed again."""
        last_claim = max(row.started_at for row in self.taken_over(rows))
        return round((last_claim - self.lost_at).total_seconds() * 1000)


class Fleet:
    """Worker processes with the same handlers."""

    def __init__(self, demo, database, *handlers, **options):
        self.demo = demo
        self.database = database
        self.handlers = handlers
        self.options = options
        self.workers = []

    def start(self, n=1):
        for _ in range(n):
            self.workers.append(self.demo.start_worker(*self.handlers, **self.options))

    def live(self):
        return [worker for worker in self.workers if worker.live()]

    def look(self):
        """Learn the workers' uuids; a Failure if one of them ended by itself."""
        for worker in self.live():
            if not worker.running():
                raise Failure(f"{worker.name} ended by itself")
            worker.look_up(self.database)

    def here(self):
        """Whether all of them have come to work."""
        self.look()
        return all(worker.ids for worker in self.live())

    # -- losing one --------------------------------------------------------------------

    def lose_one(self, at_work, holds):
        """Kill a worker that holds so many jobs, while at_work() answers true.

        What it holds is counted when its last statement has ended.  If that was a settle
        which left it fewer jobs, another worker takes its place and is next.
        """
        while True:
            victim = wait_until(lambda: at_work() and self.busy(holds), PATIENCE_S,
                                f"a worker to hold {holds} jobs")
            lost_at = self.clock()
            victim.kill()
            wait_until(lambda: not self.sessions(victim), PATIENCE_S,
                       "the sessions of the killed worker to end")
            jobs = self.held(victim)
            if len(jobs) >= holds:
                return Loss(victim, lost_at, jobs)
            self.start()

    def stop_one(self, at_work, holds):
        """Stop such a worker until others have done what it held, and let it go on.

        What it holds is counted when none of its statements runs any more.
        """
        while True:
            victim = wait_until(lambda: at_work() and self.busy(holds), PATIENCE_S,
                                f"a worker to hold {holds} jobs")
            lost_at = self.clock()
            victim.pause()
            wait_until(lambda: not self.sessions(victim, "active"), PATIENCE_S,
                       "the statements of the stopped worker to end")
            jobs = self.held(victim)
            if len(jobs) >= holds:
                break
            victim.resume()
        wait_until(lambda: at_work() and self.finished_by_others(victim) >= jobs, PATIENCE_S,
                   "the jobs of the stopped worker to be done by others")
        victim.resume()
        return Loss(victim, lost_at, jobs)

    def drain_one(self, at_work, holds):
        """Let such a worker end in good order; answers it."""
        worker = wait_until(lambda: at_work() and self.busy(holds), PATIENCE_S,
                            f"a worker to hold {holds} jobs")
        code = worker.drain()
        if code != 0 or self.held(worker):
            raise Failure(f"{worker.name} ended with {code} and {len(self.held(worker))} jobs")
        return worker

    def clock(self):
        (now,) = self.database.execute("SELECT clock_timestamp()").fetchone()
        return now

    def busy(self, holds):
        """A worker that holds so many jobs, when all have come to work; or None."""
        if not self.here():
            return None
        return next((w for w in self.live() if len(self.held(w)) >= holds), None)

    def held(self, worker):
        """The jobs that are running under a worker, as the database has it."""
        rows = self.database.execute("SELECT id FROM pawl.jobs WHERE state = 'running'"
                                     " AND worker = ANY (%s)", [list(worker.ids)])
        return {id for (id,) in rows}

    def finished_by_others(self, worker):
        rows = self.database.execute("SELECT id FROM pawl.jobs WHERE finished_at IS NOT NULL"
                                     " AND NOT worker = ANY (%s)", [list(worker.ids)])
        return {id for (id,) in rows}

    def sessions(self, worker, state="%"):
        """How many it has; their names end like the worker's."""
        name = f"pawl % %:{worker.process.pid}"
        rows = self.database.execute("SELECT FROM pg_stat_activity WHERE state LIKE %s"
                                     " AND application_name LIKE %s", [state, name])
        return rows.rowcount

    # -- what they have done -------------------------------------------------------------

    def ended(self):
        """How many jobs have ended; a Failure as soon as one did not succeed."""
        self.look()
        done, bad = self.database.execute(
            "SELECT count(*), min(id) FILTER (WHERE state <> 'succeeded')"
            " FROM pawl.jobs WHERE finished_at IS NOT NULL").fetchone()
        if bad is not None:
            raise Failure("job {} {}: {}".format(*self.database.execute(
                "SELECT id, state, error FROM pawl.jobs WHERE id = %s", [bad]).fetchone()))
        return done

    def table(self, rows, *losses):
        """Columns and rows for show_table: a line for each worker."""
        lines = [self.line(worker, rows, losses) for worker in self.workers]
        return ["worker", "jobs", "succeeded", "taken over", "rate"], lines

    def line(self, worker, rows, losses):
        own = [row for row in rows if row.worker in worker.ids]
        lost = set().union(*(loss.jobs for loss in losses))
        taken_over = [row for row in own if row.id in lost]
        unfinished = sum(len(loss.jobs) for loss in losses if worker is loss.worker)
        seconds = 0
        if own:
            began = min(row.started_at for row in own)
            seconds = (max(row.finished_at for row in own) - began).total_seconds()
        return [
            worker.title(),
            len(own) + unfinished,
            len(own),
            len(taken_over),
            f"{len(own) / seconds:.1f}/s" if seconds else "-",
        ]


def read_jobs(database):
    """All jobs, as the view of jobs has them, in the order of their ids."""
    cursor = database.cursor(row_factory=namedtuple_row)
    return cursor.execute("SELECT id, state, worker, started_at, finished_at, result,"
                          " error FROM pawl.jobs ORDER BY id").fetchall()
