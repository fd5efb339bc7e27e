"""The same numbers from strangers, and what comes of comparing them."""
