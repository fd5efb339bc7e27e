"""TeX as it stands in EQUATIONS.md -> the same formula in one line of Unicode, for a terminal.

Only what the page uses: fractions, roots of names, Greek letters, sums, sub- and superscripts.
A command that is not known keeps its name, so that nothing disappears.
"""

from __future__ import annotations

import re

SIGNS = {
    "partial": "∂", "sum": "Σ", "prod": "Π", "sigma": "σ", "delta": "δ", "eta": "η", "ell": "ℓ",
    "lambda": "λ", "alpha": "α", "beta": "β", "pi": "π", "phi": "φ", "Phi": "Φ", "mu": "μ",
    "epsilon": "ε", "kappa": "κ", "cdot": "·", "times": "×", "le": "≤", "lt": "<", "ge": "≥",
    "gt": ">", "ne": "≠", "neq": "≠", "approx": "≈", "dots": "...", "ldots": "...", "to": "→",
    "infty": "∞", "pm": "±", "quad": "  ", "qquad": "    ", "in": "∈", "odot": "⊙", "top": "ᵀ",
    "ln": "ln", "log": "log", "exp": "exp", "max": "max", "min": "min", "tanh": "tanh",
    "operatorname": "", "mathcal": "", "mathrm": "", "mathbf": "", "text": "", "left": "",
    "right": "", "big": "", "Big": "", "bigl": "", "bigr": "", "displaystyle": "",
}  # fmt: skip
SPACES = re.compile(r"\\[,;:! ]")
COMMAND = re.compile(r"\\([A-Za-z]+)")
BRACES = re.compile(r"([_^])\{([^{}]*)\}")
SUM = re.compile(r"[+\-=]")
SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def as_unicode(formula: str) -> str:
    """One formula, without its dollar signs, in one line.

    Args:
        formula: TeX, such as r"\\frac{\\partial \\ell}{\\partial z_j}".
    Returns: such as "∂ℓ/∂z_j".
    """
    text = _fractions(" ".join(formula.split()))
    text = SPACES.sub(" ", text.replace(r"\\", "\n"))
    text = COMMAND.sub(lambda command: SIGNS.get(command[1], command[1]), text)
    text = re.sub(r"_\{?(\d)\}?(?!\w)", lambda index: index[1].translate(SUBSCRIPTS), text)
    text = re.sub(r"\^\{\((\w+)\)\}", r"[\1]", text)
    text = _indices(text).replace("{", "").replace("}", "")
    text = re.sub(r"([∂Σ])\s+(?=\w)", r"\1", text)
    return re.sub(r" {2,}", " ", text).strip()


def _indices(text: str) -> str:
    """Sub- and superscripts without their braces, the innermost first: in parentheses where it
    would not be clear how far they go."""
    while found := BRACES.search(text):
        mark, inner = found.groups()
        clear = re.fullmatch(r"\w+", inner) if mark == "_" else len(inner) == 1
        shown = inner if clear else f"({inner})"
        text = f"{text[: found.start()]}{mark}{shown}{text[found.end() :]}"
    return text


def _fractions(text: str) -> str:
    """Every fraction as a quotient, the innermost first."""
    while (start := text.rfind(r"\frac")) >= 0:
        above, after = _group(text, start + len(r"\frac"))
        below, end = _group(text, after)
        numerator = _in_parentheses(above) if SUM.search(above.lstrip("- ")) else above
        denominator = _in_parentheses(below) if _is_product_or_sum(below) else below
        text = f"{text[:start]}{numerator}/{denominator}{text[end:]}"
    return text


def _group(text: str, start: int) -> tuple[str, int]:
    """The contents of the braces that open at a place, and where they have closed."""
    while text[start] == " ":
        start += 1
    if text[start] != "{":
        return text[start], start + 1
    depth = 0
    for place in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return text[start + 1 : place], place + 1
    return text[start + 1 :], len(text)


def _in_parentheses(text: str) -> str:
    """The same, so that a quotient beside it divides all of it."""
    return f"({text})"


def _is_product_or_sum(text: str) -> bool:
    """Whether dividing by it needs parentheses: it is more than one name with its indices."""
    bare = re.sub(r"\\(partial|mathcal)\b", "", text)
    bare = re.sub(r"[_^]\s*(\{[^{}]*\}|\w)", "", bare).strip()
    return re.fullmatch(r"\\?\w+|\{\w+\}", bare) is None
