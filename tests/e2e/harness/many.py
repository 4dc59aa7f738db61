"""The same work by many sessions at once, each with a connection of its own."""

import threading
import time


def in_sessions(db, parts, work):
    """work(connection, part) for each part, all at once; the seconds that it took."""
    errors = []
    ready = threading.Barrier(len(parts) + 1)

    def run(part):
        try:
            with db.connect() as connection:
                ready.wait(60)
                work(connection, part)
        except BaseException as error:
            ready.abort()
            errors.append(error)

    threads = [threading.Thread(target=run, args=(part,), daemon=True) for part in parts]
    for thread in threads:
        thread.start()
    ready.wait(60)
    since = time.monotonic()
    for thread in threads:
        thread.join(100)
        assert not thread.is_alive(), "a session has not ended"
    if errors:
        raise errors[0]
    return time.monotonic() - since
