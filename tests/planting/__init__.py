"""Candidates as strangers write them: whole source files in several styles, with bugs written in as
edits of single lines.

Nothing here is shared with checks/bugs/ or with tests/planted.py: those who write a checker's test
cases tend to make the mistakes that the checker knows. Every form follows from a sentence of the
catalogue and from how the style would put it.
"""
