"""The activations: what h makes of a weighted sum (F2), its derivative h' (B5), and their rounding.

One small class each, for `by_hand` and `bound` alone. The other witnesses have their own: autograd
and the fast backward pass take torch's, and whoever takes differences uses h and never h'. A line
that is an equation ends with its tag in checks/EQUATIONS.md.

`h` also takes complex numbers, for the complex step; which side of a kink an entry is on is decided
by its real part. The rounding rules are those of checks/bound.py. They cover every correct way to
write an activation, not just the one that stands here: (e^z - e^-z) / (e^z + e^-z) rounds to eps of
1 where tanh rounds to eps of itself.
"""

from __future__ import annotations

import math
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Inexact

    Array = Inexact[np.ndarray, "*shape"]

# an entry whose z is within so many of its errors of 0 may be on either side
REACH = 4.0
ROOT_2_OVER_PI = math.sqrt(2 / math.pi)
CUBIC = 0.044715  # of Hendrycks and Gimpel's tanh in place of erf
SERIES = 2.0  # where the error function of complex numbers changes its series
TERMS = 60  # of either; both are then exact to 1e-17 of 1
LARGEST = 26.0  # from there on 1 - erf is below 1e-295


@dataclass(frozen=True)
class Activation(ABC):
    """An activation: names for people and for commands, h, h', and how both round.

    Attributes:
        name: what a command or a candidate calls it.
        words: what a sentence calls it.
        latex: h as it is written on the page.
        latex_prime: h' on the page, in z or in a = h(z).
        plain, plain_prime: the same in a line of text, {z} and {a} standing for their symbols.
        tag: of its section in checks/EQUATIONS.md.
        steepest: the largest |h'|.
        in_pieces: whether it is another formula on either side of 0.
        lowest, highest: what h stays between.
        overflows: whether h, as people mostly write it, takes exp of something that can be large.
    """

    name: ClassVar[str]
    words: ClassVar[str]
    latex: ClassVar[str]
    latex_prime: ClassVar[str]
    plain: ClassVar[str]
    plain_prime: ClassVar[str]
    tag: ClassVar[str]
    steepest: ClassVar[float] = 1.0
    in_pieces: ClassVar[bool] = False
    lowest: ClassVar[float] = -math.inf
    highest: ClassVar[float] = math.inf
    overflows: ClassVar[bool] = False

    @property
    def jump(self) -> float:
        """By how much h' jumps at 0; 0 where it does not."""
        return 0.0

    def __str__(self) -> str:
        return self.name

    @abstractmethod
    def h(self, z: Array) -> Array:
        """a, entry by entry."""

    @abstractmethod
    def h_prime(self, z: Array, a: Array) -> Array:
        """The derivative of h at z, of z or of a = h(z), whichever is written on the page."""

    def h_error(self, z: Array, a: Array, z_error: Array, eps: float) -> Array:
        """How far a may be off: |h'| of what z is off by, and the rounding of h itself."""
        return np.abs(self.h_prime(z, a)) * z_error + self.h_rounding(z, a, eps)

    @abstractmethod
    def h_rounding(self, z: Array, a: Array, eps: float) -> Array:
        """What computing h adds to the error of a."""

    @abstractmethod
    def h_prime_error(
        self, z: Array, a: Array, z_error: Array, a_error: Array, eps: float
    ) -> Array:
        """How far h' may be off: by |h''| of what z is off by, and by rounding beyond 4 eps of h'
        itself."""


@dataclass(frozen=True)
class Sigmoid(Activation):
    """1 / (1 + exp(-z)), the activation of the network that the project began with."""

    name = "sigmoid"
    words = "sigmoid"
    latex = r"\frac{1}{1 + e^{-z}}"
    latex_prime = r"a (1 - a)"
    plain = "1 / (1 + exp(-{z}))"
    plain_prime = "{a} (1 - {a})"
    tag = "(A1)"
    overflows = True
    steepest = 0.25
    lowest = 0.0
    highest = 1.0

    def h(self, z: Array) -> Array:
        """Written for each sign of z, so that no exponential overflows."""
        positive = z.real >= 0
        e = np.exp(np.where(positive, -z, z))
        return np.where(positive, 1, e) / (1 + e)  # (A1)

    def h_prime(self, z: Array, a: Array) -> Array:
        return a * (1 - a)  # (A1)

    def h_rounding(self, z: Array, a: Array, eps: float) -> Array:
        """An exponential, a sum and a quotient: eps, half and half of it."""
        return 3 * eps * a

    def h_prime_error(
        self, z: Array, a: Array, z_error: Array, a_error: Array, eps: float
    ) -> Array:
        """The difference of a (1 - a) at a and a + a_error."""
        return (np.abs(1 - 2 * a) + a_error) * a_error


