"""Where the arithmetic happens."""

import torch

from model.command_line import BadInput


def usable(name: str) -> str:
    """The device to use for "auto", "cpu" or "cuda".

    Raises: BadInput where CUDA is asked for and there is none.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise BadInput(
            f"--device: expected a CUDA device, got a machine where torch {torch.__version__} sees none. Use --device cpu."
        )
    return name
