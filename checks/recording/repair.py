"""A person's own wrong line, as it should read: with their names, their indices, and as their
arrays lie.

Nothing here is certain: of several ways in which it may read, the likeliest comes first, and a line
is shown only after it has been tried (checks/grading/trying.py). Every name in it stands in their
file.
"""

from __future__ import annotations

import ast
import builtins
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from backproof.checks.candidates.conventions import Conventions
from backproof.checks.candidates.right_lines import PRODUCTS, derivative, output_delta
from backproof.checks.findings import Line, Step
from backproof.checks.quantities import Quantity
from backproof.checks.recording.decays import decays_in
from backproof.checks.recording.operands import Operand, Operands
from backproof.checks.recording.own import Own
from backproof.checks.recording.source import Source

MOST_WAYS = 4  # in which one line may read: each is tried in a process of its own
MOST_NODES = 200  # of a line's syntax tree: no step of a backward pass has half as many
MOST_OPERANDS = 2  # that may be the same quantity
OF_ARRAYS = frozenset(("T", "sum", "size", "shape"))  # attributes that every array has
PRODUCT_NAMES = ("dot", "matmul")
KEEPING = ("append", "insert", "appendleft")
VECTORS = {  # the same products of plain vectors, of one sample
    "out,in": ("np.outer(dz[l], a[l - 1])", "dz[l] @ W[l]"),
    "in,out": ("np.outer(a[l - 1], dz[l])", "W[l] @ dz[l]"),
}


@dataclass(frozen=True)
class Target:
    """A statement around the expression that is to be written anew.

    Attributes:
        before, after: what stands on its two sides.
        value: the expression as it is.
    """

    before: str
    after: str
    value: ast.expr

    def holding(self, text: str) -> str:
        """The statement with another expression in it."""
        return f"{self.before}{text}{self.after}"


def ways(own: Own, source: Source, line: Line, step: Step, asked: Conventions) -> list[str]:
    """The ways in which a wrong line may have to read, the likeliest first; [] where their names do
    not say it.

    Args:
        own: the call that was recorded.
        source: the file that the line stands in.
        line: the line.
        step: the first step that goes wrong.
        asked: the conventions under which the answers were judged.
    """
    statement = source.statement(line.number)
    if statement is None or len(list(ast.walk(statement))) > MOST_NODES:
        return []
    target = _target(statement, source)
    if target is None or not source.has_alone(statement):
        return []
    writer = _Writer(Operands(own, source, line.number), target, asked, own.page.problem.L)
    accumulated = _accumulated(statement, source)
    found = dict.fromkeys(accumulated)
    now = ast.unparse(statement)
    known = _known_names(source)
    kinds = [Quantity.parse(line.quantity), step.quantity]
    if Quantity.parse(line.quantity).kind == "da":
        kinds.append(Quantity("dz", Quantity.parse(line.quantity).layer))
    for quantity in dict.fromkeys(kinds):
        for expression in writer.written(quantity):
            text = target.holding(expression)
            if not expression or not _is_said_in(text, known):
                continue
            if ast.unparse(ast.parse(text)) != now:
                found.setdefault(text)
            elif quantity.kind in ("dz", "da") and quantity.layer != writer.L:
                return accumulated  # it reads as it should: what it takes was changed before
    return list(found)[:MOST_WAYS]


def _accumulated(statement: ast.stmt, source: Source) -> list[str]:
    """A line that adds or takes off, as one that assigns or does the opposite; [] of any other."""
    if not isinstance(statement, ast.AugAssign):
        return []
    place = source.written(statement.target)
    value = source.written(statement.value)
    if isinstance(statement.op, ast.Add):
        return [f"{place} = {value}", f"{place} -= {value}"]
    if isinstance(statement.op, ast.Sub):
        return [f"{place} += {value}"]
    return []


