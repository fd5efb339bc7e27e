"""What TensorBoard reads: summaries, pictures, the graph, the projector, and the event file that
holds them."""
