"""The whole line on one machine with a small model: what `octupus quickstart` runs."""
