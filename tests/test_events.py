"""Event files: TensorBoard's own reader finds every record, and nothing that was cut off or
torn."""

import os
import struct

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.tensorflow_stub import pywrap_tensorflow

from backproof.model.tensorboard.events import Damaged, EventFile, event_files, records, shortened
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


def test_every_check_sum_is_the_one_that_tensorboard_computes(tmp_path):
    content = write(tmp_path, range(5)).read_bytes()
    at = 0
    for _, data in records(content):
        length, of_length = struct.unpack_from("<QI", content, at)
        (of_data,) = struct.unpack_from("<I", content, at + 12 + length)
        assert of_length == pywrap_tensorflow.masked_crc32c(struct.pack("<Q", length))
        assert of_data == pywrap_tensorflow.masked_crc32c(data)
        at += 16 + length
    assert at == len(content)


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
    assert shortened(path, after=2) == ""
    assert steps(tmp_path) == [0, 1, 2]
    assert whole.startswith(path.read_bytes())


def test_sessions_of_one_second_are_read_in_their_order(tmp_path):
    paths = [write(tmp_path, range(4))]
    for resumed_after in (2, 4, 5):
        paths.append(write(tmp_path, range(resumed_after + 1, resumed_after + 3), resumed_after))
    assert event_files(tmp_path) == paths
    assert steps(tmp_path) == list(range(8))


def test_every_flipped_bit_is_noticed_and_what_stands_before_it_is_kept(tmp_path):
    path = write(tmp_path, range(5))
    whole = path.read_bytes()
    starts = [at for at, _ in records(whole)]
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
        with pytest.raises(Damaged):
            list(records(path.read_bytes()))
        remark = shortened(path, after=4)
        assert remark.startswith(f"{path}: expected an event log that is whole, got a wrong check")
        assert path.read_bytes() == whole[: max(start for start in starts if start <= at)]
    assert len(list(tmp_path.glob("damaged-*.events"))) == len(whole)


def test_a_damaged_log_is_set_aside_and_the_run_goes_on(tmp_path):
    path = write(tmp_path, range(5))
    content = bytearray(path.read_bytes())
    content[-100] ^= 4
    path.write_bytes(content)
    write(tmp_path, range(5, 7), resumed_after=4)
    assert (tmp_path / "damaged-1.events").read_bytes() == content
    assert steps(tmp_path)[-2:] == [5, 6]
