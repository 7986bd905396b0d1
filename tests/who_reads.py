"""Who reads a name: the words of each module's code and SQL, and the tables that each module speaks
of.

Here: the walk over syntax trees. Not here: what must be read (test_who_reads.py).

A word is a name that code looks up: a text that is one identifier (`pl.col("grade")`,
`row["grade"]`), each word of a text that is SQL, an attribute, a parameter. Docstrings and comments
are none, nor are the names that code gives (keywords of a call). An f-string is a pattern:
`f"n_{name}"` reads each column that begins so.
"""

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = ("orchestration", "dashboards", "ingest", "transforms")
_IDENTIFIER = re.compile(r"\w+\Z")
_SQL = re.compile(r"\b(SELECT|FROM|WHERE|AND|IS NULL|IS NOT|GROUP BY|ORDER BY|CASE|NOT)\b|\$\d")
_LEAST_LETTERS = 3  # of an f-string's fixed part: less would fit everything


@dataclass(frozen=True)
class Module:
    """`words` that it looks up, `patterns` of names that it makes, `imports` of modules of this
    project.

    `settings`: what it takes from an object that is called settings or options. `constants`: what
    it imports in capitals.
    """

    path: str
    words: frozenset[str]
    settings: frozenset[str] = frozenset()
    patterns: tuple[re.Pattern, ...] = ()
    imports: frozenset[str] = frozenset()
    constants: frozenset[str] = frozenset()

    def reads(self, name: str) -> bool:
        return name in self.words or any(p.fullmatch(name) for p in self.patterns)


@cache
def modules() -> dict[str, Module]:
    """The product's modules by path."""
    paths = [p for room in ROOMS for p in sorted((ROOT / room).rglob("*.py"))]
    return {
        str(p.relative_to(ROOT)): module_of(p.read_text(), path=str(p.relative_to(ROOT)))
        for p in paths
    }


def module_of(source: str, *, path: str) -> Module:
    tree = ast.parse(source)
    said = _docstrings(tree)
    words, patterns, settings, constants = set(), [], set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            words |= words_of(node.value)
        elif isinstance(node, ast.JoinedStr):
            patterns += _pattern(node)
            words |= _words_of_sql(node)
        elif isinstance(node, ast.Attribute):
            words.add(node.attr)
            settings |= {node.attr} if _is_settings(node.value) else set()
        elif isinstance(node, ast.arg):
            words.add(node.arg)
        elif isinstance(node, ast.alias):
            constants |= {node.name} if node.name.isupper() else set()
    imports = frozenset(_imports(tree, path))
    return Module(
        path, frozenset(words), frozenset(settings), tuple(patterns), imports, frozenset(constants)
    )


def _is_settings(node: ast.expr) -> bool:
    """`settings`, `self._settings`, `reader.settings`, `Settings()`, and the same of options."""
    name = node.func if isinstance(node, ast.Call) else node
    text = (
        name.id
        if isinstance(name, ast.Name)
        else name.attr
        if isinstance(name, ast.Attribute)
        else ""
    )
    return text.lower().lstrip("_") in ("settings", "options")


def words_of(text: str) -> set[str]:
    """The text itself where it is one identifier, or a table with its schema; each word where it is
    SQL.
    """
    if _IDENTIFIER.match(text):
        return {text}
    if re.fullmatch(r"(raw|core|mart|app)\.\w+", text):
        return {text, text.split(".")[1]}
    return set(re.findall(r"\w+", text)) if _SQL.search(text) else set()


def _words_of_sql(node: ast.JoinedStr) -> set[str]:
    """All words of an f-string of which a part is SQL."""
    fixed = [p.value for p in node.values if isinstance(p, ast.Constant)]
    is_sql = any(_SQL.search(part) for part in fixed)
    return {word for part in fixed for word in re.findall(r"\w+", part)} if is_sql else set()


def _docstrings(tree: ast.Module) -> set[int]:
    """Texts that stand alone, as docstrings do."""
    return {
        id(n.value)
        for n in ast.walk(tree)
        if isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant)
    }


def _pattern(node: ast.JoinedStr) -> list[re.Pattern]:
    fixed = [p.value if isinstance(p, ast.Constant) else None for p in node.values]
    letters = sum(len(re.sub(r"\W", "", part)) for part in fixed if part)
    if letters < _LEAST_LETTERS or not all(
        part is None or _IDENTIFIER.match(part) for part in fixed
    ):
        return []
    return [re.compile("".join(r"\w*" if part is None else re.escape(part) for part in fixed))]


def _imports(tree: ast.Module, path: str) -> Iterable[str]:
    package = path.split("/")[:-1]
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom):
            continue
        base = package[: len(package) - node.level + 1] if node.level else []
        base = [*base, *(node.module.split(".") if node.module else [])]
        yield from _files(base)
        for alias in node.names:
            yield from _files([*base, alias.name])


def _files(parts: list[str]) -> Iterable[str]:
    for name in ("/".join(parts) + ".py", "/".join([*parts, "__init__.py"])):
        if (ROOT / name).exists():
            yield name


def speaking_of(table: str, among: dict[str, Module], *, apart: Iterable[str] = ()) -> list[Module]:
    """Modules that name the table, and those that such a one imports: they are handed its rows. The
    modules of a page's folder hand them to each other. `apart`: folders or modules that read
    nothing, though they name it.
    """
    own = [m for m in among.values() if table in m.words or table.upper() in m.constants]
    pages = {_folder(m.path) for m in own if m.path.startswith("dashboards/pages/")}
    own += [m for m in among.values() if _folder(m.path) in pages - {"dashboards/pages"}]
    paths = {m.path for m in own} | {i for m in own for i in m.imports}
    return [m for path, m in among.items() if path in paths and not path.startswith(tuple(apart))]


def _folder(path: str) -> str:
    return path.rpartition("/")[0]
