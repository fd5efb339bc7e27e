"""The texts that ship with the package, for a terminal: the equations, and the example files."""
