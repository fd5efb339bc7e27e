"""Everything of ours that a card would do, on one that is imitated; then the same with faults
planted, each of which must show.

    python tests/on_imitated_card.py
"""

import itertools
import sys
from unittest import mock

import torch
from imitated_card import CPU_GENERATOR, DEVICE, Card, Recording

from backproof import check_gradients
from backproof.checks.problem import standard
from backproof.checks.witnesses.verify import verify
from backproof.model import batches, optimizers
from backproof.model.backward import Backward
from backproof.model.batches import Batches
from backproof.model.evaluation import Samples
from backproof.model.network import MLP
from backproof.model.replay import Replay
from backproof.model.training import Settings, Training

HEADS = [
    {"output": output, "cost": cost}
    for output in ("softmax", "sigmoid")
    for cost in ("cross-entropy", "quadratic")
]
WAYS = (
    {},
    {"momentum": 0.9, "weight_decay": 0.1},
    {"optimizer": "adam"},
    {"backward": "autograd"},
)
SHAPES = ((1, 8), (24, 8), (41, 8))  # samples, and samples a batch


def trained(device, N, batch, epochs=4, look=False, **how):
    """Records, state and last gradients after epochs of blocks of three batches."""
    random = CPU_GENERATOR().manual_seed(0)
    x = torch.rand(N, 6, generator=random, dtype=torch.float64, device="cpu")
    y = torch.randint(4, (N,), generator=random, device="cpu")
    batches.BLOCK_BYTES[device] = 3 * min(N, batch) * 6 * 8
    samples = Samples(x.to(device), y.to(device))
    network = MLP((6, 5, 4), dtype=torch.float64, device=device)
    training = Training(network, samples, samples, Settings(batch, 0.3, **how))
    if device == DEVICE and training.settings.backward == "by-hand":
        training._run = Replay(
            training._steps,
            parameters=list(network.parameters()),
            aside=lambda run: run(),
            record=Recording,
        )
    records = []
    for record in training.fit(epochs):
        records.append((record.train, record.test, record.gradient_norms))
        if look:  # somebody's own backward pass leaves tensors of its own
            for parameter in network.parameters():
                parameter.grad = torch.zeros_like(parameter)
    arrays = training.state()[0]
    return records, {name: array.tobytes() for name, array in arrays.items()}


def check_trainings():
    for head, how, shape in itertools.product(HEADS, WAYS, SHAPES):
        with Card():
            card = trained(DEVICE, *shape, **head, **how)
        assert card == trained("cpu", *shape, **head, **how), (head, how, shape)


def check_gradients_after_replays():
    """Whoever looks after an epoch sees its last step's, whatever lay there before."""
    with Card():
        card = trained(DEVICE, 24, 8, look=True, momentum=0.5)
    assert card == trained("cpu", 24, 8, look=True, momentum=0.5)


def check_witnesses():
    with Card():
        for dtype, problem in itertools.product(("float64", "float32"), standard(3)):
            verdicts = verify(problem.rounded_to(dtype), device=DEVICE, dtype=dtype)
            assert all(verdict.outcome != "fail" for verdict in verdicts), problem.id
        w = torch.ones(5, device=DEVICE, requires_grad=True)
        assert check_gradients(lambda: w.sin().sum(), {"w": w}).outcome == "pass"


def check_default_device():
    """Somebody has said torch.set_default_device(card): first weights and checks stay the same."""
    expected = [W.tolist() for W in MLP((6, 5, 4), seed=3).W.values()]
    problem = next(iter(standard(1)))
    torch.set_default_device(DEVICE)
    try:
        with Card():
            for init in ("pytorch", "xavier", "normal", "row-constant", "constant", "zeros"):
                MLP((6, 5, 4), init=init, device=DEVICE)
            drawn = MLP((6, 5, 4), seed=3, device=DEVICE)
            assert [W.detach().cpu().tolist() for W in drawn.W.values()] == expected
            verdicts = verify(problem, device=DEVICE, dtype="float64")
            assert all(verdict.outcome != "fail" for verdict in verdicts)
            assert trained(DEVICE, 24, 8) == trained("cpu", 24, 8)
    finally:
        torch.set_default_device("cpu")


def outcome(where, name, change, N=41, **how):
    """What comes of a training with one method changed: an error, or other numbers."""
    expected = trained("cpu", N, 8, **how)
    try:
        with mock.patch.object(where, name, change), Card():
            came = trained(DEVICE, N, 8, **how)
    except RuntimeError as error:
        return str(error)
    return "the same" if came == expected else "other numbers"


at = Backward.at
step_by_hand = Training._step_by_hand
share = Batches.share
of_replay = Replay.__init__
adam = optimizers.Adam.step
sgd = optimizers.SGD.step


def look_while_recording(self, passes):
    step_by_hand(self, passes)
    float(self.network.W[1].sum())


def nothing_to_replay(self, steps, **how):
    of_replay(self, [lambda: None for _ in steps], **how)


def from_memory_that_is_freed(self):
    """The moments of the first steps are let go, as by an optimizer that makes new ones a step."""
    sgd(self)
    self._velocity = [[value.clone() for value in values] for values in self._velocity]


def without_gradients(self, steps, **how):
    of_replay(self, steps, **how | {"parameters": ()})


def count_in_python(self):
    """The number of steps is baked into the recording."""
    self.count = getattr(self, "count", 0) + 1
    adam(self)
    self._steps.fill_(self.count)


FAULTS = {
    "labels on the CPU": (
        Backward, "at", lambda self, x, y: at(self, x, y.cpu()), {}, "two devices",
    ),
    "samples on the CPU": (
        Backward, "at", lambda self, x, y: at(self, x.cpu(), y), {}, "two devices",
    ),
    "the last batch on the CPU": (
        Batches, "share", lambda self, rows: tuple(t.cpu() for t in share(self, rows)), {},
        "two devices",
    ),
    "a look while recording": (
        Training, "_step_by_hand", look_while_recording, {"momentum": 0.5}, "recorded",
    ),
    "a step that does nothing": (
        Replay, "__init__", nothing_to_replay, {"momentum": 0.5}, "other numbers",
    ),
    "gradients that stay where somebody else's lie": (
        Replay, "__init__", without_gradients, {"momentum": 0.5, "look": True, "N": 24},
        "other numbers",
    ),
    "memory that is freed": (
        optimizers.SGD, "step", from_memory_that_is_freed, {"momentum": 0.5}, "freed",
    ),
    "a count of steps in Python": (
        optimizers.Adam, "step", count_in_python, {"optimizer": "adam"}, "other numbers",
    ),
}  # fmt: skip


def main():
    torch.set_num_threads(1)
    check_trainings()
    check_gradients_after_replays()
    check_witnesses()
    check_default_device()
    for fault, (where, name, change, how, expected) in FAULTS.items():
        came = outcome(where, name, change, **how)
        assert expected in came, f"{fault}: {came}"
    print(f"passed; {len(FAULTS)} of {len(FAULTS)} planted faults caught")
    return 0


if __name__ == "__main__":
    sys.exit(main())
