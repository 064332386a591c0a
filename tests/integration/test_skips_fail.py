"""A test that does not run, however it is left out, fails the run; one for a reason on the list does not."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
HIDDEN = {
    "whole_file": "import pytest\npytest.importorskip('no_such_module_anywhere')\ndef test(): assert False\n",
    "said_inside": "import pytest\ndef test(): pytest.skip('no time')\n",
    "marked": "import pytest\n@pytest.mark.skipif(True, reason='not here')\ndef test(): assert False\n",
    "expected_to_fail": "import pytest\n@pytest.mark.xfail\ndef test(): assert False\n",
}
ALLOWED = "import pytest\ndef test(): pytest.skip('SCREENTEST_TEST_DATA is not set: name it')\ndef test_other(): pass\n"


def test_every_way_to_leave_a_test_out_fails_the_run(tmp_path: Path) -> None:
    for name, text in {**HIDDEN, "allowed": ALLOWED}.items():
        (tmp_path / f"test_{name}.py").write_text(text, encoding="ascii")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="ascii")
    # As `make test` runs them: the reports come from other processes.
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-n",
        "1",
        "-p",
        "tests.conftest",
        "-p",
        "no:cacheprovider",
        str(tmp_path),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, done.stdout
    told = re.findall(r"skip outside tests/skips_allowed\.txt: .*test_(\w+)\.py", done.stdout)
    assert sorted(told) == sorted(HIDDEN)
    assert "1 passed, 4 skipped, 1 xfailed" in done.stdout
