"""What was found, for a terminal, TensorBoard and other programs."""
