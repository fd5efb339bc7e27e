"""Many candidates: in parallel, each with its feedback, in one table."""
