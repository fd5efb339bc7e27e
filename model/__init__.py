"""The network that beginners write by hand, in PyTorch. Importing the package itself imports
nothing heavy."""
