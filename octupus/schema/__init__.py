"""JSON Schema: repair of foreign schemas, validation of instances, and which keywords a constraint can enforce."""
