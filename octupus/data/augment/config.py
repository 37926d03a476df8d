"""How much of the data is augmented, and in which ways."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import Field

from octupus.config import StrictModel

AugmentationName = Literal[
    "irrelevance", "name_masking", "distractors", "tool_order", "merge_calls", "missing_parameter"
]
AUGMENTATIONS: tuple[AugmentationName, ...] = get_args(AugmentationName)
"""In the order of their bits in `applicable`, and of their jobs in a plan."""


class AugmentConfig(StrictModel):
    """What is added to the kept rows: of each augmentation, the share of the applicable rows; 0 is off."""

    irrelevance: float = Field(default=0.0, ge=0, le=1)
    """The called tool is taken away and the assistant says that it has none for this."""
    name_masking: float = Field(default=0.0, ge=0, le=1)
    """Tools and arguments get names without meaning, so that descriptions must be read."""
    distractors: float = Field(default=0.0, ge=0, le=1)
    """Tools of other conversations are added, which the request has no use for."""
    tool_order: float = Field(default=0.0, ge=0, le=1)
    """The tools stand in another order."""
    merge_calls: float = Field(default=0.0, ge=0, le=1)
    """Two requests become one that is answered with parallel calls; two rows give one."""
    missing_parameter: float = Field(default=0.0, ge=0, le=1)
    """A required value is left out of the request; the assistant asks for it before it calls."""
    max_distractors: int = Field(default=6, ge=1, le=100)
    """The most tools that distractors adds to one conversation."""

    def ratio(self, name: AugmentationName) -> float:
        """The share that is asked for of one augmentation."""
        value: float = getattr(self, name)
        return value
