"""A script's network, recognised by what its lines compute, and whether its steps are right."""
