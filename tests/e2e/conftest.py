"""Fixtures of the end-to-end tests.

cluster       one server for the session, without fsync: no test may crash it
still_cluster another one, without autovacuum
db            a fresh database in it, with the schema (or `module_db`: one per module)
template      what `db` is made from: a module may have all partitions (WHOLE)
base_cluster  copies of it are servers of a test's own
pawl          runs the built program against `db`
worker        starts `pawl work` against `db`
"""

import contextlib
import signal

import pytest
from harness.api import Api
from harness.base import Base
from harness.cluster import TEMPLATE
from harness.program import Worker, run_pawl

TEST_DEADLINE_S = 240  # four times what the longest takes on a busy machine


def pytest_configure(config):
    for line in (
        "kill: kills workers or servers at seeded random moments",
        "drain: stops workers in good order",
        "slow: takes more than ten seconds",
        "deadline(seconds): the test is ended after this time (240 s without it)",
    ):
        config.addinivalue_line("markers", line)


@pytest.fixture(autouse=True)
def test_deadline(request):
    """No test hangs: after its deadline it fails where it stands."""
    marker = request.node.get_closest_marker("deadline")
    seconds = marker.args[0] if marker else TEST_DEADLINE_S

    def expire(_number, _frame):
        raise TimeoutError(f"the test has not ended within {seconds} s")

    former = signal.signal(signal.SIGALRM, expire)
    signal.alarm(seconds)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, former)


@pytest.fixture(scope="session")
def base_cluster():
    return Base()


@pytest.fixture(scope="session")
def cluster(base_cluster):
    shared = base_cluster.copy(durable=False).start()
    yield shared
    shared.remove()


@pytest.fixture(scope="session")
def still_cluster(base_cluster):
    """Without autovacuum.  A module that cannot do with it makes this one its `cluster`."""
    still = base_cluster.copy(durable=False, settings={"autovacuum": "off"}).start()
    yield still
    still.remove()


@pytest.fixture(scope="module")
def template():
    return TEMPLATE


@pytest.fixture
def db(cluster, template):
    database = cluster.new_database(template)
    yield database
    database.drop()


@pytest.fixture(scope="module")
def module_db(cluster, template):
    """For modules of many small tests that do not see each other's jobs."""
    database = cluster.new_database(template)
    yield database
    database.drop()


@pytest.fixture
def api(db):
    """The SQL functions through one psycopg connection in autocommit."""
    with db.connect() as connection:
        yield Api(connection)


@pytest.fixture
def pawl(db):
    def run(*args, **options):
        return run_pawl(options.pop("database", db), *args, **options)

    return run


@pytest.fixture
def worker(db):
    """What is started by it and still runs when the test has ended is killed."""
    with contextlib.ExitStack() as started:

        def start(*args, **options):
            return started.enter_context(Worker(options.pop("database", db), *args, **options))

        yield start
