"""The checker as it was installed, on files of every kind: each must get its verdict, on any
system.

    python .github/workflows/smoke.py
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

RIGHT = """
import numpy as np


def gradients(W, b, x, y):
    a = [x]
    for w, c in zip(W[:-1], b[:-1]):
        a.append(1 / (1 + np.exp(-(a[-1] @ w.T + c))))
    z = a[-1] @ W[-1].T + b[-1]
    e = np.exp(z - z.max(axis=1, keepdims=True))
    dz = (e / e.sum(axis=1, keepdims=True) - np.eye(len(b[-1]))[y]) / len(x)
    dW, db = [], []
    for i in range(len(W) - 1, -1, -1):
        dW.insert(0, dz.T @ a[i])
        db.insert(0, dz.sum(axis=0))
        dz = dz @ W[i] * a[i] * (1 - a[i])
    return dW, db
"""
# a file's name -> its source, and what its verdict and its statement must hold
FILES = {
    "right": (RIGHT, "pass", ""),
    "accents": ("# Überprüfung, 検査\n" + RIGHT, "pass", ""),
    "prints": (RIGHT.replace("    return dW", "    print('loss'); return dW"), "pass", ""),
    "sign": (RIGHT.replace("dz.T @ a[i])", "-dz.T @ a[i])"), "fail", ""),
    "hangs": (RIGHT.replace("    a = [x]", "    while True: pass"), "fail", "line 6 of hangs.py"),
    "crashes": (RIGHT.replace("    a = [x]", "    import os; os.abort()"), "fail", "gradients"),
    "greedy": (
        RIGHT.replace("    a = [x]", "    kept = [np.ones(10**7) for _ in range(10**9)]"),
        "fail",
        "gradients",
    ),
}


def main() -> int:
    """Check all of them at once, and compare."""
    with tempfile.TemporaryDirectory() as folder:
        for name, (source, _, _) in FILES.items():
            Path(folder, f"{name}.py").write_text(source, encoding="utf-8")
        names = [f"{name}.py" for name in FILES]
        command = [sys.executable, "-m", "backproof", "check", *names, "--json"]
        done = subprocess.run(
            command, cwd=folder, capture_output=True, encoding="utf-8", check=False
        )
    print(done.stdout, done.stderr)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    wrong = [
        one["candidate"]
        for one, (_, verdict, words) in zip(found, FILES.values(), strict=True)
        if one["verdict"] != verdict or words not in one["diagnosis"]["statement"]
    ]
    print(f"exit code {done.returncode}; unexpected: {wrong or 'none'}")
    return int(bool(wrong) or done.returncode != 1)


if __name__ == "__main__":
    raise SystemExit(main())
