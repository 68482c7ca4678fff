"""Whatever the pages for people name must be there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [
    *(ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CHANGELOG.md", "deployments/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "deployments" / "keeping.md",
    ROOT / "inr" / "FORMAT.md",
    ROOT / "tasks" / "catalogue" / "CATALOGUE.md",
]
README_BYTES = 8000
LINK = re.compile(r"\]\(([^)#\s]+)(#[^)\s]+)?\)")
PATH = re.compile(r"`((?:inr|tasks|flows|deployments|benchmarks|tests|docs)/[\w/.*-]+)`")
TARGET = re.compile(r"`make ([a-z][a-z0-9-]*)")


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        path = page.parent / target
        assert path.exists(), target
        assert not anchor or anchor[1:] in anchors(path), f"{target}{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_in_the_text_exists(page: Path) -> None:
    if page.name == "CHANGELOG.md":
        return  # it speaks of what was
    for path in PATH.findall(page.read_text(encoding="utf-8")):
        assert list(ROOT.glob(path.rstrip("/"))), path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_exists(page: Path) -> None:
    made = re.findall(r"^([a-z][a-z0-9-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(TARGET.findall(page.read_text(encoding="utf-8"))) <= set(made)


def test_every_page_of_results_has_a_title_of_its_own_and_is_linked() -> None:
    pages = list((ROOT / "benchmarks" / "results").glob("*.md"))
    titles = [page.read_text(encoding="utf-8").partition("\n")[0] for page in pages]
    assert len(set(titles)) == len(pages)
    linked = {target for page in PAGES for target, _ in LINK.findall(page.read_text(encoding="utf-8"))}
    assert {page.name for page in pages} <= {Path(target).name for target in linked}


def test_the_readme_is_short() -> None:
    assert (ROOT / "README.md").stat().st_size <= README_BYTES


def test_the_house_of_the_readme_has_every_room_and_no_other() -> None:
    [house] = re.findall(r"## The house\n\n```\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    told, floor = set(), ""
    for indent, name, words in re.findall(r"^( *)(\w+)/ +(.+)$", house, re.MULTILINE):
        floor = floor if indent else name
        told.add(f"{floor}/{name}" if indent else name)
        if name == "flows":
            assert all((ROOT / "flows" / f"{module}.py").is_file() for module in words.split(", "))
    floors = ("inr", "tasks", "flows")
    rooms = {
        f"{floor}/{room.parent.name}" for floor in floors for room in ROOT.glob(f"{floor}/*/__init__.py")
    }
    assert told == rooms | {*floors, "docs", "deployments", "benchmarks", "tests"}
