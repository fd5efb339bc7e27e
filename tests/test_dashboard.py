"""What TensorBoard shows: the tags that runs/README.md explains, one value a step, and no epoch
lost."""

import json
import re
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from backproof import train
from backproof.model.configuration import resolve
from backproof.model.dashboard import Dashboard, class_tags
from backproof.model.evaluation import Score
from backproof.model.run import start_run
from backproof.model.tensorboard.events import event_files, records
from backproof.model.training import Record

EPS = float(np.finfo(np.float32).eps)
README = Path(__file__).parents[1] / "runs" / "README.md"
ALL = {"scalars": 0, "images": 0, "histograms": 0, "tensors": 0}  # every event, none sampled away


def events(folder):
    """The run as TensorBoard reads it."""
    read = EventAccumulator(str(folder), size_guidance=ALL)
    read.Reload()
    return read


def scalars(folder):
    """{tag: {step: value}} of every event file, without what TensorBoard does about steps that come
    twice."""
    found = defaultdict(list)
    for path in event_files(folder):
        for _, data in records(path.read_bytes()):
            event = Event.FromString(data)
            for value in event.summary.value:
                if value.HasField("simple_value"):
                    found[value.tag].append((event.step, value.simple_value))
    assert all(len(dict(values)) == len(values) for values in found.values())
    return {tag: dict(values) for tag, values in found.items()}


def pages(folder):
    """Tags of everything but scalars."""
    tags = events(folder).Tags()
    hidden = {"custom_scalars__config__"} | {
        f"_hparams_/{name}" for name in ("experiment", "session_start_info", "session_end_info")
    }
    return {tag for kind in ("images", "histograms", "tensors") for tag in tags[kind]} - hidden


def record(epoch, norms=None):
    return Record(
        epoch, Score(0.5 / (epoch + 1), 0.75), Score(0.25, 0.625), 0.125, norms or {}, 0.5
    )


@pytest.fixture
def run(tmp_path):
    """A run on bars, before its first epoch, of two layers."""
    return start_run(
        resolve({"data": "bars", "hidden": [3], "epochs": 100}), tmp_path / "run", device="cpu"
    )


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """The folder of a whole run on digits, by the command line."""
    folder = tmp_path_factory.mktemp("runs") / "digits"
    assert train.main(["--run-dir", str(folder), "--epochs", "3"]) == 0
    return folder


def test_a_record_becomes_its_scalars(run):
    with Dashboard(run) as dashboard:
        dashboard.write(record(3, {1: 2.0, 2: 4.0}), 0.5, {"saturation/layer_1": 0.25})
    assert scalars(run.folder) == {
        "loss/train": {3: 0.125},
        "loss/test": {3: 0.25},
        "accuracy/train": {3: 0.75},
        "accuracy/test": {3: 0.625},
        "optimizer/learning_rate": {3: 0.125},
        "time/epoch_s": {3: 0.5},
        "gradient_norm/layer_1": {3: 2.0},
        "gradient_norm/layer_2": {3: 4.0},
        "update_ratio/layer_1": {3: 0.0},
        "update_ratio/layer_2": {3: 0.0},
        "gradient_check/worst_ratio": {3: 0.5},
        "saturation/layer_1": {3: 0.25},
    }


def test_the_update_ratio_is_how_far_the_epoch_moved_the_weights(run):
    W = run.training.network.W[1]
    before = W.detach().numpy().copy()
    with Dashboard(run) as dashboard:
        W.data *= 1.25  # moved by a quarter of their size
        dashboard.write(record(1, {1: 1.0}))
        W.data.zero_()
        dashboard.write(record(2, {1: 1.0}))
        dashboard.write(record(3, {1: 1.0}))  # from 0, which has no size: no ratio
    assert np.linalg.norm(before) > 0
    ratios = scalars(run.folder)["update_ratio/layer_1"]
    assert ratios.keys() == {1, 2}
    # a norm of 12 float32 entries has a relative error below 12 eps, and so has the difference's; a
    # ratio of the two below 32 eps
    assert ratios[1] == pytest.approx(0.25, rel=32 * EPS)
    assert ratios[2] == pytest.approx(1.0, rel=32 * EPS)