@dataclass(frozen=True)
class Tanh(Activation):
    """The hyperbolic tangent, a sigmoid between -1 and 1."""

    name = "tanh"
    words = "tanh"
    latex = r"\tanh z"
    latex_prime = r"1 - a^2"
    plain = "tanh({z})"
    plain_prime = "1 - {a}²"
    tag = "(A2)"
    overflows = True
    lowest = -1.0
    highest = 1.0

    def h(self, z: Array) -> Array:
        return np.tanh(z)  # (A2)

    def h_prime(self, z: Array, a: Array) -> Array:
        return 1 - a**2  # (A2)

    def h_rounding(self, z: Array, a: Array, eps: float) -> Array:
        """2 sigmoid(2 z) - 1 and the quotient of exponentials subtract numbers of about 1."""
        return np.full(a.shape, 3 * eps)

    def h_prime_error(
        self, z: Array, a: Array, z_error: Array, a_error: Array, eps: float
    ) -> Array:
        """The difference of 1 - a**2 at a and a + a_error, and the rounding of the square."""
        return (2 * np.abs(a) + a_error) * a_error + eps * a**2


@dataclass(frozen=True)
class ReLU(Activation):
    """z where it is positive, 0 elsewhere."""

    name = "relu"
    words = "ReLU"
    latex = r"\max(0, z)"
    latex_prime = r"1 \text{ if } z \gt 0, \text{ else } 0"
    plain = "max(0, {z})"
    plain_prime = "1 if {z} > 0 else 0"
    tag = "(A3)"
    in_pieces = True
    lowest = 0.0

    @property
    def jump(self) -> float:
        return 1.0

    def h(self, z: Array) -> Array:
        return np.where(z.real <= 0, 0, z)  # (A3)

    def h_prime(self, z: Array, a: Array) -> Array:
        return np.where(z > 0, 1, 0).astype(z.dtype)  # (A3)

    def h_error(self, z: Array, a: Array, z_error: Array, eps: float) -> Array:
        """z itself, or 0; an entry near the kink may be either."""
        return np.where(z > -REACH * z_error, z_error, 0) + self.h_rounding(z, a, eps)

    def h_rounding(self, z: Array, a: Array, eps: float) -> Array:
        """Nothing is computed."""
        return np.zeros(z.shape)

    def h_prime_error(
        self, z: Array, a: Array, z_error: Array, a_error: Array, eps: float
    ) -> Array:
        """0 and 1 are exact; what the kink does is counted elsewhere."""
        return np.zeros(z.shape)


@dataclass(frozen=True)
class LeakyReLU(Activation):
    """z where it is positive, a small part of it elsewhere.

    Attributes:
        slope: of the part below 0.
    """

    slope: float = 0.01

    def __str__(self) -> str:
        if self.slope == 0.01:
            return self.name
        return f"{self.name}({self.slope:g})"

    name = "leaky-relu"
    words = "leaky ReLU"
    latex = r"\max(0, z) + s \min(0, z)"
    latex_prime = r"1 \text{ if } z \gt 0, \text{ else } s"
    plain = "max(0, {z}) + s min(0, {z})"
    plain_prime = "1 if {z} > 0 else s"
    tag = "(A4)"
    in_pieces = True

    @property
    def jump(self) -> float:
        return abs(1 - self.slope)

    def h(self, z: Array) -> Array:
        return np.where(z.real <= 0, self.slope * z, z)  # (A4)

    def h_prime(self, z: Array, a: Array) -> Array:
        return np.where(z > 0, 1, self.slope).astype(z.dtype)  # (A4)

    def h_error(self, z: Array, a: Array, z_error: Array, eps: float) -> Array:
        """Near the kink the steeper side counts."""
        steep = np.where(np.abs(z) > REACH * z_error, np.abs(self.h_prime(z, a)), self._steepest)
        return steep * z_error + self.h_rounding(z, a, eps)

    def h_rounding(self, z: Array, a: Array, eps: float) -> Array:
        """One product; the slope itself is rounded, too."""
        return eps * np.abs(a)

    def h_prime_error(
        self, z: Array, a: Array, z_error: Array, a_error: Array, eps: float
    ) -> Array:
        """Both slopes are exact but for the rounding of s; the kink is counted elsewhere."""
        return np.zeros(z.shape)

    @property
    def _steepest(self) -> float:
        return max(1.0, abs(self.slope))


