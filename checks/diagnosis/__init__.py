"""What is wrong with a candidate's answers: the first wrong step, the convention, the bug that
explains the numbers."""
