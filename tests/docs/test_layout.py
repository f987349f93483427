"""Rules of the tree that no linter knows: where Streamlit may be imported, where pages may lie, what locks may say."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIB_FILES = sorted(p for p in (ROOT / "lib").rglob("*.py"))
PAGE_FILES = sorted((ROOT / "pages").rglob("*.py"))


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_no_page_lies_directly_in_pages_where_it_would_be_served_without_the_guard() -> None:
    assert PAGE_FILES
    assert [p.name for p in PAGE_FILES if p.parent == ROOT / "pages"] == []


def test_every_page_calls_the_guard_before_anything_else() -> None:
    for path in PAGE_FILES:
        body = ast.parse(path.read_text(encoding="utf-8")).body
        first = next(n for n in body if not isinstance(n, ast.Import | ast.ImportFrom | ast.Expr))
        assert "guard(Role." in ast.unparse(first), f"{path.relative_to(ROOT)} does something before guard()"


def test_pages_use_services_and_components_never_the_store_or_a_provider() -> None:
    below = ("lib.store", "lib.providers", "lib.usage", "lib.credentials", "lib.net", "sqlalchemy", "httpx")
    for path in PAGE_FILES:
        reached = {name for name in _imports(path) if name.startswith(below)}
        assert not reached, f"{path.relative_to(ROOT)} reaches down to {sorted(reached)}"


def test_settings_are_read_in_one_place_only() -> None:
    for path in LIB_FILES:
        if path.name != "settings.py":
            assert "os.environ" not in path.read_text(encoding="utf-8"), f"{path.relative_to(ROOT)} reads the environment itself"


def test_lock_files_pin_by_hash_and_name_no_index() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert not re.search(r"https?://|--index-url|--extra-index-url|--find-links", text), f"{name} names a host"
        pinned = re.findall(r"^[a-z0-9][\w.-]*==", text, flags=re.MULTILINE)
        assert pinned and len(pinned) <= text.count("--hash=sha256:"), f"{name} has a package without a hash"
