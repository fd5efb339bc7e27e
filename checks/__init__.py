"""Proof that the gradients are right. Importing the package itself imports nothing; `python -m checks` runs it."""
