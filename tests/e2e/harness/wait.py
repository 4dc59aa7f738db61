"""Waiting on a condition with a deadline: the only wait that tests have.

Nothing else in tests/ may sleep.  A test that waits for luck passes on a fast machine
and fails on a slow one, or passes without having seen anything.
"""

import time

POLL_S = 0.01  # short beside every time that a test asserts, long beside a query
LONGEST_S = 0.1  # of a pause after a look that took long
SHARE = 3  # a pause takes so many times what the look has taken


def wait_until(predicate, deadline=30.0, message="the condition"):
    """Call predicate until it is true, and answer what it returned.

    Raises AssertionError when `deadline` seconds have passed; the last answer is in
    the message, so that the failure tells what was seen instead.  message may be a
    function, called only then: what a worker has logged by that time, say.

    Looking takes a quarter of the time at the most: tests that wait must leave the
    machine to what they wait for.
    """
    end = time.monotonic() + deadline
    while True:
        began = time.monotonic()
        answer = predicate()
        if answer:
            return answer
        now = time.monotonic()
        if now >= end:
            what = message() if callable(message) else message
            raise AssertionError(f"waited {deadline} s for {what}; last answer: {answer!r}")
        time.sleep(min(max(POLL_S, SHARE * (now - began)), LONGEST_S))
