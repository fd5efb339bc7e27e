"""Make every figure and number of PAGES, or check that they are still true.

python -m docs.figures [--check] [--fast] [--figures]

Without flags it rewrites the pages and docs/figures/. With --check it changes nothing and exits
with 1 if a page says something else. --fast leaves out what takes more than a second.
"""

from __future__ import annotations

import argparse
import io
import re
import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from backproof.checks import by_hand
from backproof.checks.learning import descent
from benchmarks import remedies
from benchmarks.remedies import X
from docs import numbers

HERE = Path(__file__).parent
PAGES = ("why-half.md", "softmax.md", "it-does-not-learn.md")
MARKED = re.compile(r"<!-- n:([\w-]+) -->(.*?)<!-- /n -->", re.DOTALL)
PICTURES = ("1,1,0,0", "0,0,1,1", "1,0,1,0", "0,1,0,1")


def main(argv: list[str] | None = None) -> int:
    """Compute, then compare with the pages or rewrite them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="change nothing; exit with 1 if a page is no longer true",
    )
    parser.add_argument(
        "--fast", action="store_true", help="leave out the numbers that take more than a second"
    )
    parser.add_argument(
        "--figures", action="store_true", help="draw the figures, and leave the numbers as they are"
    )
    args = parser.parse_args(argv)
    print(f"numpy {np.__version__}, matplotlib {matplotlib.__version__}")
    if args.figures:
        return draw_all()
    texts = {
        name: compute()
        for name, compute in (numbers.FAST | ({} if args.fast else numbers.SLOW)).items()
    }
    wrong = [complaint for page in PAGES for complaint in differences(page, texts)]
    if args.check:
        print("\n".join(wrong) or f"{len(texts)} numbers are as the pages say")
        return 1 if wrong else 0
    for page in PAGES:
        write(HERE / page, filled((HERE / page).read_text(encoding="utf-8"), texts))
    return 0 if args.fast else draw_all()


def draw_all() -> int:
    """Every figure."""
    for name, draw in FIGURES.items():
        write(HERE / "figures" / f"{name}.svg", svg(draw))
    return 0


def differences(page: str, texts: dict[str, str]) -> list[str]:
    """What a page says that is not so, and names that nobody computes."""
    found, known = [], numbers.FAST | numbers.SLOW
    for name, says in MARKED.findall((HERE / page).read_text(encoding="utf-8")):
        if name not in known:
            found.append(
                f"docs/{page}: expected the name of a number in docs/numbers.py, got {name}. "
                "Correct the marker."
            )
        elif name in texts and says != texts[name]:
            found.append(
                f"docs/{page}, {name}: computed {texts[name]!r}, the page says {says!r}. Run "
                "python -m docs.figures."
            )
    return found


def filled(text: str, texts: dict[str, str]) -> str:
    """The page with every number that was computed."""
    return MARKED.sub(lambda at: f"<!-- n:{at[1]} -->{texts.get(at[1], at[2])}<!-- /n -->", text)


def svg(draw: Callable[[Figure], None]) -> str:
    """A figure as SVG, the same text for the same numbers."""
    settings = {
        "svg.hashsalt": "backproof",
        "svg.fonttype": "none",
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(7, 2.6), layout="constrained")
        draw(figure)
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None})
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"


def write(path: Path, text: str) -> None:
    """Only what changed, so that a clean tree stays clean."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
        print(f"wrote {path.name}")


def outputs(figure: Figure) -> None:
    """The first output for each of the four pictures as training goes on, with either kind of
    weights."""
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, kind, title in (
        (left, "row-constant", "one number a unit"),
        (right, "around-zero", "each weight its own, around zero"),
    ):
        W, b = remedies.weights(kind, 0)
        at, curves = range(0, 8001, 40), []
        for _ in at:
            curves.append(by_hand.forward(X, W, b).p[:, 0])
            W, b = descent.steps(
                W,
                b,
                X,
                remedies.Y,
                output="softmax",
                cost="cross-entropy",
                learning_rate=0.03,
                count=40,
            )
        for picture, curve, style in zip(
            PICTURES, np.array(curves).T, ("-", "--", "-", "--"), strict=True
        ):
            axes.plot(
                at, curve, style, color="C0" if picture in PICTURES[:2] else "C1", label=picture
            )
        axes.set(title=title, xlabel="steps, learning rate 0.03", ylim=(-0.05, 1.05))
    left.set_ylabel("p[horizontal]")
    right.legend(frameon=False, fontsize=8, title="picture")


