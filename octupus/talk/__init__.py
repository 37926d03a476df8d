"""Talking to an endpoint in the terminal: `octupus chat`."""
