"""Names of systems and measurements: of who measures, who judges and who tells."""

NODE_PEERS = ("graphile-worker", "pg-boss")
# Not in graphile-worker's documentation; measured where it may be the faster one.
LARGE_QUEUE = "graphile-worker (queue of 5,000)"
FLOOR = "one-row INSERT"

SLICES = "slices"
SLICES_HELD = "slices, snapshot held"
# Before a writing transaction begins, while it stays open, and when it has ended.
WRITER_TO_COME = "slices, writer to come"
WRITER_OPEN = "slices, writer open"
WRITER_OVER = "slices, writer over"
