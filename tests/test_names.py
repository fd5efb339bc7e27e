"""The black-box checks live beside a module of somebody's own that is called `model`, as many
are."""

import subprocess
import sys

from command import ROOT

USE = """
import torch
from backproof import assert_gradients, check_function
x = torch.linspace(-1, 1, 6).reshape(2, 3).requires_grad_()
of_loss = assert_gradients(lambda: x.sigmoid().sum(), {"x": x})
of_function = check_function(torch.exp, torch.exp, (x,))
print(of_loss.outcome, of_function.outcome)
import model
print(model.MINE)
"""


def test_a_model_of_one_s_own_does_not_disturb(tmp_path):
    (tmp_path / "model.py").write_text("MINE = 3\n")
    program = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]\n{USE}"
    done = subprocess.run(
        [sys.executable, "-P", "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("pass pass\n3\n", "")
