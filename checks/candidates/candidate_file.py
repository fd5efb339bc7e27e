"""A candidate that is a Python file: loaded and asked in its process, its conventions translated,
its habits noted.

sandbox.py is the process, conventions.py the translation, answered_arrays.py what becomes of the
arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Protocol, runtime_checkable

from backproof.checks.candidates import own_form
from backproof.checks.candidates.answered_arrays import believed, implied, not_finite, together
from backproof.checks.candidates.candidate import Answer, Question
from backproof.checks.candidates.conventions import CONSTANTS, Conventions, NotAConvention
from backproof.checks.candidates.declared import read_constants, unread_constants
from backproof.checks.candidates.inside.frames import Arrays, Header
from backproof.checks.candidates.inside.recording import RECORDED, Recording, unpack
from backproof.checks.candidates.output import Output
from backproof.checks.candidates.sandbox import Ended, Sandbox
from backproof.checks.problem import Problem
from backproof.checks.quantities import Quantities, Quantity

# of NumPy's global generator, one further at each call: no number that somebody would choose
FIRST_SEED = 2**31


@runtime_checkable
class Process(Protocol):
    """Where a candidate's functions run: a sandbox, or this process itself.

    Attributes:
        path: of the file that defines them.
        text: of that file, as far as it is known.
        out: what they have printed so far.
    """

    path: Path
    text: str
    out: Output

    def call(self, header: Header, arrays: Arrays) -> tuple[Header, Arrays]:
        """One call of one function: what it returned, and what it did beside.

        Raises: Ended if the process did not survive it.
        """
        ...


class Unusable(Exception):
    """The file cannot be asked at all; the text says why in one sentence."""


@dataclass
class Habits:
    """What a candidate does beside answering, over all calls so far.

    Attributes:
        calls: how many there were.
        moves: whether some step returned something, or changed its arguments: it must do one of the
            two.
        changed: the arguments that it edited, such as "W[1]", and the function that did.
        random_states: the digests of NumPy's global generator that calls left behind, where they
            touched it.
        reseeds, seterr, folder: whether a call set that generator, NumPy's error handling, or the
            working folder, for everybody.
        taken: which names of Python or NumPy it gave another meaning, such as "NumPy's own exp".
        lists: whether it returned anything but arrays where arrays are due.
        processes: where it started a process.
        edits, may_edit: see Answer.
        unread: sentences on constants that nobody reads.
    """

    calls: int = 0
    moves: bool = False
    changed: dict[str, str] = field(default_factory=dict)
    random_states: set[int] = field(default_factory=set)
    reseeds: bool = False
    seterr: bool = False
    folder: bool = False
    taken: str = ""
    lists: bool = False
    processes: str = ""
    edits: str = ""
    may_edit: bool = True
    unread: Sequence[str] = ()


@dataclass(frozen=True)
class CandidateFile:
    """A file in its process: the Candidate of the command line."""

    sandbox: Process
    conventions: Conventions
    habits: Habits = field(default_factory=Habits)

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """One answer a question, in that order."""
        return [self._one(question) for question in questions]

    def under(self, conventions: Conventions) -> CandidateFile:
        """The same process, asked under other conventions than those that the file declares."""
        return replace(self, conventions=conventions)

    def record(self, question: Question) -> tuple[Answer, Recording | None]:
        """One call as in `ask`, with its lines recorded; None where the process did not survive it.

        The question has as many samples as one call may have.
        """
        found: list[Recording] = []
        answer = self._call(question, found)
        return answer, found[0] if found else None

    def _one(self, question: Question) -> Answer:
        """As many calls as its batch needs, put together."""
        N = len(question.problem.y)
        batch = self.conventions.batch or len(question.problem.y)
        if N % batch or self.conventions.sizes not in (None, question.problem.sizes):
            raise ValueError(
                f"expected what {self.conventions} can handle, got {question.problem.id}"
            )
        parts = [slice(first, first + batch) for first in range(0, N, batch)]
        problems = [
            replace(question.problem, x=question.problem.x[part], y=question.problem.y[part])
            for part in parts
        ]
        answers = []
        for problem in problems:
            part = replace(question, problem=problem)
            if question.same_object and self.conventions.builds and len(problems) > 1:
                self._call(replace(part, same_object=False))  # the first step of this part's own
            answers.append(self._call(part))
        if len(answers) == 1:
            return answers[0]
        return together(answers, averages=self.conventions.averages)

    def _call(self, question: Question, recordings: list[Recording] | None = None) -> Answer:
        """One call, translated both ways; with its recording, if there is a list for it."""
        kind = question.kind
        problem = question.problem
        if kind == "gradients" and self.conventions.protocol == "step":
            kind = "step"
        rate = self.conventions.learning_rate or question.learning_rate or 1.0
        header = {
            "call": kind,
            "layers": problem.L,
            "learning_rate": rate,
            "seed": FIRST_SEED + self.habits.calls,
        }
        header["watch"] = self.habits.calls == 0  # one call tells, and watching costs time
        header["record"] = recordings is not None
        if kind == "step" and self.conventions.builds:
            header |= {"made": True, "keeps": question.same_object}
        try:
            reply, arrays = self.sandbox.call(header, own_form.arguments(problem, self.conventions))
        except Ended as ended:
            return Answer(complaint=self._sentence(str(ended)))
        try:
            if reply["seed"] != header["seed"]:
                raise ValueError("an answer to another question")
            recorded = {name: arrays.pop(name) for name in [*arrays] if name.startswith(RECORDED)}
            if recordings is not None:
                recordings.append(unpack(reply.get("recorded"), recorded))
            changed = self._note_habits(kind, reply)
            if isinstance(complaint := reply.get("complaint"), str):
                if kind == "forward":
                    return Answer(own_forward=complaint)
                return Answer(complaint=self._sentence(complaint), changed_arguments=changed)
            precisions = {
                _as_answered(key): str(precision)
                for key, precision in dict(reply["precisions"]).items()
            }
            answer = self._translated(kind, problem, rate, believed(precisions), arrays)
        except (
            LookupError,
            TypeError,
            ValueError,
        ):  # a frame that our side of the process did not write
            return Answer(
                complaint=self._sentence(
                    f"{kind} wrote on the pipe between its process and the checker"
                )
            )
        complaint = answer.complaint or not_finite(kind, answer)
        answer = replace(
            answer, complaint=complaint and self._sentence(complaint), changed_arguments=changed
        )
        return replace(answer, edits=self.habits.edits, may_edit=self.habits.may_edit)

    def _note_habits(self, kind: str, reply: Header) -> bool:
        """Remember what the reply says beside the answer; whether arguments changed that should
        not."""
        habits = self.habits
        habits.calls += 1
        names = [str(name) for name in reply.get("changed", [])]
        changed = [name for name in names if kind != "step" or name in ("x", "y")]
        # what broke off half-way may have had it in mind to put them back
        changed = [] if "complaint" in reply else changed
        habits.changed |= {str(Quantity.parse(name)): kind for name in changed}
        if (state := reply.get("random")) is not None:
            habits.reseeds |= state in habits.random_states  # each call began with another seed
            habits.random_states.add(state)
        habits.lists |= bool(reply.get("lists"))
        habits.moves |= reply.get("in_place") is False or bool(names)
        habits.seterr |= bool(reply.get("seterr"))
        habits.folder |= bool(reply.get("folder"))
        habits.taken = habits.taken or str(reply.get("taken", ""))
        habits.processes = habits.processes or "".join(map(str, reply.get("processes", [])))
        habits.edits = habits.edits or str(reply.get("edits", ""))
        return bool(changed)

    def _translated(
        self,
        kind: str,
        problem: Problem,
        rate: float,
        came_in: tuple[str, dict[str, str]],
        arrays: Arrays,
    ) -> Answer:
        """Arrays in the candidate's conventions -> an answer in ours."""
        empty = Answer(precision=came_in[0], shorter=came_in[1])
        if kind == "forward":
            p = own_form.samples_back(arrays["p"], problem.sizes[-1], self.conventions)
            if p.shape != problem.y.shape[:1] + problem.sizes[-1:]:
                shape = "x".join(map(str, p.shape)) or "one number"
                return replace(empty, own_forward=f"forward returned an array of {shape}")
            return replace(empty, p=p)
        if kind == "loss":
            bars = {key.removeprefix("bar"): arrays.pop(key) for key in [*arrays] if "bar" in key}
            rounding = self._by_name(problem, bars)
            return replace(self._gradients(problem, empty, arrays), rounding=rounding)
        if kind == "intermediates":
            return replace(empty, steps=self._steps(problem, arrays))
        layers = range(1, problem.L + 1)
        known = {f"{name}{layer}" for name, layer in product("Wb", layers)}
        if extra := sorted(set(arrays) - known):
            names = " and ".join(str(Quantity.parse(name)) for name in extra)
            return Answer(complaint=f"{kind} returned {names}; the network has {problem.L} layers")
        answer = self._gradients(problem, empty, arrays)
        if kind == "gradients":
            return answer
        return implied(problem, answer, rate)

    def _gradients(self, problem: Problem, empty: Answer, arrays: Arrays) -> Answer:
        """W and b, or what has their shapes, in our orientation."""
        layers = range(1, problem.L + 1)
        weights = own_form.weights_back(
            [arrays.get(f"W{layer}") for layer in layers], self.conventions
        )
        biases = own_form.biases_back(
            [arrays.get(f"b{layer}") for layer in layers], problem, self.conventions
        )
        db = biases if self.conventions.bias else None
        return replace(empty, dW=weights, db=db)

    def _by_name(self, problem: Problem, arrays: Arrays) -> Quantities:
        """The same by the names of the gradients."""
        found = self._gradients(problem, Answer(), arrays)
        named = {f"dW[{layer}]": array for layer, array in (found.dW or {}).items()}
        return named | {f"db[{layer}]": array for layer, array in (found.db or {}).items()}

    def _steps(self, problem: Problem, arrays: Arrays) -> Quantities:
        """Intermediates by the project's names; those of a layer that does not exist are left out,
        and a[L] is p."""
        found: Quantities = {}
        for key, array in arrays.items():
            quantity = Quantity.parse(key)
            layer = quantity.layer
            if layer is None:
                found[key] = own_form.samples_back(array, problem.sizes[-1], self.conventions)
            elif 1 <= layer <= problem.L:
                name = "p" if quantity == Quantity("a", problem.L) else str(quantity)
                n = problem.sizes[layer]
                found[name] = own_form.samples_back(array, n, self.conventions)
        return found

    def _sentence(self, clause: str) -> str:
        return f"{self.sandbox.path.name}: {clause.rstrip('.')}."


