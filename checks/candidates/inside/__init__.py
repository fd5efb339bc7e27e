"""What runs in a candidate's own process: NumPy, the standard library, and these files."""
