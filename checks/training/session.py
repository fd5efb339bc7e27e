"""A run from where it is to its last epoch: every gradient check, every look for symptoms, every
page of the dashboard and every save, in their order. What is shown of it is up to the caller.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass

from backproof.checks.learning.finding import Symptom
from backproof.checks.learning.findings_page import findings_page
from backproof.checks.learning.watch import Watcher
from backproof.checks.report.markdown import as_page
from backproof.checks.report.text import Report
from backproof.checks.training.checker import Checker
from backproof.model.dashboard import Dashboard
from backproof.model.device import answering_for, full_precision
from backproof.model.run import Run
from backproof.model.training import Record


@dataclass(frozen=True)
class Epoch:
    """What one epoch brought.

    Attributes:
        record: losses, accuracies and norms.
        symptoms: why it may not learn, as far as that was not said before.
        report: of the gradient check, where one was made.
        remarks: what is to be said of files of an earlier session.
    """

    record: Record
    symptoms: list[Symptom]
    report: Report | None
    remarks: list[str]


class Session:
    """Trains, checks and keeps a run.

    Args:
        run: new or resumed.
        every: epochs between gradient checks; 0 for none.
    Attributes:
        watcher: who looks for symptoms.
        checker: who checks gradients.
        wrong: whether a gradient was wrong, or the loss is no number any more.
    """

    def __init__(self, run: Run, every: int = 1) -> None:
        self.run = run
        self.watcher = Watcher(run.training, run.configuration.epochs)
        self.checker = Checker(run.training, every=every)
        self.wrong = False

    def epochs(self, records: Iterable[Record]) -> Generator[Epoch, None, None]:
        """Go through the run, and stop where something is wrong in any process.

        Args:
            records: of its training, one an epoch; the first is of the state as it is.
        """
        device = self.run.training.train.x.device.type
        with (
            full_precision(),
            answering_for(device, self.run.sizes),
            Dashboard(self.run) as dashboard,
        ):
            remarks = dashboard.remarks
            for record in records:
                symptoms = self.watcher.look(record)
                if record.diverged:
                    self.wrong = True
                    yield Epoch(record, symptoms, None, remarks)
                    return
                report = self.checker.look()
                if record.epoch != self.run.resumed_after:
                    self._draw(dashboard, record, report)
                self.run.keep(record)
                self.wrong = self.wrong or (report is not None and report.outcome == "fail")
                yield Epoch(record, symptoms, report, remarks)
                remarks = []
                if self.run.training.processes.any(self.wrong):
                    return

    def _draw(self, dashboard: Dashboard, record: Record, report: Report | None) -> None:
        worst = None
        page = None
        findings = None
        if dashboard.due(record.epoch):
            last = record.epoch == self.run.configuration.epochs
            symptoms = self.watcher.conclude(ended=last and not self.wrong)
            right = record.test.accuracy
            findings = findings_page(symptoms, record.epoch, right, self.watcher.baseline)
        if report is not None:
            worst = report.worst.ratio if report.worst else None
            if dashboard.due(record.epoch):
                page = as_page(report)
        dashboard.write(record, worst, self.watcher.measures, page, findings)

    def conclude(self, *, ended: bool = True) -> list[Symptom]:
        """The symptoms of the network as it is now; to be asked for once.

        Args:
            ended: whether nothing from outside stopped it before its last epoch.
        """
        symptoms = self.watcher.conclude(ended=ended and not self.wrong)
        self.wrong = self.wrong or any(symptom.name == "diverged" for symptom in symptoms)
        return symptoms
