"""One job in one state, and the verbs that are tried on it: for test_transitions.py."""

from .api import Api, sqlstate
from .batches import Batch
from .grouped import Runner

TABLES = ("ready", "scheduled", "waiting", "running", "outcome", "attempt", "unique_key",
          "group_stop")
FOUND = " UNION ALL ".join(
    f"SELECT '{table}' AS place, t.xmin::text, to_jsonb(t) AS row FROM pawl.{table} t"
    " WHERE t.job_id = %(job)s" for table in TABLES)
# All that the cases have made, but for descriptions: the next one starts with no job that
# can move.
FORGET = "; ".join(
    f"DELETE FROM pawl.{table}" for table in (*TABLES, "group_lease", "batch_delta", "batch",
                                              "worker"))

KEYS = ("end", "start")

# Verbs that settle a claim: the function, and what it is given beside the claim.
ERROR = {"error": "it failed"}
SETTLES = {
    "complete": ("complete", {}),
    "fail with tries left": ("fail", ERROR),
    "fail, last try": ("fail", ERROR),
    "fail, retry => false": ("fail", {**ERROR, "retry": False}),
    "timeout": ("fail", {**ERROR, "category": "timeout"}),
    "snooze": ("snooze", {"delay": "1 hour"}),
    "release": ("release", {}),
    "fence": ("fence", {}),
}
PLURALS = {"error": "errors", "retry": "retries", "category": "categories", "delay": "delays"}
MANY = ", many"  # ends the name of a verb that is the same for many rows


class Case:
    """One job in one state, with the fence of the claim that brought it there.

    until: the job has a unique key until its "end" or "start", or is in a "batch" or in a
    "group", where another job stands behind it; crashes: before that claim.
    """

    def __init__(self, db, api, state, until, max_attempts=20, crashes=0):
        self.db, self.api, self.state = db, api, state
        key = {"unique_key": "k", "unique_until": until} if until in KEYS else {}
        self.batch = Batch(api, on_complete=None) if until == "batch" else None
        if self.batch:
            key["batch"] = self.batch.id
        self.group = Runner(api) if until == "group" else None
        if self.group:
            key["group_key"] = self.group.group
        self.job = api.push(max_attempts=max_attempts, **key)
        self.worker = self.group.worker if self.group else api.worker_start()
        self.behind = api.push(group_key=self.group.group) if self.group else None
        self.fence = self.claim_again().fence
        if crashes:
            api.query("UPDATE pawl.running SET tries = (0, 0, %s) RETURNING 1", [crashes])
        self.holder = None
        was, _, then = state.partition(", ")
        getattr(self, f"make_{was.replace(' ', '_')}")()
        if then:
            getattr(self, then.replace(" ", "_"))()

    def claim_again(self):
        return self.group.dispatch() if self.group else self.api.claim_one(self.worker)

    def make_ready(self):
        self.api.release(self.job, self.fence)

    make_waiting = make_ready

    def make_scheduled(self):
        self.api.snooze(self.job, self.fence, delay="-1 s")

    def make_running(self):
        pass

    def make_running_again(self):
        self.api.release(self.job, self.fence)
        self.claim_again()

    def make_fenced(self):
        self.holder = self.db.connect(autocommit=False)
        Api(self.holder).fence(self.job, self.fence)

    def make_succeeded(self):
        self.api.complete(self.job, self.fence)

    def make_failed(self):
        self.api.fail(self.job, self.fence, retry=False)

    def make_cancelled(self):
        self.api.cancel(self.job)

    def its_key_taken(self):
        """By a job that no verb of these moves."""
        self.api.push(unique_key="k", run_at="infinity")

    def its_batch_done(self):
        assert self.batch.seal() in ("succeeded", "failed")

    def end(self):
        if self.holder is not None:
            self.holder.close()
        self.api.connection.execute(FORGET)

    # -- the verbs: each answers what the function answered --------------------

    def settle(self, function, **named):
        return self.api.value(function, job=self.job, fence=self.fence, **named)

    def settle_many(self, function, **named):
        """The claim twice, and between them one that nobody has: what is told of the claim."""
        arrays = {PLURALS[name]: [value] * 3 for name, value in named.items()}
        rows = self.api.rows(f"{function}_many", jobs=[self.job, 0, self.job],
                             fences=[self.fence, 0, self.fence], **arrays)
        answer, nobodys, again = (row.answer for row in rows)
        assert nobodys == "stale" and again == answer
        return answer

    def claim(self, n=1):
        return [row.job for row in self.api.claim(self.api.worker_start(), n)]

    def cancel(self):
        return self.api.cancel(self.job)

    def retry(self):
        return self.api.retry(self.job)

    def retry_many(self):
        (row,) = self.api.rows("retry_many", jobs=[self.job])
        return row.was, row.done

    def recover(self):
        self.api.end_lease(self.worker)
        return self.api.value("recover")

    def promote(self):
        return self.api.value("promote")

    def worker_stop(self):
        return self.api.value("worker_stop", worker=self.worker)

    def take_over(self):
        """Another worker becomes the owner of the group."""
        self.api.query("UPDATE pawl.group_lease SET expires_at = clock_timestamp() RETURNING 1")
        self.group = Runner(self.api)
        return "held" if self.group.take() is None else "taken"

    def do(self, verb):
        """Run the verb; its answer, or the SQLSTATE that it failed with."""
        single = verb.removesuffix(MANY)
        if single in SETTLES:
            function, named = SETTLES[single]
            run = self.settle if verb == single else self.settle_many
            arguments = [function]
        else:
            run, named, arguments = {
                "claim, many": (self.claim, {}, [10]),
                "retry, many": (self.retry_many, {}, []),
            }.get(verb) or (getattr(self, verb.partition(", ")[0].replace(" ", "_")), {}, [])
        answer = []
        state = sqlstate(lambda: answer.append(run(*arguments, **named)))
        return state or answer[0]

    # -- what is there ------------------------------------------------------------

    def group_goes_on(self):
        """What a dispatch says now, by whoever can own the group."""
        if sqlstate(self.api.rows, "heartbeat", worker=self.worker):
            self.group = Runner(self.api)
        row = self.group.ask()[0]
        return {self.job: "head", self.behind: "next"}.get(row.job, row.answer)

    def rows(self):
        """Every row of every table that tells of the job, with the transaction that wrote it."""
        found = {table: [] for table in TABLES}
        for row in self.api.query(FOUND, {"job": self.job}):
            found[row.place].append((row.xmin, row.row))
        return found
