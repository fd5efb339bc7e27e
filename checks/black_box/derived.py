"""Functions made of a function: its gradients as a function of what goes in and is sent back, for
second derivatives; and its change along tangents, for forward mode."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from backproof.checks.black_box.function_call import Call, Function
from backproof.checks.black_box.pytrees import (
    Leaf,
    differentiable,
    name_inputs,
    name_outputs,
    rebuilt,
)

SENT = "what is sent back through "
TANGENT = "tangent of "


class DerivedCall(Call):
    """A call of a function that gets the arguments of another, and further tensors.

    Args:
        call: of the other.
        extra: the further tensors, by name.
    """

    def __init__(self, call: Call, extra: Sequence[Leaf]) -> None:
        super().__init__(call.inputs, call.keywords, None, call.sent_back.seed + 1)
        self.own = len(call.leaves)
        self.leaves = [*call.leaves, *extra]
        self.names = [leaf.name for leaf in self.leaves if differentiable(leaf.value)]
        self.draws = call.draws

    def called(self, function: Function, inputs: list[Any]) -> Any:
        """What the function returns for the arguments of the other, and the further tensors."""
        if self.draws:
            self.draws.restore()
        positional, keywords = rebuilt(self.inputs, self.keywords, inputs[: self.own])
        return function(positional, keywords, inputs[self.own :])


def second_order(call: Call, outputs: Mapping[str, Tensor]) -> DerivedCall:
    """The arguments of `gradients_of`: those of the function, and a gradient for each output."""
    sent = [
        Leaf(SENT + name, call.gradient_for(name, value, None))
        for name, value in outputs.items()
        if differentiable(value)
    ]
    derived = DerivedCall(call, sent)
    derived.wanted = [*call.wanted, *(leaf.name for leaf in sent)]
    return derived


def gradients_of(function: Function, wanted: Sequence[str]) -> Function:
    """The gradients of a function by some of its inputs, as a function that can be differentiated
    again."""

    def gradients(
        positional: Sequence[Any], keywords: Mapping[str, Any], sent: Sequence[Tensor]
    ) -> dict[str, Tensor]:
        given = {leaf.name: leaf.value for leaf in name_inputs(positional, keywords)}
        outputs = [
            leaf.value
            for leaf in name_outputs(function(*positional, **keywords))
            if differentiable(leaf.value)
        ]
        pairs = [
            (value, back) for value, back in zip(outputs, sent, strict=True) if value.requires_grad
        ]
        by = [given[name] for name in wanted]
        found = torch.autograd.grad(
            [value for value, _ in pairs],
            by,
            [back for _, back in pairs],
            create_graph=True,
            allow_unused=True,
        )
        return {
            name: torch.zeros_like(value) if gradient is None else gradient
            for name, value, gradient in zip(wanted, by, found, strict=True)
        }

    return gradients


def load_forward_mode() -> None:
    """Let torch load what it needs for forward mode: it warns of its own deprecations then, which
    are errors in a suite that is strict about warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        importlib.import_module("torch._decomp.decompositions_for_jvp")


def forward_mode(call: Call) -> DerivedCall:
    """The arguments of `tangents_of`: those of the function, and a tangent for each that is
    differentiated by."""
    load_forward_mode()
    tangents = [
        Leaf(TANGENT + leaf.name, call.gradient_for(leaf.name, leaf.value, None))
        for leaf in call.leaves
        if leaf.name in call.wanted
    ]
    derived = DerivedCall(call, tangents)
    derived.wanted = []
    return derived


def tangents_of(function: Function, wanted: Sequence[str]) -> Function:
    """How the outputs of a function change along tangents of some of its inputs, in forward
    mode."""

    def tangents(
        positional: Sequence[Any], keywords: Mapping[str, Any], along: Sequence[Tensor]
    ) -> dict[str, Tensor]:
        leaves = name_inputs(positional, keywords)
        remaining = list(along)
        with forward_ad.dual_level():
            duals = [
                forward_ad.make_dual(leaf.value, remaining.pop(0))  # type: ignore[no-untyped-call]
                if leaf.name in wanted
                else leaf.value
                for leaf in leaves
            ]
            changed, named = rebuilt(positional, keywords, duals)
            found = {}
            for leaf in name_outputs(function(*changed, **named)):
                if not differentiable(leaf.value):
                    continue
                primal, tangent = forward_ad.unpack_dual(leaf.value)  # type: ignore[no-untyped-call]
                if tangent is None:
                    tangent = torch.zeros_like(primal)
                found[leaf.name] = tangent.detach().clone()
        return found

    return tangents


def tangents_by_reverse_mode(function: Function, wanted: Sequence[str]) -> Function:
    """The same by going back twice: the gradient is linear in what is sent back, and its own
    gradient by that is the change along the tangents."""

    def tangents(
        positional: Sequence[Any], keywords: Mapping[str, Any], along: Sequence[Tensor]
    ) -> dict[str, Tensor]:
        fresh = [
            leaf.value.detach().requires_grad_() if leaf.name in wanted else leaf.value
            for leaf in name_inputs(positional, keywords)
        ]
        again, named = rebuilt(positional, keywords, fresh)
        given = {leaf.name: leaf.value for leaf in name_inputs(again, named)}
        found = {}
        for leaf in name_outputs(function(*again, **named)):
            if not differentiable(leaf.value):
                continue
            found[leaf.name] = torch.zeros_like(leaf.value).detach()
            if not leaf.value.requires_grad:
                continue
            sent = torch.ones_like(leaf.value).detach().requires_grad_()
            by = [given[name] for name in wanted]
            gradients = torch.autograd.grad(
                leaf.value, by, sent, create_graph=True, allow_unused=True
            )
            pairs = [
                (gradient, tangent)
                for gradient, tangent in zip(gradients, along, strict=True)
                if gradient is not None and gradient.requires_grad
            ]
            if pairs:
                (change,) = torch.autograd.grad(
                    [gradient for gradient, _ in pairs],
                    sent,
                    [tangent for _, tangent in pairs],
                    allow_unused=True,
                )
                if change is not None:
                    found[leaf.name] = change.detach()
        return found

    return tangents
