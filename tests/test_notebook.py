"""The notebook runs from top to bottom, and is committed with what it shows."""

from pathlib import Path

import nbclient
import nbformat
import pytest

NOTEBOOK = Path(__file__).parent.parent / "experiments" / "tour.ipynb"


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_the_notebook_is_committed_with_its_results():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert [cell.execution_count for cell in code_cells(notebook)] == list(
        range(1, len(code_cells(notebook)) + 1)
    )
    assert all(cell.outputs for cell in code_cells(notebook)[1:])
    kinds = {output.output_type for cell in code_cells(notebook) for output in cell.outputs}
    assert "error" not in kinds


@pytest.mark.slow
def test_the_notebook_runs_from_one_network_to_a_million():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    said = [cell.outputs for cell in code_cells(notebook)]
    place = {"metadata": {"path": "."}}
    client = nbclient.NotebookClient(notebook, timeout=300, resources=place, coalesce_streams=True)
    client.execute()
    assert "1,000,000 runs" in str(code_cells(notebook)[-2].outputs)
    for before, cell in zip(said, code_cells(notebook), strict=True):
        assert kinds_of(before) == kinds_of(cell.outputs)


def kinds_of(outputs):
    """What a cell shows, but its progress: of that there is none where it was quick."""
    return [each.output_type for each in outputs if "bpjax-progress" not in str(each)]
