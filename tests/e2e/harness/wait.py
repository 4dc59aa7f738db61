"""Waiting on a condition with a deadline: the only wait that tests have.

Nothing else in tests/ may sleep.  A test that waits for luck passes on a fast machine
and fails on a slow one, or passes without having seen anything.
"""

import time

POLL_S = 0.01  # short beside every time that a test asserts, long beside a query


def wait_until(predicate, deadline=10.0, message="the condition"):
    """Call predicate until it is true, and answer what it returned.

    Raises AssertionError when `deadline` seconds have passed; the last answer is in
    the message, so that the failure tells what was seen instead.  message may be a
    function, called only then: what a worker has logged by that time, say.
    """
    end = time.monotonic() + deadline
    while True:
        answer = predicate()
        if answer:
            return answer
        if time.monotonic() >= end:
            what = message() if callable(message) else message
            raise AssertionError(f"waited {deadline} s for {what}; last answer: {answer!r}")
        time.sleep(POLL_S)
