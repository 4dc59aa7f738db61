"""Statements that a session has prepared: used, given up behind a pooler, never relied on.

The bug: a program that calls what it has prepared by name fails for ever, and not once,
when the session that knew it is another's, or when what it calls was replaced.
"""

from harness.pooler import Pooler
from harness.program import Worker
from harness.proxy import Proxy
from harness.wait import wait_until


def by_name(link, messages):
    """The texts that were called by name on the connection of this role."""
    return [sql for application, _, kind, sql in messages
            if kind == b"B" and sql and application.startswith(f"pawl {link}")]


def worked(api, worker, n):
    for _ in range(n):
        api.push("k")
        done = "SELECT count(*) FROM pawl.ready"
        wait_until(lambda: api.one(done) == 0, 20, worker.log)


def test_claims_are_prepared_once(db, api):
    """From the second claim on none is parsed again, nor what surrounds it."""
    with Proxy(db) as proxy, Worker(db, "-j", "1", "--poll", "100ms", env=proxy.env(),
                                    handlers={"k": "true"}) as worker:
        worked(api, worker, 3)
        wait_until(lambda: len(by_name("claim", list(proxy.messages))) > 12, 20, worker.log)
        seen = list(proxy.messages)
    texts = by_name("claim", seen)
    assert any("pawl.claim" in sql for sql in texts)
    assert any(sql.startswith("BEGIN") for sql in texts)
    assert "COMMIT" in texts
    parsed = [sql for application, _, kind, sql in seen if kind == b"P" and "pawl.claim" in sql]
    assert max(map(parsed.count, parsed)) <= 2, "one without a name, one with it"


def test_none_behind_a_pooler(cluster, db, api):
    """Red: there the session is somebody else's in the next transaction."""
    with Pooler(cluster) as pooler:
        behind = pooler.database(db)
        with Proxy(behind) as proxy, Worker(behind, "-j", "1", "--poll", "100ms",
                                            env=proxy.env(), handlers={"k": "true"}) as worker:
            worked(api, worker, 3)
            seen = list(proxy.messages)
            assert worker.drain() == 0, worker.log()
    assert by_name("claim", seen) == []


def test_what_was_prepared_is_replaced(db, api):
    """A migration gives claim_few a column of another type: PostgreSQL refuses the plan
    that the session has (0A000).  Nothing was done, and it is claimed all the same."""
    with Worker(db, "-j", "1", "--poll", "100ms", handlers={"k": "true"}) as worker:
        worked(api, worker, 3)
        source = api.one("SELECT pg_get_functiondef('pawl.claim_few'::regproc)")
        assert "stage text" in source
        source = source.replace("stage text", "stage varchar")
        with api.connection.transaction():
            api.connection.execute("DROP FUNCTION pawl.claim_few")
            api.connection.execute(source)
        api.push("k")
        wait_until(lambda: api.one("SELECT count(*) FROM pawl.ready") == 0, 20, worker.log)
        assert "cached plan must not change result type" in worker.log()
        assert worker.drain() == 0, worker.log()
