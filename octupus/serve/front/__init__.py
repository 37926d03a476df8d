"""HAProxy in front of Ray Serve: its environment, its configuration, and its life."""
