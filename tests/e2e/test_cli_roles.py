"""The commands as the roles that they are meant for, who own nothing."""

import pytest
from harness.program import COMMAND_DEADLINE_S, environment, run_pawl


@pytest.fixture
def as_role(cluster, db):
    """Run a command as a login role that is a member of one role of Pawl's."""
    made = []

    def run(role, *args, check=0):
        user = f"cli_{role}"
        if user not in made:
            db.execute(f"CREATE ROLE {user} LOGIN IN ROLE pawl_{role}")
            made.append(user)
        env = {"PGUSER": user}
        return run_pawl(db, *args, env=env, check=check, deadline=COMMAND_DEADLINE_S)

    assert "PGUSER" in environment(db)
    yield run
    for user in made:
        db.execute(f"DROP ROLE {user}")


def test_each_role_has_its_commands(as_role, api):
    """The bug: a command needs a privilege that its role does not have, and works for the
    superuser of the tests alone."""
    job = as_role("producer", "push", "k", "--in", "0").stdout.strip()
    as_role("reader", "job", "list")
    as_role("reader", "job", "list", "--state", "ready", "--kind", "k")
    assert "no worker handles" in as_role("reader", "job", "show", job).stdout
    as_role("reader", "job", "logs", job)
    as_role("reader", "job", "wait", job, "--timeout", "50ms", check=124)
    as_role("worker", "work", "-H", "k=true", "--once", "--poll", "50ms")
    assert api.state(int(job)) == "succeeded"


def test_what_a_role_may_not_do_is_said(as_role, api):
    """The bug: a missing privilege ends in a message that does not tell which."""
    job = api.push("k")
    for role, args in (
        ("reader", ("push", "k")),
        ("reader", ("job", "cancel", job)),
        ("worker", ("migrate", "up")),
        ("producer", ("work", "-H", "k=true")),
        ("reader", ("work", "-H", "k=true", "--once")),
        ("producer", ("job", "list")),
    ):
        result = as_role(role, *args, check=1)
        assert "(SQLSTATE 42501)" in result.stderr and "permission denied" in result.stderr
        assert "HINT:  " in result.stderr or args[0] == "migrate"
    assert api.state(job) == "ready"
    waits = as_role("producer", "push", "k", "--wait=1s", check=1)
    assert int(waits.stdout) > job and "pawl_reader looks and waits" in waits.stderr