def rows(figure: Figure) -> None:
    """The weights of the first twelve units of layer 1, before and after 2,000 right steps."""
    W, b = remedies.weights("row-constant", 0)
    after, _ = descent.steps(
        W, b, X, remedies.Y, output="sigmoid", cost="quadratic", learning_rate=1.0, count=2000
    )
    other, c = remedies.weights("around-zero", 0)
    learnt, _ = descent.steps(
        other, c, X, remedies.Y, output="sigmoid", cost="quadratic", learning_rate=1.0, count=2000
    )
    titles = (
        "original, as drawn",
        "2,000 steps later",
        "around zero, as drawn",
        "2,000 steps later",
    )
    for axes, matrix, title in zip(
        figure.subplots(1, 4), (W[1], after[1], other[1], learnt[1]), titles, strict=True
    ):
        heat(axes, matrix[:12], title)
        axes.set_xlabel("pixel")
    figure.axes[0].set_ylabel("unit of layer 1")


def jacobian(figure: Figure) -> None:
    """J for the page's p, and what it makes of either cost's dC/dp."""
    p, problem = numbers.probabilities(), numbers.softmax_problem("quadratic")
    left, right = figure.subplots(1, 2)
    J = by_hand.softmax_jacobian(p)[0]
    heat(left, J, "J = diag(p) - p pᵀ")
    for (i, j), value in np.ndenumerate(J):
        left.text(
            j + 0.5,
            i + 0.5,
            f"{value:.3f}",
            ha="center",
            va="center",
            color="white" if abs(value) > 0.15 else "black",
        )
    left.set(xlabel="z", ylabel="p")
    Y = by_hand.one_hot(problem.y, p)[0]
    for shift, cost, dz in (
        (-0.2, "cross-entropy: p - Y", p[0] - Y),
        (0.2, "quadratic: J · 2(p - Y)", J @ (2 * (p[0] - Y))),
    ):
        right.bar(np.arange(len(Y)) + shift, dz, 0.4, label=cost)
    right.axhline(0, color="black", linewidth=0.6)
    right.set(title="gradient of each logit", xlabel="class", xticks=range(len(Y)))
    right.legend(frameon=False)


def sure_and_wrong(figure: Figure) -> None:
    """How hard the right class's logit is pulled, by how probable it is held: two classes."""
    axes, probabilities = figure.subplots(), np.linspace(0.001, 0.999, 200)
    for cost, style in (("cross-entropy", "-"), ("quadratic", "--")):
        axes.plot(
            probabilities,
            [-numbers.output_gradient(float(p), cost) for p in probabilities],
            style,
            label=f"softmax, {cost}",
        )
    axes.set(
        xlabel="probability of the right class",
        ylabel="pull on its logit, -dz",
        xlim=(0, 1),
        ylim=(0, 1.05),
    )
    axes.legend(frameon=False)


def heat(axes: Axes, matrix: np.ndarray, title: str) -> None:
    """A matrix in colours, zero in white."""
    largest = float(np.abs(matrix).max())
    axes.pcolormesh(
        matrix, cmap="RdBu", vmin=-largest, vmax=largest, edgecolors="white", linewidth=0.3
    )
    axes.invert_yaxis()
    axes.set_title(title, fontsize=9)
    axes.set(xticks=[], yticks=[], aspect="auto")


FIGURES: dict[str, Callable[[Figure], None]] = {
    "outputs": outputs,
    "rows": rows,
    "jacobian": jacobian,
    "sure-and-wrong": sure_and_wrong,
}

if __name__ == "__main__":
    sys.exit(main())
