"""What git holds: notebooks without outputs, with names for their cells and a solution for each exercise."""

import re

import pytest
from guided import FOLDER, NAMES, cell, read, solutions

GUIDED = [name for name in NAMES if not name.startswith("00")]


def test_every_notebook_in_the_folder_is_tested():
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == list(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_holds_nothing_that_a_run_leaves_behind(name):
    notebook = read(name)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]

    assert [cell.id for cell in code if cell.outputs or cell.execution_count is not None] == []
    assert [cell.id for cell in notebook.cells if set(cell.metadata) - {"tags", "jupyter"}] == []
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.kernelspec.name == "python3"
    assert notebook.metadata.language_info == {"name": "python"}, "Clear the outputs before you commit."


@pytest.mark.parametrize("name", NAMES)
def test_a_cell_has_a_name_that_a_person_can_read(name):
    names = [cell.id for cell in read(name).cells]

    assert [name for name in names if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name)] == []
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", GUIDED)
def test_a_guided_notebook_can_be_done_in_one_sitting(name):
    assert 20 <= len(read(name).cells) <= 30


@pytest.mark.parametrize("name", NAMES)
def test_a_solution_is_folded_and_belongs_to_an_exercise_with_a_placeholder(name):
    notebook = read(name)
    found = solutions(notebook)

    assert found
    for exercise, source in found.items():
        assert cell(notebook, f"{exercise}-solution").metadata.jupyter.source_hidden
        assert source.startswith("# One solution\n"), "JupyterLab shows the first line of a folded cell"
        assert "..." in cell(notebook, exercise).source


@pytest.mark.parametrize("name", NAMES)
def test_a_link_between_notebooks_leads_somewhere(name):
    texts = [cell.source for cell in read(name).cells if cell.cell_type == "markdown"]
    targets = re.findall(r"\]\(([^)#:]+)\)", "\n".join(texts))

    assert targets
    assert [target for target in targets if not (FOLDER / target).exists()] == []
