"""The laws of the house: who may import whom, who may import what, and what every file owes to its reader."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.third_party import DISTRIBUTIONS, THIRD_PARTY

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("image_core", "rvos", "tools", "tests", "benchmarks")

LAYERS: dict[str, tuple[tuple[str, ...], ...]] = {
    # The lowest layer first. A module (a file or folder of the package) imports only from layers below its own; the
    # files of a folder may import each other.
    "image_core": (
        ("__init__", "errors", "field_types", "progress", "sample"),
        (
            "device_names",
            "entries",
            "faults",
            "files",
            "identity",
            "lazy_table",
            "losses",
            "layers",
            "model_file",
            "state",
        ),
        ("device", "images", "ranges", "types", "vision_libraries"),
        ("geometry", "promptable"),
        ("hub",),  # below the encoders: SAM's is read through it
        ("answer", "building", "folder", "json_lines", "language", "metrics", "preprocessing", "encoders"),
        ("models", "data", "synthetic", "weights", "resampling"),
        ("checkpoint",),
        ("segmenter", "convert", "onnx_file"),
        ("mask_model",),
        ("evaluation",),
        ("training",),
        ("weak",),
        ("grounded",),
        ("adapters",),
    ),
    "rvos": (
        ("types",),
        ("view", "metrics"),
        ("video",),
        ("reading", "data"),
        ("tracking", "export"),
        ("imports", "parts", "synthetic"),
        ("watch", "image_model"),
        ("carriers", "system"),
        ("segmenter",),
        ("__init__", "run"),
        ("configuration", "evaluation", "app"),
        ("commands",),
        ("cli",),
    ),
}

OPEN_DOORS = {
    Path("rvos/__init__.py"),
    Path("image_core/lazy_table.py"),
    Path("image_core/mask_model.py"),
    Path("image_core/vision_libraries.py"),
}
"""They import by name: the package its own modules on first use, tables their entries, the model that a user wrote, and
torch's compiler where somebody compiles after all.
Anywhere else these tests would not see the import."""

EXTRAS = ("app", "onnx", "ray", "remote")
"""What the packages use where it is installed."""

LONGEST_FILE = 400
EMPTY_NAMES = {"common", "helper", "helpers", "misc", "util", "utils"}
FORBIDDEN_TEXT = {
    # Written so that no pattern matches itself.
    "a package registry": r"(?i)\bpy[p]i\b|python[h]osted|npm[j]s|conda\.an[a]conda|index[-_]u[r]l|/s[i]mple/",
    "a path of one machine": r"(?<![\w.])/(?:h[o]me|r[o]ot|U[s]ers|w[o]rk|o[p]t|m[n]t)/\w|\b[A-Z]:\\\\?U[s]ers|f[i]le:///",
}


@dataclass(frozen=True)
class Import:
    """One import statement's target: the line it stands on, and the full name of the module."""

    line: int
    module: str

    @property
    def package(self) -> str:
        return self.module.partition(".")[0]


