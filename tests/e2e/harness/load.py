"""Enough jobs at any time, so that a fault always meets work in flight."""

from .wait import wait_until

RESERVE = 40  # jobs that have not begun, at the least
CHUNK = 100


class Load:
    def __init__(self, api, ledger, kind="work"):
        self.api = api
        self.ledger = ledger
        self.kind = kind
        self.jobs = api.push_some(CHUNK, kind=kind)

    def wait_more(self, n, said=str, deadline=30):
        """Until n more attempts have started, pushing what is needed for it; said()
        goes into the message of a failure."""
        started = len(self.ledger.runs())

        def reached():
            runs = len(self.ledger.runs())
            if len(self.jobs) - runs < RESERVE:
                self.jobs += self.api.push_some(CHUNK, kind=self.kind)
            return runs >= started + n

        wait_until(reached, deadline, lambda: f"{n} more attempts\n{said()}")