def _as_answered(key: str) -> str:
    """ "W1" -> "dW[1]", "z 1" -> "z[1]", as the diagnosis calls what came."""
    quantity = Quantity.parse(key)
    if quantity.kind in ("W", "b"):
        return str(quantity.gradient)
    return str(quantity)


def load(sandbox: Sandbox) -> CandidateFile:
    """Import the candidate, and read what it declares.

    Raises: Unusable if it cannot be imported, defines no function to call, or declares what is no
    convention.
    """
    name = sandbox.path.name
    try:
        hello = sandbox.hello()
    except Ended as ended:
        raise Unusable(f"{name}: {ended}.") from ended
    if "complaint" in hello:
        raise Unusable(f"{name}: {hello['complaint']}.")
    constants = hello.get("constants")
    functions = hello.get("functions")
    if not isinstance(constants, dict) or not isinstance(functions, list):
        raise Unusable(
            f"{name}: importing it wrote on the pipe between its process and the checker."
        )
    try:
        declared = read_constants({k: constants[k] for k in CONSTANTS if k in constants}, functions)
        habits = Habits(
            may_edit=hello.get("may_edit") is not False, unread=unread_constants(constants)
        )
        return CandidateFile(sandbox, declared, habits)
    except NotAConvention as error:
        raise Unusable(f"{name}: {error}.") from error
