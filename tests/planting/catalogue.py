"""Every bug of the catalogue in every form that its wording admits: importing the files that list
them fills the catalogue."""

from __future__ import annotations

from planting import of_deltas, of_gradients, of_memory, of_output
from planting.place import CATALOGUE, Form, Place

__all__ = ["CATALOGUE", "Form", "Place", "of_deltas", "of_gradients", "of_memory", "of_output"]
