"""Work spread over processes of ours: results in the order of the items, a time limit around each,
and one that dies costs its own item alone."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from backproof.model.program import die_with_parent

if TYPE_CHECKING:
    Channel = Connection[Any, Any]
else:  # a class without parameters when it runs
    Channel = Connection
Item = TypeVar("Item")
Result = TypeVar("Result")
START_S = 120.0  # for a process to start Python and import what it needs
JOIN_S = 5.0  # for a process that has been killed to be gone


class Pool(Generic[Item, Result]):
    """Processes that work on items, and are ended with this, in any case.

    Args:
        work: what is done with an item, a function of a module; called in another process.
        lost: what stands for an item's result where its process died or took too long.
        deadline_s: how long one item may take.
    """

    def __init__(
        self,
        work: Callable[[Item], Result],
        lost: Callable[[Item, str], Result],
        deadline_s: float,
    ) -> None:
        self._work = work
        self._lost = lost
        self._deadline_s = deadline_s
        self._workers: list[_Worker] = []

    def results(self, items: Sequence[Item], workers: int) -> Iterator[Result]:
        """One an item, in order, each as soon as those before it are there."""
        waiting = deque(range(len(items)))
        done: dict[int, Result] = {}
        told = 0
        try:
            while told < len(items):
                self._employ(items, waiting, workers)
                for index, result in self._finished(items):
                    done[index] = result
                while told in done:
                    yield done.pop(told)
                    told += 1
        finally:
            for worker in self._workers:
                worker.end()
            self._workers.clear()

    def _employ(self, items: Sequence[Item], waiting: deque[int], workers: int) -> None:
        """Give an item to everybody who has none, and start somebody where one is missing."""
        idle = [worker for worker in self._workers if worker.index is None]
        while waiting and (idle or len(self._workers) < workers):
            if not idle:
                self._workers.append(_Worker(self._work))
                idle.append(self._workers[-1])
            index = waiting.popleft()
            idle.pop().take(index, items[index])

    def _finished(self, items: Sequence[Item]) -> Iterator[tuple[int, Result]]:
        """Wait until something happens, and say what came of which items."""
        busy = [worker for worker in self._workers if worker.index is not None]
        first = min(worker.until(self._deadline_s) for worker in busy)
        wait([worker.channel for worker in busy], max(0.0, first - time.monotonic()))
        for worker in busy:
            index = worker.index
            assert index is not None  # it is busy
            try:
                if worker.channel.poll():
                    for result in worker.results():
                        yield index, result
                    continue
                reason = "took too long"
                if time.monotonic() < worker.until(self._deadline_s):
                    continue
            except (EOFError, OSError):
                reason = "ended"
            self._workers.remove(worker)
            worker.end()
            yield index, self._lost(items[index], reason)


class _Worker:
    """One process, and the item that it works on, if any."""

    def __init__(self, work: Callable[[Any], Any]) -> None:
        context = multiprocessing.get_context("spawn")
        self.channel: Channel
        self.channel, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, work), daemon=True)
        with _deaf_to_interrupts():
            self._process.start()
        theirs.close()
        self.index: int | None = None
        self._since = 0.0
        self._has_started = False

    def until(self, deadline_s: float) -> float:
        """When its time is over, for its item or for starting."""
        if self._has_started:
            return self._since + deadline_s
        return self._since + START_S

    def take(self, index: int, item: object) -> None:
        """Begin with an item; a process that is gone is found out by who waits for it."""
        self.index = index
        self._since = time.monotonic()
        with suppress(OSError):
            self.channel.send(item)

    def results(self) -> list[Any]:
        """What it made of its item; nothing yet where it has only said that it has started, from
        when on its time is counted.

        Raises: EOFError or OSError if it is gone.
        """
        found: list[Any] = self.channel.recv()
        if not found:
            self._since = time.monotonic()
            self._has_started = True
            return []
        self.index = None
        return found

    def end(self) -> None:
        """At once, whatever it is doing."""
        self._process.kill()
        self._process.join(JOIN_S)
        self.channel.close()


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """A process that is started within this does not hear Ctrl-C, from its very beginning."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(channel: Channel, work: Callable[[Any], Any]) -> None:
    """What a process does: an empty list when it has started, then items in and lists of one
    result out, until nobody sends any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it ends it
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    parent = multiprocessing.parent_process()
    assert parent is not None  # this is started by _Worker alone
    die_with_parent(parent.pid)
    with suppress(EOFError, OSError):
        channel.send([])
        while True:
            channel.send([work(channel.recv())])
