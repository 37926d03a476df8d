"""Curves of long runs made short enough to draw, without losing what a person looks for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def thinned(steps: Floats, values: Floats, points: int) -> tuple[Floats, Floats]:
    """At most `points` points of a curve, in their order: the lowest and the highest of each of points/2 equal bins.

    So a spike of one step stays as high as it was. `steps` and `values` have shape (n,); points that are not finite
    are left out.
    """
    finite = np.isfinite(values)
    steps, values = steps[finite], values[finite]
    if len(values) <= points:
        return steps, values
    kept = []
    for members in np.array_split(np.arange(len(values)), points // 2):
        kept += sorted({members[values[members].argmin()], members[values[members].argmax()]})
    return steps[kept], values[kept]


def smoothed(values: Floats, width: int) -> Floats:
    """The mean of the `width` values around each value, of fewer at both ends; values must be finite."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    places = np.arange(len(values))
    first = np.maximum(places - width // 2, 0)
    end = np.minimum(places + (width + 1) // 2, len(values))
    return np.asarray((total[end] - total[first]) / (end - first))


def binned_means(values: Floats, bins: int) -> Floats:
    """The means of at most `bins` equal bins."""
    return np.array([part.mean() for part in np.array_split(values, min(bins, len(values)))])
