"""A card that is not there: tensors that say "card:0", lie in the CPU's memory, and refuse what a
card refuses.

They refuse to be mixed with tensors of the CPU, to be looked at or sent while a graph is recorded,
and memory that was freed since a graph was recorded; fresh memory is full of NaN. Whoever imports
this tells torch of a new device for good: it belongs into a process of its own.
"""

import weakref
from functools import partial

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

DEVICE = "card"
_setup_privateuseone_for_python_backend(DEVICE)
torch._C._set_only_lift_cpu_tensors(True)  # as_tensor(..., device="card") then goes by the CPU
CPU_GENERATOR = torch.Generator


class Generator(CPU_GENERATOR):
    """A generator for any device that draws as the CPU's."""

    def __new__(cls, device="cpu"):
        return CPU_GENERATOR.__new__(cls)


torch.Generator = Generator
WAITS = {"_local_scalar_dense", "equal", "nonzero", "masked_select"}  # for the card to be done
# which may take tensors of both: indices may lie on the CPU, and are sent over
CROSS = {"_to_copy", "copy_", "index", "index_put", "index_put_", "_index_put_impl_"}
ALIVE = weakref.WeakValueDictionary()  # the memory of every tensor of the card
recording = None  # the Recording that is being made


class OnCard(torch.Tensor):
    """A tensor of the card; `inner` is its memory."""

    def __new__(cls, inner):
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            inner.size(),
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=f"{DEVICE}:0",
        )
        made.inner = inner
        ALIVE[id(inner)] = inner
        return made

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        with torch._C.DisableTorchFunctionSubclass():
            result = func(*args, **(kwargs or {}))
        if func == torch.Tensor.data.__set__:
            args[0].inner = args[1].inner
        return result

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return carry_out(func, args, kwargs or {})


class Card(TorchDispatchMode):
    """While this lasts, operations that name the card as their device make tensors of it."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return carry_out(func, args, kwargs or {})


def tensors_in(*values):
    """Every tensor in nested arguments."""
    return [value for value in tree_leaves(values) if isinstance(value, torch.Tensor)]


def carry_out(func, args, kwargs):
    """Do an operation on the memory behind the card's tensors, if a card would do it."""
    if func.has_kernel_for_dispatch_key(torch._C.DispatchKey.CompositeImplicitAutograd):
        with Card():  # in inference mode torch leaves these whole
            return func.decompose(*args, **kwargs)
    name = func._schema.name.split("::")[1]
    device = kwargs.get("device")
    tensors = tensors_in(args, kwargs)
    on_card = [value for value in tensors if isinstance(value, OnCard)]
    elsewhere = [value for value in tensors if not isinstance(value, OnCard)]
    if not on_card and (device is None or device.type != DEVICE):
        return func(*args, **kwargs)
    leaves = name == "_to_copy" and device is not None and device.type == "cpu"
    crosses = leaves or (bool(elsewhere) and name in CROSS)
    scalars = torch.Tag.pointwise in func.tags and not any(value.dim() for value in elsewhere)
    if elsewhere and not crosses and not scalars:
        raise RuntimeError(f"{func}: tensors on two devices")
    waits = name in WAITS or torch.Tag.dynamic_output_shape in func.tags
    if recording and (crosses or waits):
        raise RuntimeError(f"{func}: not while a graph is recorded")
    args, kwargs = tree_map(_memory, (args, kwargs))
    if "device" in kwargs:
        kwargs["device"] = torch.device("cpu")
    run = partial(recording.run, func) if recording else lambda a, k: func(*a, **k)
    result = run(args, kwargs)
    if name.startswith(("empty", "new_empty")) and result.is_floating_point():
        result.fill_(float("nan"))  # whatever is read before it is written shows
    if leaves:
        return result
    known = {id(value.inner): value for value in on_card}
    view = func.is_view and bool(on_card) and not on_card[0].is_inference()
    return tree_map(partial(_wrapped, known, view), result)


def _memory(value):
    if isinstance(value, OnCard):
        return value.inner
    return value


def _wrapped(known, view, value):
    """A result as a tensor of the card: the argument itself, where it was changed in place."""
    if not isinstance(value, torch.Tensor):
        return value
    with torch.inference_mode(torch.is_inference_mode_enabled() and not view):
        if id(value) in known:
            return known[id(value)]
        return OnCard(value)


class Address:
    """Where a tensor lies, without keeping its memory alive."""

    def __init__(self, value):
        self._memory = StorageWeakRef(value.untyped_storage())
        self._dtype = value.dtype
        self._place = (value.storage_offset(), value.shape, value.stride())

    def tensor(self):
        """What lies there now."""
        if self._memory.expired():
            raise RuntimeError("a replay reads memory that was freed since it was recorded")
        store = torch.UntypedStorage._new_with_weak_ptr(self._memory.cdata)
        return torch.empty(0, dtype=self._dtype, device="cpu").set_(store, *self._place)


class Recording:
    """What a CUDA graph is: operations in order, by address. Recording does not run them; what they
    allocate is the graph's own."""

    def __init__(self, run):
        global recording
        self._operations = []
        self._own = {}
        stores = [value.untyped_storage() for value in ALIVE.values()]
        before = [(store, store.clone()) for store in stores]
        recording = self
        try:
            run()
        finally:
            recording = None
        with _disable_current_modes():
            for store, value in before:
                store.copy_(value)
            for store in self._own.values():
                store.fill_(255)

    def run(self, func, args, kwargs):
        """Note an operation; it is done, so that what follows can be noted, and undone at the
        end."""
        given = {value.untyped_storage().data_ptr() for value in tensors_in(args, kwargs)}
        result = func(*args, **kwargs)
        new = [v for v in tensors_in(result) if v.untyped_storage().data_ptr() not in given]
        self._own |= {v.untyped_storage().data_ptr(): v.untyped_storage() for v in new}
        if not func.is_view:
            addresses = tree_map(_addressed, (args, kwargs))
            self._operations.append((func, *addresses, [Address(value) for value in new]))
        return result

    def __call__(self):
        """Replay."""
        with _disable_current_modes(), torch.inference_mode(False), torch.no_grad():
            for func, *given, new in self._operations:
                args, kwargs = tree_map(_found, given)
                results = tree_leaves(func(*args, **kwargs))
                for address, value in zip(new, results, strict=False):
                    address.tensor().copy_(value)


def _addressed(value):
    if isinstance(value, torch.Tensor):
        return Address(value)
    return value


def _found(value):
    if isinstance(value, Address):
        return value.tensor()
    return value
