"""A run on an MLflow tracking server."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from typing import Any

from octupus.errors import TrainingError
from octupus.train.checkpoint.storage import Storage
from octupus.train.config import StageConfig
from octupus.train.watch.metrics import StepMetrics
from octupus.train.watch.tracking.tracker import parameters, scalars, without_credentials

RUN_FILE = "mlflow_run.json"
"""Keeps the run's id, so that a restart continues the same run."""
ENVIRONMENT = {
    # MLflow's own default of 7 waits more than four minutes for a server that is gone.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    # It prints the run's address with the user and password that MLFLOW_TRACKING_URI may hold.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""Settings of MLflow that hold where the environment does not set them."""


class MLflowServer:
    """Steps that come again after a restart are there twice, with the same values."""

    name = "mlflow"
    errors: tuple[type[Exception], ...]

    def __init__(self, config: StageConfig, storage: Storage, experiment: str) -> None:
        """Raises TrainingError when mlflow is not installed or its server is not named or not reached."""
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        try:
            from mlflow.entities import Metric
            from mlflow.exceptions import MlflowException
            from mlflow.tracking import MlflowClient
        except ImportError as error:
            raise TrainingError(
                "tracking.mlflow_experiment is set, but mlflow is not installed; pip install mlflow-skinny on every "
                "node, or leave tracking.mlflow_experiment out"
            ) from error
        if "MLFLOW_TRACKING_URI" not in os.environ:
            raise TrainingError("tracking.mlflow_experiment is set; set MLFLOW_TRACKING_URI too, where the workers run")
        # MLflow wraps what HTTP raises in MlflowException, the base of its own errors; what it does not wrap are
        # requests' exceptions, which are OSErrors.
        self.errors = (MlflowException, OSError)
        self._metric = Metric
        try:
            self._client = MlflowClient()
            self._run_id = self._continued(storage, experiment) or self._created(config, storage, experiment)
        except self.errors as error:
            raise TrainingError(
                f"cannot start tracking in MLflow: {without_credentials(str(error))}; "
                "check MLFLOW_TRACKING_URI, or leave tracking.mlflow_experiment out"
            ) from error

    def log(self, steps: Sequence[StepMetrics]) -> None:
        """Send steps in one request."""
        now = int(time.time() * 1000)
        values = [
            self._metric(name, value, now, metrics.step)
            for metrics in steps
            for name, value in scalars(metrics).items()
        ]
        self._client.log_batch(self._run_id, metrics=values)

    def close(self, failed: bool) -> None:
        """Mark the run as finished or failed."""
        self._client.set_terminated(self._run_id, "FAILED" if failed else "FINISHED")

    def _continued(self, storage: Storage, experiment: str) -> str | None:
        """The id of the run that is continued; None when there is none, or the server has none of that id."""
        content = storage.read(RUN_FILE)
        if content is None:
            return None
        run_id = str(json.loads(content)["run_id"])
        # A search, not get_run: it finds no deleted runs, and one that is missing is no error.
        found = self._client.search_runs([self._experiment_id(experiment)], f"attributes.run_id = '{run_id}'")
        if not found:
            return None
        self._client.update_run(run_id, status="RUNNING")
        return run_id

    def _created(self, config: StageConfig, storage: Storage, experiment: str) -> str:
        from mlflow.entities import Param

        run: Any = self._client.create_run(self._experiment_id(experiment), run_name=config.run.name)
        run_id = str(run.info.run_id)
        # Only here: MLflow refuses a parameter that changes, and a restart may have other workers.
        self._client.log_batch(run_id, params=[Param(name, value) for name, value in parameters(config).items()])
        storage.write(RUN_FILE, json.dumps({"run_id": run_id}).encode())
        return run_id

    def _experiment_id(self, name: str) -> str:
        found: Any = self._client.get_experiment_by_name(name)
        return str(self._client.create_experiment(name) if found is None else found.experiment_id)
