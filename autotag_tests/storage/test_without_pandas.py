"""Each case in a process of its own: what Arrow knows of pandas holds for the whole process."""

import subprocess
import sys

CONVERT = "pa.table({'a': ['x', None], 'b': [[1], [2, 3]]}); pa.array(np.arange(3)).to_pylist()"


def told(code: str) -> str:
    """What the code prints, run after the switch."""
    whole = f"""
import sys
import numpy as np, pyarrow as pa
from autotag.storage.without_pandas import leave_pandas_alone
{code}"""
    done = subprocess.run([sys.executable, "-c", whole], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_arrow_converts_without_loading_pandas() -> None:
    assert told(f"leave_pandas_alone(); {CONVERT}; print('pandas' in sys.modules)") == "False"
    assert told(f"{CONVERT}; print('pandas' in sys.modules)") == "True"  # or the switch could go


def test_who_asks_for_pandas_still_gets_it_and_arrow_knows_it_again() -> None:
    code = "leave_pandas_alone(); print(len(pa.table({'a': [1, 2]}).to_pandas()), pa.lib._pandas_api.have_pandas)"
    assert told(code) == "2 True"


def test_pandas_that_is_loaded_stays_known() -> None:
    code = "import pandas as pd; leave_pandas_alone(); print(pa.array(pd.Series(['x', None])).null_count)"
    assert told(code) == "1"
