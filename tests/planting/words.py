"""How a style writes the operations whose form depends on its orientation: products, sums over
samples, the softmax's axis."""

from __future__ import annotations

from dataclasses import dataclass

from planting.spec import Spec


@dataclass(frozen=True)
class Words:
    """Expressions as text, for one spec."""

    spec: Spec

    @property
    def turned(self) -> bool:
        """W is (n_in, n_out)."""
        return self.spec.layout == "in,out"

    @property
    def k(self) -> int:
        """The axis of the classes."""
        return 0 if self.spec.columns or self.spec.by_sample else 1

    @property
    def n(self) -> int:
        """The axis of the samples."""
        return 1 if self.spec.columns else 0

    def affine(self, W: str, a: str, b: str) -> str:
        """z of one layer."""
        if self.spec.by_sample:
            product = f"{W}.T @ {a}" if self.turned else f"{W} @ {a}"
        elif self.spec.columns:
            product, b = (f"{W}.T @ {a}" if self.turned else f"{W} @ {a}"), f"{b}[:, None]"
        else:
            product = f"{a} @ {W}" if self.turned else f"{a} @ {W}.T"
        return f"{product} + {b}" if self.spec.bias else product

    def outer(self, d: str, a: str) -> str:
        """dW from a delta and the activation below."""
        left, right = (a, d) if self.turned else (d, a)
        if self.spec.by_sample:
            return f"np.outer({left}, {right})"
        return f"{left} @ {right}.T" if self.spec.columns else f"{left}.T @ {right}"

    def back(self, W: str, d: str) -> str:
        """The delta sent through W."""
        if self.spec.columns or self.spec.by_sample:
            return f"{W} @ {d}" if self.turned else f"{W}.T @ {d}"
        return f"{d} @ {W}.T" if self.turned else f"{d} @ {W}"

    def total(self, d: str) -> str:
        """The sum over samples."""
        return f"{d}" if self.spec.by_sample else f"{d}.sum(axis={self.n})"

    def classes(self, v: str) -> str:
        """The sum over classes, broadcast back."""
        return f"({v}).sum()" if self.spec.by_sample else f"({v}).sum(axis={self.k}, keepdims=True)"

    def jacobian(self, p: str, g: str) -> str:
        """g through the softmax whose output is p."""
        return f"{p} * (({g}) - {self.classes(f'({g}) * {p}')})"

    def softmax(self) -> list[str]:
        """The function, right."""
        if self.spec.by_sample:
            return ["def softmax(v):", "    e = np.exp(v - v.max())", "    return e / e.sum()"]
        largest = (
            f"v.amax(axis={self.k}, keepdims=True)"
            if self.spec.style == "torch"
            else f"v.max(axis={self.k}, keepdims=True)"
        )
        return [
            "def softmax(v):",
            f"    e = np.exp(v - {largest})",
            f"    return e / e.sum(axis={self.k}, keepdims=True)",
        ]

    def target(self) -> str:
        """The one-hot target, from y or y[n]."""
        spec = self.spec
        if spec.labels == "one-hot":
            return ("y[:, n]" if spec.columns else "y[n]") if spec.by_sample else "y"
        if spec.by_sample:
            return "np.eye(K)[y[n]]"
        return "np.eye(K)[y].T" if spec.columns else "np.eye(K)[y]"

    @property
    def cut(self) -> str:
        """An index that leaves the last sample out."""
        return "[:, :-1]" if self.spec.columns else "[:-1]"
