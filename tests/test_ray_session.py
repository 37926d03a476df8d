from octupus.errors import OutputError
from octupus.ray_session import failure_reason


class WorkerGroupError(Exception):
    """Shaped like Ray Train's."""

    def __init__(self, failures: dict[int, Exception]) -> None:
        super().__init__("Training failed due to worker errors:\n<tracebacks>")
        self.worker_failures = failures


def test_an_error_of_octupus_is_the_cause_and_the_rest_its_consequence() -> None:
    failures = {0: RuntimeError("Connection closed by peer"), 1: OutputError("no space left on /tmp")}
    assert failure_reason(WorkerGroupError(failures)) == "no space left on /tmp"


def test_without_one_everything_is_said() -> None:
    assert "<tracebacks>" in failure_reason(WorkerGroupError({0: RuntimeError("segmentation fault")}))
