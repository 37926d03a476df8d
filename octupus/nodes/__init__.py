"""What the machines of a cluster are, and whether they agree: asked before a job starts, and by `octupus doctor`."""
