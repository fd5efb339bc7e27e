"""What `train` asks for: gradients checked as a run goes, runs on disk, and the last lines."""
