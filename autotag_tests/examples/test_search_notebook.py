"""examples/search.ipynb: stored without outputs, and every cell runs on the demo's data."""

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "examples" / "search.ipynb"
CELL_S = 240


def read() -> nbformat.NotebookNode:
    return nbformat.read(NOTEBOOK, as_version=4)


def test_it_is_a_notebook_without_outputs() -> None:
    notebook = read()
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert cells
    assert all(not cell.outputs and cell.execution_count is None for cell in cells)


def test_it_names_no_place_of_a_machine() -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert "/home/" not in text
    assert str(NOTEBOOK.parents[1]) not in text


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_cell_runs(demo: Path) -> None:
    notebook = read()
    client = NotebookClient(
        notebook, timeout=CELL_S, kernel_name="python3", resources={"metadata": {"path": str(demo.parent)}}
    )
    client.execute(env={**os.environ, "DEMO_DIR": str(demo)})
    shown = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in shown) >= 8
    printed = "".join(
        output.text for output in shown if output.output_type == "stream" and output.name == "stdout"
    )
    assert "nothing: the best image scores" in printed
    assert "/docs" in printed
