"""The rehearsal that a process goes through while it waits for its task."""

from __future__ import annotations

import os
import sys

from wherry.runtime import main


def test_a_rehearsal_leaves_nothing(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    main.rehearse()  # what is imported at its first use stays
    before = dict(os.environ), sys.modules["__main__"], set(sys.modules)
    main.rehearse()
    assert (dict(os.environ), sys.modules["__main__"], set(sys.modules)) == before
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")
