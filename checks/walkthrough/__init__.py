"""One sample with its numbers, equation by equation."""
