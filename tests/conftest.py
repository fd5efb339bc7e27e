"""Shapes in annotations are enforced in every test: importing model or checks installs jaxtyping's checks first."""

from jaxtyping import install_import_hook

install_import_hook(["model", "checks"], "beartype.beartype")
