"""The example variant-translation, as `make demo` runs it, without a terminal.

Guards against report 000: two jobs that store overlapping pairs deadlock, or hang on a
transaction that one of them keeps open while it computes; and against an example that
would not notice.
"""

import json
import re

import pytest
from harness.example import Runner

MEMBERS = ["example", "jobs", "succeeded", "pairs", "created", "existing", "deadlocks",
           "lock_timeouts", "longest_idle_in_transaction_ms", "digest"]

# As the report's authors had it: a transaction around the whole, in the caller's order.
NAIVE = '''#!/usr/bin/python3 -B
import json, os, sys, time
import psycopg
from alleles import PER_REQUEST, alleles, translate
score_set = json.load(sys.stdin)
created = 0
name = "pawl job " + os.environ["PAWL_JOB"]
with psycopg.connect(application_name=name) as session:
    for done, allele in enumerate(ORDER(alleles(score_set))):
        if done % PER_REQUEST == 0:
            time.sleep(REQUEST_S)
        created += session.execute(
            "INSERT INTO variant_translations VALUES (%s, %s) ON CONFLICT DO NOTHING",
            translate(allele)).rowcount
        if done % COMMIT_AFTER == 0:
            session.commit()
n = score_set["count"]
result = {"rows": n, "created": created, "existing": n - created}
os.write(3, json.dumps({"result": result}).encode() + b"\\n")
'''

pytestmark = pytest.mark.deadline(300)


@pytest.fixture
def runner():
    example = Runner("variant-translation")
    yield example
    example.remove()


def test_both_finish_and_the_counts_are_exact(runner):
    code, out, err = runner.run()
    assert code == 0, err
    last = json.loads(out.splitlines()[-1])
    assert list(last) == MEMBERS
    assert (last["jobs"], last["succeeded"]) == (2, 2)
    assert (last["pairs"], last["created"], last["existing"]) == (40000, 28000, 12000)
    assert (last["deadlocks"], last["lock_timeouts"]) == (0, 0)
    assert re.fullmatch("[0-9a-f]{64}", last["digest"])
    looked, found, longest = re.search(
        r"looked (\d+) times, every 10 ms; (\d+) times .* longest for ([\d.]+) ms", err).groups()
    print(f"looks {looked}, idle in transaction {found}, longest {longest} ms")
    assert int(looked) > 50
    assert "\033" not in out + err and "\r" not in err
    assert runner.left_over() == []


@pytest.mark.parametrize("changes, complaints", [
    # a transaction around the whole, from opposite ends: they meet in the middle; told
    # as a deadlock, or as the job that was tried again
    ({"ORDER": "list", "COMMIT_AFTER": "10**9", "REQUEST_S": "0.001"},
     "deadlocks|tried more than once"),
    # in one order, in short transactions, but open while the registry is asked
    ({"ORDER": "sorted", "COMMIT_AFTER": "PER_REQUEST // 2", "REQUEST_S": "0.03"},
     "a transaction was open while a job waited"),
])
def test_the_naive_handler_is_found_out(runner, tmp_path, changes, complaints):
    copied = runner.copy(tmp_path, "translate", "main()", "main()")
    text = NAIVE
    for word, value in changes.items():
        text = text.replace(word, value)
    (copied / "translate").write_text(text)
    code, _, err = runner.run("--pairs", 6000, example=copied)
    assert code == 1 and re.search(complaints, err.partition("\nfailed: ")[2]), err
    assert runner.left_over() == []