class _Writer:
    """Writes the right side of a line."""

    def __init__(self, operands: Operands, target: Target, asked: Conventions, layers: int) -> None:
        self.operands = operands
        self.target = target
        self.asked = asked
        self.L = layers

    def written(self, quantity: Quantity) -> Iterator[str]:
        """Each way to write a quantity in their names."""
        layer = quantity.layer or self.L
        if quantity.kind == "dz" and layer == self.L:
            yield from self._output()
        elif quantity.kind == "dz":
            for product in self._products(layer):
                yield from self._times_derivative(product, layer)
        elif quantity.kind == "da":
            yield from self._back(layer)
        elif quantity.kind == "dW":
            yield from self._decayed(self._scaled(self._weights(layer)), layer)
        elif quantity.kind == "db":
            yield from self._scaled(self._biases(layer))

    def _some(self, kind: str, layer: int | None) -> list[Operand]:
        if kind == "a" and layer == 0:
            kind = "x"
            layer = None
        return self.operands.of(Quantity(kind, layer))[:MOST_OPERANDS]

    def _products(self, layer: int) -> Iterator[str]:
        """da[l]: the product as their own line has it, else by its name, else anew."""
        theirs = _product_in(self.target.value)
        if theirs is not None:
            yield self.operands.source.written(theirs)
        for operand in self._some("da", layer):
            yield operand.text
        yield from self._back(layer)

    def _times_derivative(self, product: str, layer: int) -> Iterator[str]:
        """The product, entry by entry, times h' in the names of a[l] or z[l]."""
        names = self.asked.hidden
        name = names if isinstance(names, str) else names[layer - 1]
        slots = {"a": self._some("a", layer), "z": self._some("z", layer)}
        if name in ("relu", "leaky-relu"):
            slots["z"] += slots["a"]  # both have the same sign
        factor = derivative(name)
        if factor == "":
            yield product
            return
        if f"({product})" in self.operands.source.line(self.operands.number):
            product = f"({product})"  # as they write it
        used = [slot for slot in "az" if "{" + slot + "}" in factor]
        for chosen in itertools.product(*(slots[slot] for slot in used)) if used else ():
            texts = {slot: one.text for slot, one in zip(used, chosen, strict=True)}
            written = factor.format(**texts, slope=f"{self.asked.slope:g}")
            yield f"{product} * {written}"

    def _back(self, layer: int) -> Iterator[str]:
        """dz[l + 1] through W[l + 1]."""
        for dz, W in itertools.product(self._some("dz", layer + 1), self._some("W", layer + 1)):
            axes, layout = self._lying(dz, W)
            product = VECTORS[layout][1] if axes == "none" else PRODUCTS[axes, layout][2]
            yield product.replace("dz[l]", dz.text).replace("W[l]", W.text)

    def _weights(self, layer: int) -> Iterator[str]:
        """dz[l] times a[l - 1]."""
        weights = self._some("W", layer)
        W = weights[0] if weights else Operand("")
        for dz, a in itertools.product(self._some("dz", layer), self._some("a", layer - 1)):
            axes, layout = self._lying(dz, W)
            product = VECTORS[layout][0] if axes == "none" else PRODUCTS[axes, layout][1]
            yield product.replace("dz[l]", dz.text).replace("a[l - 1]", a.text)

    def _decayed(self, found: Iterator[str], layer: int) -> Iterator[str]:
        """With the weight decay that the file declares: their own line with another sign, or
        multiple, then each way with that behind it, and as it is."""
        decay = self.asked.weight_decay
        if not decay:
            yield from found
            return
        for W in self._some("W", layer)[:1]:
            due = f"{decay:g} * {W.text}"
            yield from decays_in(self.target.value, W.text, due)
            for text in found:
                yield f"{text} + {due}"
                yield text

    def _biases(self, layer: int) -> Iterator[str]:
        """The sum of dz[l] over the samples, as a function or a method and with `keepdims` as in
        their line."""
        calls = [one for one in ast.walk(self.target.value) if isinstance(one, ast.Call)]
        called = {ast.unparse(one.func) for one in calls}
        keeps = any(one.arg == "keepdims" for call in calls for one in call.keywords)
        for dz in self._some("dz", layer):
            axes, _ = self._lying(dz, Operand(""))
            axis = 1 if axes == "columns" else 0
            # biases may be columns, beside which a line is taken for a row
            may_keep = axes == "columns" and not keeps
            for end in (", keepdims=True" if keeps else "", *[", keepdims=True"] * may_keep):
                if called & {"np.sum", "np.mean"}:
                    yield f"np.sum({dz.text}, axis={axis}{end})"
                else:
                    yield f"{dz.text}.sum(axis={axis}{end})"

    def _output(self) -> Iterator[str]:
        """dz[L] out of p and Y, with the number of samples as their own line writes it."""
        count = self._count(self.target.value)
        for p, Y in itertools.product(self._some("p", None), self._some("Y", None)):
            axes, _ = self._lying(p, Operand(""))
            N = f"{p.text}.shape[1]" if axes == "columns" else f"len({p.text})"
            for reduction in dict.fromkeys((self.asked.reduction, "sum")):
                asked = replace(self.asked, reduction=reduction)
                yield output_delta(asked, p=p.text, Y=Y.text, N=count or N)

    def _scaled(self, found: Iterator[str]) -> Iterator[str]:
        """With the rate before it that their line has; as it is, and divided by what their line, or
        another of the function, divides by. What their line does comes first."""
        rate = self._rate()
        here = self._count(self.target.value)
        somewhere = here or self._count(self.operands.source.around(self.operands.number))
        for text in found:
            endings = ["", f" / {somewhere}" if somewhere else ""]
            for end in dict.fromkeys(reversed(endings) if here else endings):
                yield f"{rate}{text}{end}"
            if isinstance(_leftmost(self.target.value), ast.Constant):
                yield text  # what stands in front is no rate, but what is too much

    def _count(self, part: ast.AST | None) -> str:
        """The number of samples, as far as a piece of their program divides by one; "" where it
        does not."""
        for one in _divisors(part):
            if ast.unparse(one) not in self.operands.names and not _is_computed(one):
                return self.operands.source.written(one)
        return ""

    def _rate(self) -> str:
        """ "learning_rate * ", where their line begins with a number."""
        value = self.target.value
        first = _leftmost(value)
        if first is value or (isinstance(first, ast.Attribute) and first.attr in OF_ARRAYS):
            return ""
        text = ast.unparse(first)
        is_number = isinstance(first, ast.Constant | ast.Name | ast.Attribute)
        if not is_number or text == "1" or text in self.operands.names:
            return ""
        return f"{text} * "

    def _lying(self, of_samples: Operand, W: Operand) -> tuple[str, str]:
        """How the arrays lie: as they were seen to, else as the file declares."""
        axes = of_samples.axes or self.asked.examples
        return axes, W.layout or self.asked.layout


