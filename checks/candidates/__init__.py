"""Somebody's own implementation: loaded, asked in a process of its own, its conventions translated,
its feedback written."""
