"""What a statement costs, told by the server itself."""


def blocks(api, statement):
    """What one call touches, its functions' statements included; the second call of two.

    The first fills the session's caches of the catalogue.
    """
    for _ in range(2):
        with api.connection.transaction(force_rollback=True):
            row = api.one(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}")
    plan = row[0]["Plan"]
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
