"""Constrained decoding: which token may come next so that every assistant turn is well-formed."""