def test_no_check_is_no_value(run):
    with Dashboard(run) as dashboard:
        dashboard.write(record(1))
    assert "gradient_check/worst_ratio" not in scalars(run.folder)
    assert "read_me/verification" not in pages(run.folder)


def test_every_epoch_is_on_disk_before_the_next_begins(run):
    with Dashboard(run) as dashboard:
        for epoch in range(3):
            dashboard.write(record(epoch))
            assert scalars(run.folder)["loss/train"].keys() == set(range(epoch + 1))


def test_an_error_inside_still_closes_the_file(run):
    def interrupted():
        with Dashboard(run) as dashboard:
            dashboard.write(record(1))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert scalars(run.folder)["loss/train"] == {1: 0.25}


def test_a_resumed_run_drops_what_was_written_beyond_its_checkpoint(run):
    with Dashboard(run) as dashboard:
        for epoch in range(6):  # killed after epoch 5, when 3 was the last on disk
            dashboard.write(record(epoch), measures={"cancellation/layer_1": 0.5})
    run.resumed_after = 3
    with Dashboard(run) as dashboard:
        for epoch in (4, 5, 6):
            dashboard.write(record(epoch), 0.5)
    values = scalars(run.folder)
    assert values["loss/train"].keys() == set(range(7))
    assert values["gradient_check/worst_ratio"].keys() == {4, 5, 6}
    assert values["cancellation/layer_1"].keys() == {0, 1, 2, 3}
    assert [event.step for event in events(run.folder).Scalars("loss/train")] == list(range(7))


def test_what_takes_long_is_written_a_few_times_however_long_the_run(run):
    run.configuration = resolve({"data": "bars", "epochs": 20_000})
    with Dashboard(run) as dashboard:
        due = [epoch for epoch in range(20_001) if dashboard.due(epoch)]
    assert due == [0, *(2**k for k in range(15)), 20_000]


def test_the_tags_of_a_run_are_those_that_the_readme_explains(digits):
    rows = re.findall(r"^\| (`[a-z_]+/.*?) \|", README.read_text(), re.M)
    explained = {tag for row in rows for tag in re.findall(r"`([a-z_]+/\w+)`", row)}
    tags = scalars(digits).keys() | pages(digits)
    # of tables alone
    assert {re.sub(r"_\d+$", "_1", tag) for tag in tags} == explained - {"read_me/worst_mistakes"}
    assert all(tag == tag.lower() for tag in tags)


def test_every_number_has_a_value_at_every_epoch(digits, tmp_path):
    assert train.main(["--run-dir", str(tmp_path / "r"), "--epochs", "5", "--no-check"]) == 0
    steps = {tag: set(values) for tag, values in scalars(digits).items()}
    per_step = {tag for tag in steps if tag.split("/")[0] in ("gradient_norm", "update_ratio")}
    geometric = {
        tag
        for tag in steps
        if tag.split("/")[0] in ("saturation", "distinct_units", "cancellation", "output_spread")
    }
    assert all(steps[tag] == {1, 2, 3} for tag in per_step)
    assert all(steps[tag] == {0, 1, 2, 3} for tag in steps.keys() - per_step)
    long = {tag: set(values) for tag, values in scalars(tmp_path / "r").items()}
    assert all(long[tag] == {0, 1, 2, 4, 5} for tag in geometric)


def test_the_graph_is_there_and_leads_from_x_to_the_loss(digits):
    graph = events(digits).Graph()
    inputs = {node.name: list(node.input) for node in graph.node}
    assert all(source in inputs for sources in inputs.values() for source in sources)
    at, path = "cost/loss", []
    while inputs[at]:
        at = inputs[at][0]
        path.append(at)
    assert path == [
        "output/p",
        *(f"layer_{i}/{s}_{i}" for i, s in ((3, "z"), (2, "a"), (2, "z"), (1, "a"), (1, "z"))),
        "x",
    ]