@dataclass(frozen=True)
class ELU(Activation):
    """z where it is positive, exp(z) - 1 elsewhere, which meets it at 0 with the same slope."""

    name = "elu"
    words = "ELU"
    latex = r"z \text{ if } z \gt 0, \text{ else } e^z - 1"
    latex_prime = r"1 \text{ if } z \gt 0, \text{ else } a + 1"
    plain = "{z} if {z} > 0 else exp({z}) - 1"
    plain_prime = "1 if {z} > 0 else {a} + 1"
    tag = "(A5)"
    overflows = True
    in_pieces = True
    lowest = -1.0

    def h(self, z: Array) -> Array:
        below = np.where(z.real > 0, 0, z)
        return np.where(z.real > 0, z, np.expm1(below))  # (A5)

    def h_prime(self, z: Array, a: Array) -> Array:
        return np.where(z > 0, 1, a + 1)  # (A5)

    def h_rounding(self, z: Array, a: Array, eps: float) -> Array:
        """Below 0 an exponential of at most 1, from which 1 is subtracted."""
        return np.where(z > 0, 0, 2 * eps)

    def h_prime_error(
        self, z: Array, a: Array, z_error: Array, a_error: Array, eps: float
    ) -> Array:
        """Below 0, or where z may be, as far as a is off."""
        return np.where(z > REACH * z_error, 0, a_error + eps)


@dataclass(frozen=True)
class Softplus(Activation):
    """log(1 + exp(z)), a ReLU without the kink."""

    name = "softplus"
    words = "softplus"
    latex = r"\ln(1 + e^z)"
    latex_prime = r"\sigma(z)"
    plain = "log(1 + exp({z}))"
    plain_prime = "1 / (1 + exp(-{z}))"
    tag = "(A6)"
    overflows = True
    lowest = 0.0

    def h(self, z: Array) -> Array:
        """z itself plus a correction where z is positive, so that no exponential overflows."""
        positive = z.real >= 0
        e = np.exp(np.where(positive, -z, z))
        return np.where(positive, z, 0) + np.log1p(e)  # (A6)

    def h_prime(self, z: Array, a: Array) -> Array:
        return SIGMOID.h(z)  # (A6)

    def h_rounding(self, z: Array, a: Array, eps: float) -> Array:
        """1 + exp(z) rounds by half an eps of itself, so its logarithm by half an eps of 1."""
        return 2 * eps * (1 + a)

    def h_prime_error(
        self, z: Array, a: Array, z_error: Array, a_error: Array, eps: float
    ) -> Array:
        """sigmoid' of what z is off by; 1 - exp(-a) subtracts numbers of about 1."""
        s = SIGMOID.h(z)
        return s * (1 - s) * z_error + 3 * eps


@dataclass(frozen=True)
class SiLU(Activation):
    """z sigmoid(z), also called swish."""

    name = "silu"
    words = "SiLU"
    latex = r"z \sigma(z)"
    latex_prime = r"\sigma(z) + a (1 - \sigma(z))"
    plain = "{z} σ({z})"
    plain_prime = "σ({z}) + {a} (1 - σ({z}))"
    tag = "(A7)"
    overflows = True
    steepest = 1.1
    lowest = -0.2785

    def h(self, z: Array) -> Array:
        return z * SIGMOID.h(z)  # (A7)

    def h_prime(self, z: Array, a: Array) -> Array:
        s = SIGMOID.h(z)
        return s + a * (1 - s)  # (A7)

    def h_rounding(self, z: Array, a: Array, eps: float) -> Array:
        """A sigmoid's three, and a product."""
        return 4 * eps * np.abs(a)

    def h_prime_error(
        self, z: Array, a: Array, z_error: Array, a_error: Array, eps: float
    ) -> Array:
        """|h''| of what z is off by, h'' = s (1 - s) (2 + z (1 - 2 s)), and the terms' rounding."""
        s = SIGMOID.h(z)
        bend = np.abs(s * (1 - s) * (2 + z * (1 - 2 * s)))
        return bend * z_error + eps * (4 * s + 6 * np.abs(a))


