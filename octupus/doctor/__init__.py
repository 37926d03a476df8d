"""`octupus doctor`: what on this machine, and on a cluster, differs from what octupus needs."""

from octupus.doctor.command import doctor

__all__ = ["doctor"]
