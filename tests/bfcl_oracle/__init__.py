"""An OpenAI-compatible endpoint that answers BFCL v4's items from their own ground truth.

It stands where a model would stand, so that everything around the model can be judged: a harness run against it must
score 100 %, and with failures injected the evaluation must refuse the score. Nothing of the benchmark is stored here:
questions and answers are read from the `data` directory of an installed bfcl-eval.
"""

from tests.bfcl_oracle.failures import Failure, Kind, Selection
from tests.bfcl_oracle.server import oracle

__all__ = ["Failure", "Kind", "Selection", "oracle"]
