"""A dispatch mode that does not load torch's compiler where nobody has.

torch wraps the method of every such mode so that its compiler does not trace it, and loads the
compiler for that at the first operation: seconds, and hundreds of modules. Where code under test is
compiled, the compiler is there by the time that a mode is made, for the code was called before.
"""

from __future__ import annotations

import sys

from torch._compile import _disable_dynamo
from torch.utils._python_dispatch import TorchDispatchMode


class DispatchMode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """What modes inherit from; the compiler is told to leave them alone when it is there."""

    hidden = False  # from the compiler; of each class that has a method of its own

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        kind = type(self)
        if "torch._dynamo" in sys.modules and "hidden" not in kind.__dict__:
            kind.hidden = True
            method = kind.__torch_dispatch__
            kind.__torch_dispatch__ = _disable_dynamo(method, recursive=True)  # type: ignore[method-assign]

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Asked by torch when a class is made; False leaves its method as it is."""
        return False
