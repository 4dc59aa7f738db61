"""The systems that are measured: how each is set up, run, and asked what became of it.

A system has two programs, a pusher and a worker, which all take the same commands
(bench/pusher.c and bench/noop.c say which), and a statement that counts outcomes.
"""

import os
import subprocess
from dataclasses import dataclass, field

from .cluster import Cluster
from .names import FLOOR, LARGE_QUEUE, NODE_PEERS
from .paths import NODE, PAWL, PG_BIN, WORK

PAD = "x" * 79


@dataclass(frozen=True)
class System:
    name: str
    template: str            # the database that is copied for each turn
    push: list               # command of the pusher
    work: list               # command of the worker; its role is appended
    count: str               # (done or NULL where done jobs are deleted, left)
    table: str               # one that a reader with a snapshot reads
    last: list = field(default_factory=list)  # words that end the worker's command
    single: str = ""         # one push as an SQL statement, for pgbench
    until_empty: bool = False  # `once` instead of `until N`

    def once(self, jobs: int) -> list:
        """The command of a worker that drains so many jobs."""
        return self._worker(*(("once",) if self.until_empty else ("until", jobs)))

    def until(self, jobs: int) -> list:
        """Of one that leaves the others."""
        return self._worker("until", jobs)

    def steady(self, step: int, file="-") -> list:
        """Of one that runs until its stdin ends; says something after each step."""
        return self._worker(step, file)

    def _worker(self, *role) -> list:
        return [*self.work, *map(str, role), *self.last]


def peer(name: str, script: str, configuration: str, **rest) -> System:
    program = [NODE, WORK / "peers" / script]
    return System(name, template=f"{script.partition('.')[0]}_{configuration}",
                  push=[*program, "push", configuration], work=program,
                  last=[configuration], **rest)


ARGS = f'{{"n": 1, "pad": "{PAD}"}}'
PAWL_COUNT = """SELECT (SELECT count(*) FROM pawl.outcome WHERE state = 'succeeded'),
	(SELECT count(*) FROM pawl.ready) + (SELECT count(*) FROM pawl.running)"""
GRAPHILE_PUSH = f"SELECT graphile_worker.add_job('noop', '{ARGS}'::json)"
GRAPHILE = {
    "count": "SELECT NULL, count(*) FROM graphile_worker._private_jobs",
    "table": "graphile_worker._private_jobs",
}
PGBOSS = {
    "count": "SELECT count(*) FILTER (WHERE state = 'completed'),"
             " count(*) FILTER (WHERE state <> 'completed') FROM pgboss.job"
             " WHERE name IN ('noop', 'keyed')",
    "table": "pgboss.job",
}
SYSTEMS = [
    System("pawl", "pawl", [WORK / "pusher"], [WORK / "noop"], PAWL_COUNT, "pawl.ready",
           single=f"SELECT pawl.push('noop', '{ARGS}')", until_empty=True),
    peer("graphile-worker", "graphile.mjs", "best", single=GRAPHILE_PUSH, **GRAPHILE),
    peer(LARGE_QUEUE, "graphile.mjs", "large", **GRAPHILE),
    peer("pg-boss", "pgboss.mjs", "best", **PGBOSS),
    peer("pawl from Node", "pawl.mjs", "best", count=PAWL_COUNT, table="pawl.ready"),
    System("PgQ", "pgq", [WORK / "sqlpeer", "pgq", "push"], [WORK / "sqlpeer", "pgq"],
           "SELECT NULL, pending_events FROM pgq.get_consumer_info('noop', 'bench')",
           "pgq.tick", single=f"SELECT pgq.insert_event('noop', 'noop', '{ARGS}')"),
    System("pgmq", "pgmq", [WORK / "sqlpeer", "pgmq", "push"], [WORK / "sqlpeer", "pgmq"],
           "SELECT NULL, count(*) FROM pgmq.q_noop", "pgmq.q_noop",
           single=f"SELECT pgmq.send('noop', '{ARGS}'::jsonb)"),
    peer("graphile-worker (defaults)", "graphile.mjs", "default", **GRAPHILE),
    peer("pg-boss (defaults)", "pgboss.mjs", "default", **PGBOSS),
]
# What a push can be at best: the row, and its COMMIT.
ONE_ROW = System(FLOOR, "floor", [], [], "", "",
                 single=f"INSERT INTO bare (args) VALUES ('{ARGS}')")
NODE_SYSTEMS = (*NODE_PEERS, LARGE_QUEUE, "pawl from Node", "graphile-worker (defaults)",
                "pg-boss (defaults)")


def there_is(system: System) -> bool:
    """pgmq is a file that a user may supply; PgQ a package of Debian's."""
    if system.name == "pgmq":
        return bool(os.environ.get("PGMQ_SQL"))
    if system.name == "PgQ":
        done = subprocess.run([PG_BIN / "pg_config", "--sharedir"], check=True, text=True,
                              capture_output=True)
        return os.path.exists(f"{done.stdout.strip()}/extension/pgq.control")
    return True


def make_template(system: System, cluster: Cluster) -> None:
    """The system's schema, its queue and, where it has one, its consumer."""
    if cluster.has_database(system.template):
        return
    cluster.create(system.template)
    environment = cluster.environment(system.template)
    if system.template.startswith("pawl"):
        subprocess.run([PAWL, "migrate", "up", "--quiet"], env=environment, check=True)
    elif system.name in NODE_SYSTEMS:
        subprocess.run([*system.work, "setup", *system.last], env=environment, check=True)
    elif system.name == "pgmq":
        run_file(os.environ["PGMQ_SQL"], environment)
    for statement in STATEMENTS.get(system.template, ()):
        with cluster.connect(system.template) as db:
            db.execute(statement)


def run_file(path: str, environment: dict) -> None:
    subprocess.run([PG_BIN / "psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-f", path],
                   env=environment, check=True, stdout=subprocess.DEVNULL)


STATEMENTS = {
    "pgq": (
        "CREATE EXTENSION pgq",
        "SELECT pgq.create_queue('noop')",
        "SELECT pgq.register_consumer('noop', 'bench')",
        "SELECT pgq.set_queue_config('noop', 'ticker_max_lag', '100 milliseconds')",
        "SELECT pgq.set_queue_config('noop', 'ticker_idle_period', '100 milliseconds')",
    ),
    "pgmq": ("SELECT pgmq.create('noop')",),
    "floor": ("CREATE TABLE bare (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
              " pushed_at timestamptz NOT NULL DEFAULT clock_timestamp(),"
              " args jsonb NOT NULL)",),
}
