"""Which engine replica answers a request: the one that holds its prompt's beginning in the cache, unless it is busy."""
