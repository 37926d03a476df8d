"""The tools that come with octupus: each module is a set of them, complete in one file, which works without a network.

A module's public functions are its tools. Money is in the state as whole cents; ids, dates and times are text.
"""
