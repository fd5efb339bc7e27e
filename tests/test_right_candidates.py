"""Right candidates in random conventions are passed, with no bug named, and what they do not
declare is named as a convention."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from command import checks
from right_candidates import right_candidate


def test_right_candidates_pass_and_what_they_do_not_declare_is_a_convention(tmp_path: Path) -> None:
    """A handful; `python tests/right_candidates.py 240 1` does hundreds."""
    written = [right_candidate(seed, undeclared) for seed in range(4) for undeclared in (0, 1, 2)]
    paths = [tmp_path / f"right_{i}.py" for i in range(len(written))]
    for path, candidate in zip(paths, written, strict=True):
        path.write_text(candidate.source)
    done = checks(*paths, "--json")
    assert done.code == 0
    for one, candidate in zip(done.objects, written, strict=True):
        assert one["diagnosis"]["bugs"] == []
        assert set(one["diagnosis"]["conventions"]) == set(candidate.undeclared)


def test_the_generator_repeats_itself_and_varies() -> None:
    sources = [right_candidate(seed).source for seed in range(50)]
    assert sources == [right_candidate(seed).source for seed in range(50)]
    assert len(np.unique(sources)) > 45