@dataclass(frozen=True)
class GELU(Activation):
    """z times the share of a normal distribution below z, by the error function."""

    name = "gelu"
    words = "GELU"
    latex = r"z \Phi(z), \quad \Phi(z) = \frac{1 + \operatorname{erf}(z / \sqrt 2)}{2}"
    latex_prime = r"\Phi(z) + \frac{z e^{-z^2 / 2}}{\sqrt{2 \pi}}"
    plain = "{z} Φ({z})"
    plain_prime = "Φ({z}) + {z} exp(-{z}²/2) / √(2π)"
    tag = "(A8)"
    steepest = 1.13
    lowest = -0.17

    def h(self, z: Array) -> Array:
        return z * _below(z)  # (A8)

    def h_prime(self, z: Array, a: Array) -> Array:
        return _below(z) + z * _bell(z)  # (A8)

    def h_rounding(self, z: Array, a: Array, eps: float) -> Array:
        """1 + erf subtracts where z is negative, so the share rounds by 2 eps of 1, not of
        itself."""
        return 3 * eps * np.abs(z)

    def h_prime_error(
        self, z: Array, a: Array, z_error: Array, a_error: Array, eps: float
    ) -> Array:
        """|h''| = |2 - z**2| of the bell; the share rounds by eps of 1, the exponent by eps of
        itself."""
        bell = _bell(z)
        bend = np.abs(2 - z**2) * bell
        return bend * z_error + eps * (3 + np.abs(z) * bell * (4 + z**2))


@dataclass(frozen=True)
class GELUByTanh(Activation):
    """The GELU with a tanh in place of the error function, as GPT-2 has it."""

    name = "gelu-tanh"
    words = "GELU by tanh"
    latex = r"\frac{z}{2} (1 + \tanh u), \quad u = \sqrt{2 / \pi} (z + 0.044715 z^3)"
    latex_prime = r"\frac{1 + t}{2} + \frac{z}{2} (1 - t^2) u', \quad t = \tanh u"
    plain = "{z} (1 + tanh u) / 2"
    plain_prime = "(1 + t) / 2 + {z} (1 - t²) u' / 2"
    tag = "(A9)"
    steepest = 1.13
    lowest = -0.171

    def h(self, z: Array) -> Array:
        u = ROOT_2_OVER_PI * (z + CUBIC * z**3)
        return z / 2 * (1 + np.tanh(u))  # (A9)

    def h_prime(self, z: Array, a: Array) -> Array:
        t = np.tanh(ROOT_2_OVER_PI * (z + CUBIC * z**3))
        u_prime = ROOT_2_OVER_PI * (1 + 3 * CUBIC * z**2)
        return (1 + t) / 2 + z / 2 * (1 - t**2) * u_prime  # (A9)

    def h_rounding(self, z: Array, a: Array, eps: float) -> Array:
        """tanh rounds by 3 eps of 1, and by 5 eps of u (1 - t**2), which is at most 0.45; half of
        both counts."""
        return 3 * eps * np.abs(z)

    def h_prime_error(
        self, z: Array, a: Array, z_error: Array, a_error: Array, eps: float
    ) -> Array:
        """|h''| of what z is off by; 1 - t**2 rounds by 12 eps of 1, until t is 1 to the last
        digit, in front of a factor that grows like z**3."""
        u = ROOT_2_OVER_PI * (z + CUBIC * z**3)
        t = np.tanh(u)
        u_prime = ROOT_2_OVER_PI * (1 + 3 * CUBIC * z**2)
        bent = u_prime + ROOT_2_OVER_PI * 3 * CUBIC * z**2 - z * t * u_prime**2
        bend = np.where(np.abs(u) < 20, np.abs((1 - t**2) * bent), 0)
        rounding = np.where(np.abs(u) < 25, np.abs(z) * u_prime * 6, 0)
        return bend * z_error + eps * (3 + rounding)


@dataclass(frozen=True)
class Identity(Activation):
    """z as it is: a linear layer, or a linear output."""

    name = "identity"
    words = "no activation"
    latex = r"z"
    latex_prime = r"1"
    plain = "{z}"
    plain_prime = "1"
    tag = "(A10)"

    def h(self, z: Array) -> Array:
        return z.copy()  # (A10)

    def h_prime(self, z: Array, a: Array) -> Array:
        return np.ones_like(z)  # (A10)

    def h_rounding(self, z: Array, a: Array, eps: float) -> Array:
        """Nothing is computed."""
        return np.zeros(z.shape)

    def h_prime_error(
        self, z: Array, a: Array, z_error: Array, a_error: Array, eps: float
    ) -> Array:
        """Nothing is computed."""
        return np.zeros(z.shape)


