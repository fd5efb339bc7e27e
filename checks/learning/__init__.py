"""Why a network does not learn although its gradients are right, and what can be measured of
that."""
