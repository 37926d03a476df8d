"""docs/structure.md is the map of the code, so it must show all of it."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_module_has_its_line() -> None:
    modules = {
        path.relative_to(ROOT / "octupus").as_posix()
        for path in (ROOT / "octupus").rglob("*.py")
        if path.name != "__init__.py"
    }
    listed = re.findall(r"^\| `([\w/]+\.py)` \| \S", (ROOT / "docs" / "structure.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(modules)
