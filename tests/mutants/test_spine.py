"""Is the list of mutants still about this code, and in the documents?"""

from pathlib import Path

import pytest

from tests.mutants.__main__ import ROOT
from tests.mutants.spine import SPINE, Mutant


@pytest.mark.parametrize("mutant", SPINE, ids=lambda mutant: mutant.name)
def test_mutant_changes_one_place_and_names_a_test_that_is_there(mutant: Mutant) -> None:
    assert (ROOT / mutant.path).read_text().count(mutant.before) == 1
    path, _, name = mutant.test.partition("::")
    assert f"def {name}(" in (ROOT / path).read_text() if name else Path(ROOT / path).is_file()


def test_every_mutant_stands_in_the_documents_with_its_test() -> None:
    table = (ROOT / "docs" / "reliability.md").read_text()
    missing = [
        mutant.name
        for mutant in SPINE
        if f"| `{mutant.name}` | {mutant.promise} | `{mutant.test.rpartition('::')[2]}` |" not in table
    ]
    assert missing == []
