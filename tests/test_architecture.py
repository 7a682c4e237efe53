"""The rules of the house that a machine can check: imports, cycles, sizes, and that tests say what they show."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("schemas", "model", "worker")
STAGES = ("consume", "fetch", "decode", "batch", "recall", "infer", "read", "enrich", "publish")
EDGE = (
    "app",
    "build",
    "models",
    "cli",
    "settings",
    "sources",
    "kafka.config",
    "kafka.admin",
    "doctor",
    "tag_lines",
    "replay",
    "stream",
    "replays.guest",
)
MAX_FILE_LINES, MAX_FUNCTION_LINES = 400, 50
# A preset names reference models as well, which are trained apart from all else.
BOTH_WAYS = {("model.reference", "model.training"), ("model.training", "model.reference")}
# Pure files that any stage may use; DESIGN.md names them.
PURE = {"worker.batch", "worker.enrich"}


def files() -> dict[str, Path]:
    """Every module of the product, by name."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


def imports(path: Path, *, top_level_only: bool = False) -> Iterator[str]:
    """Modules that a file imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


MODULES = files()


@pytest.mark.parametrize("name", MODULES)
def test_packages_import_downwards(name: str) -> None:
    """schemas imports nothing of ours, model nothing of schemas or worker, nobody imports tests or deploy."""
    forbidden = {"schemas": ("model", "worker"), "model": ("schemas", "worker"), "worker": ()}[name.split(".")[0]]
    used = {module.split(".")[0] for module in imports(MODULES[name])}
    assert not used & {*forbidden, "tests", "deploy"}


@pytest.mark.parametrize("name", [name for name in MODULES if name.split(".")[0] == "schemas"])
def test_schemas_need_pydantic_alone(name: str) -> None:
    """Whoever reads our events can take the schemas without the worker's dependencies."""
    used = {module.split(".")[0] for module in imports(MODULES[name])}
    assert used <= {"schemas", "pydantic", "pydantic_core", *sys.stdlib_module_names}


@pytest.mark.parametrize("name", [f"worker.{stage}" for stage in STAGES])
def test_stages_do_not_import_stages(name: str) -> None:
    """A stage knows nouns and pure files, never another stage: the pipeline alone knows their order."""
    others = {f"worker.{stage}" for stage in STAGES} - {name} - PURE
    assert not others & set(imports(MODULES[name]))


def test_only_the_edge_reads_settings() -> None:
    """Stages receive values, not settings."""
    readers = {name for name, path in MODULES.items() if "worker.settings" in imports(path)}
    inside = {
        name
        for name in readers
        if name.startswith("worker.") and not name.startswith(("worker.commands", "worker.demo", "worker.benching"))
    }
    assert {name.removeprefix("worker.") for name in inside} <= set(EDGE)


def test_imports_have_no_cycles() -> None:
    """No module imports itself by a detour."""
    graph = {
        name: {one for one in imports(path, top_level_only=True) if one in MODULES} for name, path in MODULES.items()
    }
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, " -> ".join((*above, name))
        if name not in done:
            for used in graph[name]:
                visit(used, (*above, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def _room(name: str) -> str:
    """The package inside a package that a module stands in, or nothing."""
    package, _, rest = name.partition(".")
    return f"{package}.{rest.split('.')[0]}" if (ROOT / package / rest.split(".")[0]).is_dir() else ""


def test_rooms_import_one_way() -> None:
    """Of two rooms one knows the other, at most: what each is for can be read without the other."""
    pairs = {(_room(name), _room(used)) for name, path in MODULES.items() for used in imports(path) if used in MODULES}
    rooms = {(one, other) for one, other in pairs if one and other and one != other}
    assert {(one, other) for one, other in rooms if (other, one) in rooms} == BOTH_WAYS


@pytest.mark.parametrize("name", MODULES)
def test_files_and_functions_stay_small(name: str) -> None:
    """A file that outgrows 400 lines, or a function 50, has become two things."""
    text = MODULES[name].read_text(encoding="utf-8")
    assert text.count("\n") <= MAX_FILE_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < MAX_FUNCTION_LINES, node.name


def test_no_file_is_named_after_nothing() -> None:
    """A file called utils has no owner."""
    assert not [name for name in MODULES if name.split(".")[-1] in ("utils", "common", "helpers")]


def test_tests_say_what_they_show_and_fake_nothing_of_ours() -> None:
    """Every test has a docstring, and none uses mocks or sleeps."""
    for path in (ROOT / "tests").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "unittest.mock" not in text or path == Path(__file__), path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                assert ast.get_docstring(node), f"{path.name}: {node.name}"
                sleeps = [ast.unparse(one) for one in ast.walk(node) if isinstance(one, ast.Call)]
                sleeps = [call for call in sleeps if ".sleep(" in call and call != "asyncio.sleep(0)"]
                assert not sleeps, f"{path.name}: {node.name}"


def test_nothing_is_unpickled() -> None:
    """Weights and messages are data: no module unpickles."""
    assert not [name for name, path in MODULES.items() if {"pickle", "dill", "joblib"} & set(imports(path))]
