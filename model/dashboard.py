"""Records -> TensorBoard, flushed after every epoch so that a killed run keeps all its finished ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from torch.utils.tensorboard import SummaryWriter

from model.training import Record


class Dashboard:
    """A context manager that writes a run's scalars into its folder.

    Args:
        run: the run's folder; TensorBoard is pointed at it or at its parent.
        resumed_after: the epoch that a resumed run goes on from: TensorBoard drops what was written beyond it.
    """

    def __init__(self, run: Path, resumed_after: int | None = None) -> None:
        self._writer = SummaryWriter(str(run), purge_step=None if resumed_after is None else resumed_after + 1)

    def __enter__(self) -> Dashboard:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._writer.close()

    def write(self, record: Record, worst_ratio: float | None = None, measures: Mapping[str, float] | None = None) -> None:
        """Add one epoch.

        Args:
            record: of the epoch.
            worst_ratio: the gradient check's largest error over what rounding explains, where one was made.
            measures: what else was measured, by tag: signs of a network that cannot learn.
        """
        scalars = {
            "loss/train": record.train.loss,
            "loss/test": record.test.loss,
            "accuracy/train": record.train.accuracy,
            "accuracy/test": record.test.accuracy,
            "optimizer/learning_rate": record.learning_rate,
        }
        scalars |= {f"gradient_norm/layer_{layer}": norm for layer, norm in record.gradient_norms.items()}
        if worst_ratio is not None:
            scalars["gradient_check/worst_ratio"] = worst_ratio
        scalars |= measures or {}
        for tag, value in scalars.items():
            self._writer.add_scalar(tag, value, record.epoch)
        self._writer.flush()
