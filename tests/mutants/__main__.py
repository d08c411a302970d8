"""`./scripts/mutants`: break the spine in each known way, in a copy, and see that a test fails. Exit 1 if none does."""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.mutants.spine import SPINE, Mutant

ROOT = Path(__file__).parents[2]
PARTS = ("bridge", "connectors", "sandbox", "templates_registry", "tests", "webhooks", "pyproject.toml")
TESTS_FAILED = 1
"""What pytest returns when tests ran and some failed."""


def copy_to(folder: Path) -> None:
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / part)


def run_test(mutant: Mutant, folder: Path) -> subprocess.CompletedProcess[str]:
    # Ahead of the installed package, for the processes that tests start as well.
    environ = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    chosen = ("-k", mutant.only) if mutant.only else ()
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", mutant.test, *chosen],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )


def is_noticed(mutant: Mutant, folder: Path) -> bool:
    """Does the test fail with the mutant, and pass without it?"""
    path = folder / mutant.path
    sound = path.read_text()
    path.write_text(sound.replace(mutant.before, mutant.after))
    try:
        broken = run_test(mutant, folder)
    finally:
        path.write_text(sound)
    whole = run_test(mutant, folder)
    for what, done in (("with it", broken), ("without it", whole)):
        summary = re.sub(r"^=+|=+$", "", (done.stdout.strip().splitlines() or ["no output"])[-1]).strip()
        print(f"    {what}: {summary}", flush=True)
    return broken.returncode == TESTS_FAILED and whole.returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="./scripts/mutants", description=__doc__)
    parser.add_argument("--only", metavar="NAME", choices=[mutant.name for mutant in SPINE], action="append")
    chosen = [mutant for mutant in SPINE if mutant.name in (parser.parse_args().only or [each.name for each in SPINE])]
    survivors = []
    with tempfile.TemporaryDirectory(prefix="deskbridge-m-") as name:
        copy_to(Path(name))
        for mutant in chosen:
            print(f"{mutant.name}: {mutant.promise}", flush=True)
            if not is_noticed(mutant, Path(name)):
                survivors.append(mutant.name)
    print(
        f"{len(chosen) - len(survivors)} of {len(chosen)} noticed"
        + (f"; not: {', '.join(survivors)}" if survivors else "")
    )
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
