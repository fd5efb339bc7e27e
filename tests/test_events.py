"""Event files: TensorBoard's own reader finds every record, and nothing that was cut off or
torn."""

import os

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.tensorflow_stub import pywrap_tensorflow

from backproof.model.tensorboard.crc32c import BLOCK, ROW, SHORT, crc32c
from backproof.model.tensorboard.events import EventFile, cut, event_files, records
from backproof.model.tensorboard.summaries import scalar


def steps(folder):
    """The epochs of the tag "a" as TensorBoard reads them."""
    read = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    read.Reload()
    return [event.step for event in read.Scalars("a")]


def write(folder, epochs, resumed_after=None):
    events = EventFile(folder, resumed_after)
    for epoch in epochs:
        events.write([scalar("a", 0.5)], epoch)
    events.close()
    return events.path


@pytest.mark.parametrize(
    ("data", "expected"),
    [(b"\0" * 32, 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43), (bytes(range(32)), 0x46DD794E)],
    ids=["zeros", "ones", "ascending"],
)
def test_check_sums_are_those_of_the_standard(data, expected):
    assert crc32c(data) == expected


@pytest.mark.parametrize(
    "length",
    [0, 1, SHORT - 1, SHORT, SHORT + 1, BLOCK * ROW, BLOCK * ROW + 1, 8 * 1024 + ROW, 50_001],
)
def test_check_sums_of_many_bytes_are_those_of_tensorboard(length):
    data = np.random.default_rng(length).bytes(length)
    assert crc32c(data) == pywrap_tensorflow.crc32c(data)


def test_tensorboard_reads_what_was_written(tmp_path):
    path = write(tmp_path, range(5))
    assert steps(tmp_path) == [0, 1, 2, 3, 4]
    assert len(list(records(path.read_bytes()))) == 6  # the version first


@pytest.mark.parametrize("lost", [1, 3, 4, 12, 20])
def test_a_torn_record_costs_no_other(tmp_path, lost):
    path = write(tmp_path, range(5))
    os.truncate(path, path.stat().st_size - lost)
    assert steps(tmp_path) == list(range(4))


def test_cutting_keeps_whole_epochs_up_to_one(tmp_path):
    path = write(tmp_path, range(5))
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:20])
    cut(path, after=2)
    assert steps(tmp_path) == [0, 1, 2]
    assert whole.startswith(path.read_bytes())


def test_sessions_of_one_second_are_read_in_their_order(tmp_path):
    paths = [write(tmp_path, range(4))]
    for resumed_after in (2, 4, 5):
        paths.append(write(tmp_path, range(resumed_after + 1, resumed_after + 3), resumed_after))
    assert event_files(tmp_path) == paths
    assert steps(tmp_path) == list(range(8))
