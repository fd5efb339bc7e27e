"""Modules that plot, show progress or fetch data, replaced where they are not installed by ones
that do nothing: a network's gradients do not depend on them."""

from __future__ import annotations

import dis
import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Iterator, Sequence

REPLACED = frozenset(
    "altair bokeh cv2 IPython imageio ipywidgets idx2numpy keras matplotlib mlxtend mnist "
    "mpl_toolkits openpyxl pandas PIL plotly pylab requests seaborn skimage sklearn tabulate "
    "tensorboardX tensorflow_datasets torchvision tqdm visdom wandb".split()
)


class Nothing:
    """What a replaced module gives for every name: it can be called, entered, indexed and looped
    over, and never does anything."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, *arguments: object, **_: object) -> object:
        """Nothing, but for what is called around something else: that is given back."""
        if self._name.startswith("tqdm") and arguments:
            return arguments[0]  # a bar is around what is looped over
        if len(arguments) == 1 and isinstance(arguments[0], types.FunctionType):
            return arguments[0]  # a decorator
        return self

    def __getattr__(self, name: str) -> Nothing:
        if name.startswith("__"):
            raise AttributeError(name)
        return Nothing(f"{self._name}.{name}")

    def __getitem__(self, _: object) -> Nothing:
        return self

    def __setitem__(self, _: object, value: object) -> None:
        pass

    def __iter__(self) -> Iterator[object]:
        """Nothing to loop over; but `figure, axes = plt.subplots()` gets as many as it wants."""
        frame = sys._getframe(1)
        code = frame.f_code.co_code
        wanted = 0
        if dis.opname[code[frame.f_lasti]] == "UNPACK_SEQUENCE":
            wanted = code[frame.f_lasti + 1]
        return iter([self] * wanted)

    def __len__(self) -> int:
        return 0

    def __enter__(self) -> Nothing:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class StandIn(types.ModuleType):
    """A module of that name which holds nothing."""

    def __getattr__(self, name: str) -> object:
        if name == "__path__":
            return []  # so that it may have modules under it
        if name == "__all__":
            return []
        if name.startswith("__"):
            raise AttributeError(name)
        return Nothing(f"{self.__name__}.{name}")


class StandIns(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Asked last of all that find modules, so only for what nobody has found.

    Attributes:
        used: the packages that were replaced so far, in the order of their first import.
    """

    def __init__(self) -> None:
        self.used: list[str] = []

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """A module for what is on the list, and None for everything else."""
        package = name.partition(".")[0]
        under_another = package in sys.modules and not isinstance(sys.modules[package], StandIn)
        if package not in REPLACED or under_another:
            return None
        if package not in self.used:
            self.used.append(package)
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        """An empty one."""
        return StandIn(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """There is nothing to execute."""
