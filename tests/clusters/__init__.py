"""Tests of octupus.clusters."""
