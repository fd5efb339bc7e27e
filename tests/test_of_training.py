"""Gradients of live networks and of runs on disk are checked on their own weights and data."""

import json

import numpy as np
import pytest
import torch

from backproof.checks.__main__ import main
from backproof.checks.training.checker import Checker, check_network, samples_for
from backproof.checks.training.of_run import problems_of_run, symptoms_of_run
from backproof.model.command_line import BadInput
from backproof.model.configuration import resolve
from backproof.model.data import load
from backproof.model.evaluation import Samples
from backproof.model.network import MLP
from backproof.model.run import start_run
from backproof.model.training import Settings, Training


def training(dtype=torch.float32, **settings):
    generator = np.random.default_rng(0)
    x = torch.from_numpy(generator.normal(size=(40, 5))).to(dtype)
    y = torch.from_numpy(generator.integers(3, size=40))
    samples = Samples(x, y)
    return Training(
        MLP((5, 7, 3), dtype=dtype),
        samples,
        samples,
        Settings(batch_size=8, learning_rate=0.5, **settings),
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "head",
    [("softmax", "cross-entropy"), ("softmax", "quadratic"), ("sigmoid", "quadratic")],
    ids="+".join,
)
def test_every_parameter_is_checked_in_the_training_precision(dtype, head):
    live = training(dtype, output=head[0], cost=head[1])
    report = check_network(
        live.network, live.next_batch(), output=head[0], cost=head[1], name="now"
    )
    assert (report.outcome, report.gradients) == ("pass", 5 * 7 + 7 + 7 * 3 + 3)
    assert report.dtype == str(dtype).removeprefix("torch.")
    assert {verdict.quantity for verdict in report.verdicts} >= {"dW[1]", "db[1]", "dW[2]", "db[2]"}


def test_checking_changes_nothing():
    live = training()
    live.step(*vars(live.next_batch()).values())
    gradients = [parameter.grad.clone() for parameter in live.network.parameters()]
    before = {name: tensor.clone() for name, tensor in live.network.state_dict().items()}
    check_network(
        live.network, live.next_batch(), output="softmax", cost="cross-entropy", name="now"
    )
    assert all(
        torch.equal(tensor, before[name]) for name, tensor in live.network.state_dict().items()
    )
    assert all(
        torch.equal(p.grad, gradient)
        for p, gradient in zip(live.network.parameters(), gradients, strict=True)
    )


def test_checker_looks_every_so_many_epochs_and_sums_up():
    live = training()
    checker = Checker(live, every=2)
    seen = [checker.look() is not None for _ in live.fit(4)]
    assert seen == [True, False, True, False, True]
    summary = checker.summary()
    assert (summary["verdict"], summary["parameters"], checker.checks) == ("pass", 66, 3)
    assert 0 < summary["worst_ratio"] < 1


def test_checker_that_never_looks_has_nothing_to_sum_up():
    checker = Checker(training(), every=0)
    assert checker.look() is None
    assert checker.summary() is None


def test_checker_fails_when_autograd_is_wrong(monkeypatch):
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, z):
            ctx.save_for_backward(z.sigmoid())
            return z.sigmoid()

        @staticmethod
        def backward(ctx, gradient):
            (a,) = ctx.saved_tensors
            return gradient * a  # 1 - a forgotten

    monkeypatch.setattr(torch.nn.Sigmoid, "forward", lambda self, z: Wrong.apply(z))
    live = training()
    checker = Checker(live, every=1)
    report = checker.look()
    assert report.outcome == "fail"
    assert report.failures[0].quantity == "dz[1]"
    assert checker.summary()["verdict"] == "fail"


def test_problems_of_a_run_have_its_weights_and_data(tmp_path):
    run = start_run(resolve({"data": "bars", "epochs": 1}), tmp_path / "run", device="cpu")
    for record in run.training.fit(1):
        run.keep(record)
    run.write()
    (problem,) = problems_of_run(run.folder, count=1, batch=3, seed=0)
    assert (problem.W[1] == run.training.network.W[1].detach().numpy()).all()
    rows = {tuple(row) for row in load("bars").x}
    assert len(problem.y) == 3
    assert {tuple(row) for row in problem.x} <= rows


def test_problems_of_something_that_is_no_run_are_refused(tmp_path):
    with pytest.raises(BadInput, match="expected the folder of a run"):
        problems_of_run(tmp_path, count=1, batch=3, seed=0)


def test_symptoms_of_a_run_are_those_of_its_network(tmp_path, capsys):
    settings = {"data": "bars", "hidden": [6], "init": "row-constant", "epochs": 1}
    run = start_run(resolve(settings), tmp_path / "run", device="cpu")
    for record in run.training.fit(1):
        run.keep(record)
    run.write()
    assert "input-blind" in {symptom.name for symptom in symptoms_of_run(run.folder)}
    assert main(["--run", str(run.folder), "--problems", "1"]) == 0
    assert capsys.readouterr().out.startswith(
        "symptom input-blind: layer 1 cannot tell its inputs apart"
    )
    assert main(["--run", str(run.folder), "--problems", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["symptoms"][0]["where"] == "layer 1"


@pytest.mark.parametrize(
    ("sizes", "samples"),
    [((784, 100, 10), 16), ((64, 64, 32, 10), 16), ((784, 512, 256, 10), 2), ((4, 200, 300, 3), 3)],
)
def test_wide_networks_are_checked_on_fewer_samples(sizes, samples):
    assert samples_for(sizes) == samples