def test_a_run_is_a_row_that_compares_it(digits):
    said = {}
    for _, data in records(event_files(digits)[0].read_bytes()):
        for value in Event.FromString(data).summary.value:
            if value.tag.startswith("_hparams_/"):
                said[value.tag] = HParamsPluginData.FromString(value.metadata.plugin_data.content)
    start, experiment = (
        said["_hparams_/session_start_info"].session_start_info,
        said["_hparams_/experiment"].experiment,
    )
    assert (
        start.hparams["lr"].number_value == json.loads((digits / "config.json").read_text())["lr"]
    )
    assert start.hparams["hidden"].string_value == "64-32"
    assert {info.name for info in experiment.hparam_infos} == start.hparams.keys()
    # shown unasked
    assert {info.name for info in experiment.hparam_infos if info.differs} >= {
        "lr",
        "hidden",
        "batch_size",
    }
    assert {info.name.tag for info in experiment.metric_infos} <= scalars(digits).keys()
    assert said["_hparams_/session_end_info"].session_end_info.status == 1  # success


def test_the_verification_is_a_table_of_every_quantity(digits):
    (first, *_) = events(digits).Tensors("read_me/verification")
    page = first.tensor_proto.string_val[0].decode()
    assert all(f"| {name} |" in page for name in ("dW[1]", "dW[3]", "db[2]", "da[1]", "losses"))
    assert "pass: " in page


def test_the_projector_finds_a_row_of_every_sample(digits):
    points = [
        line.split("\t")
        for line in (digits / "projector" / "activations.tsv").read_text().splitlines()
    ]
    samples = (digits / "projector" / "samples.tsv").read_text().splitlines()
    assert len(points) == len(samples) - 1 == 359  # every test sample; the names have a head
    assert {len(point) for point in points} == {32}
    assert all(0 <= float(number) <= 1 for point in points for number in point)
    assert samples[0].split("\t") == ["sample", "class", "said", "verdict"]
    for sample, true, told, verdict in (row.split("\t") for row in samples[1:]):
        assert (sample, verdict) == (
            (f"{true}, right", "right") if true == told else (f"{true}, said {told}", "wrong")
        )
    paths = re.findall(r'_path: "(.*?)"', (digits / "projector_config.pbtxt").read_text())
    assert len(paths) == 3
    assert all((digits / path).exists() for path in paths)


@pytest.mark.parametrize(
    "settings",
    [
        ["--hidden"],
        ["--init", "zeros", "--hidden", "2"],
        ["--output", "sigmoid", "--dtype", "float64"],
    ],
)
def test_every_kind_of_network_has_its_pages(tmp_path, settings):
    assert (
        train.main(["--data", "bars", "--run-dir", str(tmp_path / "r"), "--epochs", "2", *settings])
        == 0
    )
    assert pages(tmp_path / "r") >= {
        "pictures/first_layer",
        "precision_recall/class_horizontal",
        "activations/output",
    }


def test_a_table_has_its_mistakes_in_words(tmp_path):
    rows = ["a,b,kind"] + [f"{i % 7},{i % 5},{'x|y' if i % 2 else 'Z z'}" for i in range(40)]
    (tmp_path / "t.csv").write_text("\n".join(rows))
    assert (
        train.main(
            [
                "--data",
                str(tmp_path / "t.csv"),
                "--run-dir",
                str(tmp_path / "r"),
                "--epochs",
                "1",
                "--lr",
                "1e-9",
            ]
        )
        == 0
    )
    found = pages(tmp_path / "r")
    assert {
        "read_me/worst_mistakes",
        "precision_recall/class_x_y",
        "precision_recall/class_z_z",
    } <= found
    assert not found & {"pictures/first_layer", "pictures/worst_mistakes"}


def test_classes_of_one_name_keep_apart():
    assert class_tags(["A b", "a-B", "7", "é"]) == [
        "class_a_b_0",
        "class_a_b_1",
        "class_7",
        "class_3",
    ]
