"""Bugs that are planted in tests of their own, and by no generator of whole files."""

import activations

# planted by tests/test_bugs_of_lines.py
OF_LINES = {"weight-for-input", "loop-overwrites", "update-line"}
# planted by tests/test_slips.py
SLIPS = {
    "derivative-slip",
    "mask-slip",
    "output-derivative-slip",
    "error-slip",
    "z-for-input",
    "other-delta",
    "own-output-for-input",
    "bias-from-weights",
    "weights-left-out",
}
ELSEWHERE = {*activations.BUGS, "softmax-in-hidden", "dot-for-outer", *OF_LINES, *SLIPS}