def module_name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = sorted(path.relative_to(ROOT) for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
TREES = {path: ast.parse((ROOT / path).read_bytes(), str(path)) for path in SOURCES}
PACKAGED = [path for path in SOURCES if path.parts[0] in LAYERS]
MODULES = {module_name(path): path for path in SOURCES}


def imports_of(path: Path) -> Iterator[Import]:
    """Every import of a file, wherever it stands; `from package import module` names the module."""
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Import):
            yield from (Import(node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            home = "." * node.level + (node.module or "")
            inner = (f"{home}.{alias.name}" for alias in node.names)
            yield from (Import(node.lineno, name if name in MODULES else home) for name in inner)


def faces_of(path: Path) -> set[str]:
    """The packages whose own `__init__` a file runs by `from package import module`: a ring, where that face imports
    the file in turn."""
    named = [n.module for n in ast.walk(TREES[path]) if isinstance(n, ast.ImportFrom) and n.module]
    return {module for module in named if MODULES.get(module, path).name == "__init__.py"}


IMPORTS = {path: list(imports_of(path)) for path in SOURCES}


def module_of(path: Path) -> str:
    """The top-level file or folder of its package that a file lies in."""
    return path.parts[1] if len(path.parts) > 2 else path.stem


def level_of(path: Path) -> int | None:
    layers = LAYERS[path.parts[0]]
    return next((level for level, modules in enumerate(layers) if module_of(path) in modules), None)


def report(faults: Sequence[str]) -> None:
    assert not faults, "\n" + "\n".join(faults)


def listed_by_git(*options: str) -> list[Path]:
    """The files of the checkout; of an unpacked archive, all files that are not hidden."""
    if not (ROOT / ".git").exists():
        found = (path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file())
        return [path for path in found if not any(part.startswith((".", "__pycache__")) for part in path.parts)]
    command = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", *options]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return [Path(name) for name in names if name and (ROOT / name).is_file()]


def test_every_python_file_is_visited() -> None:
    files = {path for path in listed_by_git("--cached", "--others", "--exclude-standard") if path.suffix == ".py"}
    assert files and files <= set(SOURCES), sorted(map(str, files - set(SOURCES)))


def test_every_module_has_its_layer_and_every_layer_its_modules() -> None:
    modules = {(path.parts[0], module_of(path)) for path in PACKAGED}
    table = [(package, module) for package, layers in LAYERS.items() for layer in layers for module in layer]
    assert len(table) == len(set(table))
    assert modules == set(table)


def test_image_core_and_its_tests_never_import_rvos() -> None:
    still = [p for p in SOURCES if "image_core" in p.parts[:2]]
    report([f"{p}:{i.line}: imports {i.module}" for p in still for i in IMPORTS[p] if i.package == "rvos"])


def test_imports_go_down() -> None:
    faults = []
    for path in PACKAGED:
        for found in IMPORTS[path]:
            target = MODULES.get(found.module)
            if found.package != path.parts[0] or target is None or module_of(target) == module_of(path):
                continue
            mine, other = level_of(path), level_of(target)
            if mine is not None and other is not None and other >= mine:
                faults.append(f"{path}:{found.line}: imports {found.module}, which is not below '{module_of(path)}'")
    report(faults)


def test_there_are_no_cycles() -> None:
    graph = {
        module_name(path): {i.module for i in IMPORTS[path] if i.module in MODULES} | faces_of(path) for path in SOURCES
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_imports_are_absolute_named_and_static() -> None:
    faults = []
    for path, tree in TREES.items():
        faults += [f"{path}:{i.line}: relative import" for i in IMPORTS[path] if i.module.startswith(".")]
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
                faults.append(f"{path}:{node.lineno}: star import")
            if isinstance(node, ast.Call) and path in PACKAGED and path not in OPEN_DOORS:
                called = ast.unparse(node.func).rpartition(".")[2]
                faults += [f"{path}:{node.lineno}: {called}"] * (called in {"import_module", "__import__"})
    report(faults)


def third_party(path: Path) -> list[Import]:
    """Imports of packages that are neither Python's nor ours; our packages know of our other folders nothing."""
    ours = {*sys.stdlib_module_names, *(LAYERS if path in PACKAGED else FOLDERS)}
    if path.parts[0] == "tools":  # scripts see their neighbours
        ours |= {p.stem for p in SOURCES if p.parent == path.parent}
    return [i for i in IMPORTS[path] if i.package and i.package not in ours]


def test_third_party_packages_are_imported_only_where_the_table_says() -> None:
    faults, used = [], set()
    for path in PACKAGED:
        for found in third_party(path):
            places = [place for place in THIRD_PARTY.get(found.package, ()) if fnmatch(path.as_posix(), place)]
            used |= {(found.package, place) for place in places}
            if not places:
                faults.append(f"{path}:{found.line}: imports {found.package}")
    table = {(package, place) for package, places in THIRD_PARTY.items() for place in places}
    faults += [f"the table lets {package} into {place}: nobody there imports it" for package, place in table - used]
    report(faults)


def declared(*extras: str) -> set[str]:
    """Normalised names of what pyproject.toml asks for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *(r for extra in extras for r in project["optional-dependencies"][extra])]
    return {normalised(re.split(r"[\s\[<>=!~;]", requirement, maxsplit=1)[0]) for requirement in wanted}


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def distributions(paths: Sequence[Path]) -> set[str]:
    packages = {found.package for path in paths for found in third_party(path)}
    return {normalised(DISTRIBUTIONS.get(package, package)) for package in packages}


def test_dependencies_are_what_is_imported() -> None:
    assert distributions(PACKAGED) == declared(*EXTRAS)
    assert distributions(SOURCES) <= declared("dev", "docs", *EXTRAS)


def test_constraints_pin_every_dependency_and_nothing_of_one_machine() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9._]+", line)] == []
    pinned = [normalised(line.partition("==")[0]) for line in lines]
    assert len(pinned) == len(set(pinned)) and declared("dev", "docs", *EXTRAS) <= set(pinned)
    assert [name for name in pinned if name.startswith(("nvidia-", "cuda-")) or name in {"triton", "rvos"}] == []


def with_faces(module: str) -> list[str]:
    """A Python module of a package, and the packages above it, whose `__init__` runs before; that of our packages
    themselves loads on first use alone."""
    parts = module.split(".")
    return [".".join(parts[:depth]) for depth in range(2, len(parts) + 1)]


def closure(path: Path) -> set[Path]:
    """The files that a file imports, directly or not, at the top or inside functions."""
    seen, ahead = set(), [path]
    while ahead:
        here = ahead.pop()
        if here not in seen:
            seen.add(here)
            ahead += [MODULES[name] for i in IMPORTS[here] for name in with_faces(i.module) if name in MODULES]
    return seen


def test_training_under_torchrun_needs_no_video_reader() -> None:
    packages = {found.package for path in closure(Path("tools/train.py")) for found in third_party(path)}
    assert "accelerate" in packages and not {"av", "decord"} & packages


def test_no_file_is_long() -> None:
    lengths = {path: len((ROOT / path).read_bytes().splitlines()) for path in SOURCES}
    report([f"{path}: {n} lines, wanted at most {LONGEST_FILE}" for path, n in lengths.items() if n > LONGEST_FILE])


def test_names_say_what_is_inside() -> None:
    report([str(path) for path in SOURCES if EMPTY_NAMES & {part.lower() for part in path.with_suffix("").parts}])


def test_the_packages_are_typed() -> None:
    assert all((ROOT / package / "py.typed").is_file() for package in LAYERS)


def methods_of(node: ast.ClassDef) -> Iterator[ast.FunctionDef]:
    yield from (m for m in node.body if isinstance(m, ast.FunctionDef) and not m.name.startswith("_"))


def promised_methods() -> set[str]:
    """Names of the methods that an abstract class or a protocol of ours documents, and `forward`, which torch does."""
    classes = [n for path in PACKAGED for n in TREES[path].body if isinstance(n, ast.ClassDef)]
    promises = [n for n in classes if {"ABC", "Protocol"} & {ast.unparse(b).partition("[")[0] for b in n.bases}]
    return {"forward"} | {m.name for n in promises for m in methods_of(n) if ast.get_docstring(m)}


def test_what_is_public_is_documented() -> None:
    """Modules, public classes and functions, and their public methods, unless the promise they keep is documented."""
    faults, promised = [], promised_methods()
    for path in PACKAGED:
        if not ast.get_docstring(TREES[path]):
            faults.append(f"{path}:1: module")
        for node in TREES[path].body:
            if not isinstance(node, ast.ClassDef | ast.FunctionDef) or node.name.startswith("_"):
                continue
            if not ast.get_docstring(node):
                faults.append(f"{path}:{node.lineno}: {node.name}")
            methods = methods_of(node) if isinstance(node, ast.ClassDef) else ()
            bare = [m for m in methods if m.name not in promised and not ast.get_docstring(m)]
            faults += [f"{path}:{m.lineno}: {node.name}.{m.name}" for m in bare]
    report(faults)


@pytest.mark.parametrize("what", FORBIDDEN_TEXT)
def test_no_text_names(what: str) -> None:
    pattern, faults = re.compile(FORBIDDEN_TEXT[what]), []
    for path in listed_by_git("--cached"):
        data = (ROOT / path).read_bytes()
        if b"\0" in data[:4096]:
            continue
        lines = enumerate(data.decode("utf-8").splitlines(), 1)
        faults += [f"{path}:{number}: {line.strip()[:80]}" for number, line in lines if pattern.search(line)]
    report(faults)
