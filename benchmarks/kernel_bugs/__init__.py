"""Kernels as they have been got wrong, by kind."""

from benchmarks.kernel_bugs import (
    activations,
    layers,
    losses,
    norms,
    sequences,
    told_layers,
    told_losses,
)
from benchmarks.kernel_bugs.kernel import Bug, Kernel

__all__ = ["KERNELS", "Bug", "Kernel"]

KERNELS = [
    *losses.KERNELS,
    *norms.KERNELS,
    *activations.KERNELS,
    *sequences.KERNELS,
    *layers.KERNELS,
    *told_losses.KERNELS,
    *told_layers.KERNELS,
]