def _target(statement: ast.stmt | None, source: Source) -> Target | None:
    """The expression of a statement that holds one value; None where it holds several."""
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        if not isinstance(statement.targets[0], ast.Tuple | ast.List):
            return Target(f"{source.written(statement.targets[0])} = ", "", statement.value)
    elif isinstance(statement, ast.AugAssign):
        place = source.written(statement.target)
        sign = {ast.Add: "+", ast.Sub: "-"}.get(type(statement.op))
        if sign:
            return Target(f"{place} {sign}= ", "", statement.value)
    elif isinstance(statement, ast.Return) and statement.value is not None:
        if not isinstance(statement.value, ast.Tuple):
            return Target("return ", "", statement.value)
    elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        call = statement.value
        if isinstance(call.func, ast.Attribute) and call.func.attr in KEEPING and call.args:
            first = "".join(f"{source.written(one)}, " for one in call.args[:-1])
            return Target(f"{source.written(call.func)}({first}", ")", call.args[-1])
    return None


def _product_in(value: ast.expr) -> ast.expr | None:
    """The matrix product in an expression; None unless there is one."""
    found = [node for node in ast.walk(value) if _is_product(node)]
    if len(found) != 1 or not isinstance(found[0], ast.expr):
        return None
    return found[0]


def _is_product(node: ast.AST) -> bool:
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.MatMult)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr in PRODUCT_NAMES
    return False


def _divisors(value: ast.AST | None) -> list[ast.expr]:
    """What anything in a piece of program is divided by, each name or call."""
    if value is None:
        return []
    found = [
        node.right
        for node in ast.walk(value)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
    ]
    return [one for one in found if isinstance(one, ast.Name | ast.Attribute | ast.Call)]


def _is_computed(value: ast.expr) -> bool:
    """Whether it is what another call than len() gives: a sum of exponentials, and no count."""
    return isinstance(value, ast.Call) and ast.unparse(value.func) != "len"


def _leftmost(value: ast.expr) -> ast.expr:
    """The first factor of a product."""
    while isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mult | ast.MatMult | ast.Div):
        value = value.left
    return value


def _known_names(source: Source) -> set[str]:
    """Every name and attribute that stands in a file, parameters and imports with them."""
    found = set(OF_ARRAYS)
    for node in source.nodes():
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.alias):
            found.add(node.asname or node.name)
    return found


def _is_said_in(text: str, known: set[str]) -> bool:
    """Whether every name of a line stands in the file."""
    try:
        nodes: Sequence[ast.AST] = list(ast.walk(ast.parse(text)))
    except SyntaxError:  # `return` stands in a function
        return False
    for node in nodes:
        if isinstance(node, ast.Name) and node.id not in known and not hasattr(builtins, node.id):
            return False
        if isinstance(node, ast.Attribute) and node.attr not in known and node.attr != "outer":
            return False
    return True
