"""Whatever in the package reads bytes or text from outside is named here, with the test that fuzzes it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import orchestrator

PACKAGE = Path(orchestrator.__file__).parent
TESTS = Path(__file__).parent.parent
# Calls that turn text or bytes into something else, or read a file.
READS = frozenset(
    {
        *("json.loads", "json.load", "parse_json", "tomllib.loads", "tomllib.load", "parse_toml", "yaml.load"),
        *("open", "os.open", "open_for_reading", "read_text", "read_bytes", "readline", "readlines", "readlink"),
        *("fromisoformat", "strptime", "parsedate_to_datetime", "parse_duration", "fromhex", "literal_eval", "eval"),
        *("b64decode", "urlsafe_b64decode", "urlsplit", "urlparse", "parse_url", "fnmatchcase", "inet_pton"),
        *("pickle.loads", "pickle.load", "marshal.loads", "unpack", "get_data"),
    }
)


def _calls(tree: ast.AST, within: str = "") -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        named = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        name = f"{within}.{node.name}".lstrip(".") if named else within
        called = node.func if isinstance(node, ast.Call) else None
        for word in (called,) if called is not None else ():
            whole = ast.unparse(word)
            short = whole.rpartition(".")[2]
            if whole in READS or short in READS:
                yield f"{name}: {whole if whole in READS else short}"
        yield from _calls(node, name)


def found() -> set[str]:
    """Each place of the package that reads: module, function, and what is called there."""
    places = set[str]()
    for file in sorted(PACKAGE.rglob("*.py")):
        module = ".".join(file.relative_to(PACKAGE).with_suffix("").parts)
        places |= {f"{module}:{call}" for call in _calls(ast.parse(file.read_text("utf-8")))}
    return places


if __name__ == "__main__":
    print("\n".join(sorted(found())))