@dataclass(frozen=True)
class BipolarSigmoid(Activation):
    """A sigmoid stretched to reach from -1 to 1: a tanh of half of z."""

    name = "bipolar-sigmoid"
    words = "bipolar sigmoid"
    latex = r"\frac{1 - e^{-z}}{1 + e^{-z}}"
    latex_prime = r"\frac{1 - a^2}{2}"
    plain = "(1 - exp(-{z})) / (1 + exp(-{z}))"
    plain_prime = "(1 - {a}²) / 2"
    tag = "(A11)"
    overflows = True
    steepest = 0.5
    lowest = -1.0
    highest = 1.0

    def h(self, z: Array) -> Array:
        return np.tanh(z / 2)  # (A11)

    def h_prime(self, z: Array, a: Array) -> Array:
        return (1 - a**2) / 2  # (A11)

    def h_rounding(self, z: Array, a: Array, eps: float) -> Array:
        """2 sigmoid(z) - 1 and the quotient of exponentials subtract numbers of about 1."""
        return np.full(a.shape, 3 * eps)

    def h_prime_error(
        self, z: Array, a: Array, z_error: Array, a_error: Array, eps: float
    ) -> Array:
        """Half the difference of 1 - a**2 at a and a + a_error, and the rounding of the square."""
        return (2 * np.abs(a) + a_error) * a_error / 2 + eps * a**2


SIGMOID = Sigmoid()
RELU = ReLU()
IDENTITY = Identity()
ACTIVATIONS: Mapping[str, Activation] = {
    activation.name: activation
    for activation in (
        SIGMOID,
        Tanh(),
        RELU,
        LeakyReLU(),
        ELU(),
        Softplus(),
        SiLU(),
        GELU(),
        GELUByTanh(),
        BipolarSigmoid(),
        IDENTITY,
    )
}
NAMES = tuple(ACTIVATIONS)


def named(name: str, slope: float = 0.01) -> Activation:
    """The activation of a name.

    Args:
        name: one of NAMES; "linear", as outputs have it, is the identity.
        slope: of the leaky ReLU below 0.
    Raises: ValueError for another name.
    """
    if name == LeakyReLU.name:
        return LeakyReLU(slope)
    if name == "linear":
        return IDENTITY
    if name not in ACTIVATIONS:
        raise ValueError(f"expected an activation of {', '.join(NAMES)}, got {name!r}")
    return ACTIVATIONS[name]


def by_layer(hidden: Activation | Sequence[Activation], L: int) -> dict[int, Activation]:
    """The activation of each hidden layer 1..L-1.

    Args:
        hidden: one for all of them, or one each.
        L: how many layers have weights.
    Raises: ValueError where there are not as many as hidden layers.
    """
    if isinstance(hidden, Activation):
        return dict.fromkeys(range(1, L), hidden)
    if len(hidden) != L - 1:
        raise ValueError(
            f"expected one activation for all hidden layers, or one for each of {L - 1}, got "
            f"{len(hidden)}"
        )
    return dict(enumerate(hidden, start=1))


def _below(z: Array) -> Array:
    """The share of a normal distribution below z."""
    return (1 + erf(z / math.sqrt(2))) / 2


def _bell(z: Array) -> Array:
    """The density of a normal distribution at z, the derivative of the share below it."""
    return np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)


def erf(x: Array) -> Array:
    """The error function: math.erf, entry by entry; of complex numbers in series.

    Up to SERIES by 2 x / sqrt(pi) exp(-x**2) (1 + 2 x**2 / 3 + (2 x**2)**2 / (3 5) + ...), whose
    terms are all positive where x is nearly real, so that nothing cancels; from there on by what
    the continued fraction 1 / (x + (1/2) / (x + (2/2) / (x + ...))) leaves to 1 (Abramowitz and
    Stegun, Handbook of Mathematical Functions, 7.1.6 and 7.1.14).
    """
    if not np.iscomplexobj(x):
        return np.vectorize(math.erf, otypes=[np.float64])(x).astype(x.dtype)
    side = np.where(x.real < 0, -1, 1)
    far = np.abs(x.real) > SERIES
    near = _near(np.where(far, 0, side * x))
    return side * np.where(far, 1 - _erfc(np.where(far, side * x, SERIES)), near)


def _near(x: Array) -> Array:
    """The error function of complex numbers up to SERIES."""
    term = np.ones_like(x)
    total = np.ones_like(x)
    for n in range(1, TERMS):
        term = term * (2 * x**2 / (2 * n + 1))
        total = total + term
    return 2 / math.sqrt(math.pi) * x * np.exp(-(x**2)) * total


def _erfc(x: Array) -> Array:
    """1 - erf of complex numbers from SERIES on."""
    x = np.where(x.real > LARGEST, LARGEST, x)
    fraction = x
    for n in range(TERMS, 0, -1):
        fraction = x + n / 2 / fraction
    return np.exp(-(x**2)) / math.sqrt(math.pi) / fraction
