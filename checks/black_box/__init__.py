"""Gradients of any loss, of which nothing is known but its value: for other people's suites."""
