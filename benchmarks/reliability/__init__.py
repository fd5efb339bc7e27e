"""What becomes of a run, and of a command, when everything goes wrong: campaigns of trials, each a
process in a folder of its own."""
