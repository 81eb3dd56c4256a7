"""What a filter does to the columns: calls a function, casts, looks for a pattern, looks into a document.

`plan_conditions` tells which conditions an index on plain columns answers. Here are the others. A plan
writes every operator in parentheses, so the text itself is split and each part keeps the words of the
database: an index on an expression serves a statement only where the two are the same.
"""

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from sqlglot import exp

from perfkit.model.plan import PlanNode
from perfkit.model.plan_conditions import parsed_condition
from perfkit.model.sql_names import quoted
from perfkit.model.sql_tree import MAX_CHARACTERS

__all__ = ["Predicate", "PredicateKind", "bare", "predicates", "read_predicates"]

PredicateKind = Literal[
    "plain", "function", "arithmetic", "cast", "like", "regex", "json", "contains", "member", "or", "other"
]
_TOKEN = re.compile(
    r"""(?P<quoted>'(?:[^']|'')*' | "(?:[^"]|"")*") | (?P<open>[(\[]) | (?P<close>[)\]])
      | \b(?P<word>AND|OR)\b | (?<=\s)(?P<operator>[-+*/<>=~!@\#%^&|`?]+)(?=\s)""",
    re.VERBOSE,
)
_COMPARISONS = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_PATTERNS: dict[str, PredicateKind] = {
    **dict.fromkeys(("~~", "~~*", "!~~", "!~~*"), "like"),
    **dict.fromkeys(("~", "~*", "!~", "!~*"), "regex"),
}  # fmt: skip
_CONTAINS = ("@>", "<@", "&&", "?", "?|", "?&", "@?", "@@")
_JSON = (exp.JSONExtract, exp.JSONExtractScalar, exp.JSONBExtract, exp.JSONBExtractScalar, exp.Bracket)
_ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.DPipe, exp.Neg)
_CALL = re.compile(r'(?:(?:\w+|"[^"]+")\.)?(\w+)\(')
_CAST = re.compile(r'\((?P<inside>(?:\w+|"[^"]+"))\)::(?P<type>[\w ]+(?:\(\d+(?:,\d+)?\))?(?:\[\])?)')
_TEXT_CAST = re.compile(r"('(?:[^']|'')*')::text\b(?!\[)")


@dataclass(frozen=True, slots=True)
class Predicate:
    """One of the conditions that AND joins.

    `text` is the condition as the plan has it. `expression` is the side that is made of the table's
    columns, without the table's name, `operator` stands between it and `value`; where the plan has them the
    other way round, `<` becomes `>`. `kind` says what the expression is or, for a pattern or a containment,
    what the operator does; `member` is `value = ANY (column)`. `columns` are written as SQL wants them.
    `function` is the outermost function, `type_name` what a lone column is cast to. `arms` are the sides
    that OR joins: of several conditions in a side the one that an index would begin with, and `text` is the
    whole side.
    """

    kind: PredicateKind
    text: str
    expression: str = ""
    operator: str = ""
    value: str = ""
    columns: tuple[str, ...] = ()
    function: str = ""
    type_name: str = ""
    arms: tuple["Predicate", ...] = ()

    @property
    def is_fixed(self) -> bool:
        """Whether the expression holds no bound value: only then can an index be made of it."""
        return not any(match["operator"] is None for match in _hidden_marks(self.expression))

    @property
    def is_negated(self) -> bool:
        """Whether the rows that do not match are wanted."""
        return self.operator.startswith("!") or self.operator == "<>"

    @property
    def column(self) -> str | None:
        """The column, where the expression is nothing else, or only casts one to text as for a varchar."""
        is_plain = self.expression in self.columns or self.type_name == "text"
        return self.columns[0] if is_plain and len(self.columns) == 1 else None

    @property
    def index_key(self) -> str:
        """The expression as `CREATE INDEX` wants it, in parentheses where it is not a function or column."""
        shown = _TEXT_CAST.sub(r"\1", self.expression)
        call = _CALL.match(shown)
        is_call = call is not None and _closing(shown, call.end() - 1) == len(shown) - 1
        return shown if is_call or shown in self.columns else f"({shown})"


def predicates(scan: PlanNode, condition: str = "Filter") -> tuple[Predicate, ...]:
    """Take a condition of a scan apart.

    Args:
        scan: a scan of one table.
        condition: under which name the condition stands in the plan.

    Returns:
        One predicate for each condition that AND joins; nothing where there is none.
    """
    text = scan.attributes.get(condition)
    names = tuple(dict.fromkeys(name for name in (scan.alias, scan.relation_name) if name))
    return read_predicates(text, names) if isinstance(text, str) else ()


@functools.lru_cache(maxsize=512)
def read_predicates(text: str, names: tuple[str, ...]) -> tuple[Predicate, ...]:
    """Take the text of a condition apart.

    Args:
        text: as a plan has it, with `?` for values that were left out.
        names: the table's name and alias; a column without a table belongs to it too.

    Returns:
        One predicate for each condition that AND joins. What cannot be read is of the kind `other`.
    """
    if len(text) > MAX_CHARACTERS:
        return ()
    return tuple(_predicate(part, names) for part in _conjuncts(text))


def _conjuncts(text: str) -> Iterator[str]:
    parts = _split(bare(text), "AND")
    if len(parts) == 1:
        yield text
    else:
        for part in parts:
            yield from _conjuncts(part)


def _predicate(text: str, names: tuple[str, ...]) -> Predicate:
    parts = _split(bare(text), "OR")
    if len(parts) > 1:
        arms = tuple(replace(_first_indexable(read_predicates(part, names)), text=part) for part in parts)
        columns = tuple(dict.fromkeys(column for arm in arms for column in arm.columns))
        return Predicate("or", text, columns=columns, arms=arms)
    sides = _sides(bare(text))
    if sides is None:
        return _unary(text, names)
    left, operator, right = sides
    for own, mark, value in ((left, operator, right), (right, _COMPARISONS.get(operator, ""), left)):
        if mark and not _columns(value, names) and (columns := _columns(own, names)):
            return _compared(Predicate("other", text, own, mark, value, columns), names)
    return Predicate("other", text, operator=operator, columns=_columns(text, names))


def _first_indexable(arms: tuple[Predicate, ...]) -> Predicate:
    """Of conditions that AND joins inside an OR, the one that an index would begin with."""
    plain = (arm for arm in arms if arm.kind == "plain" and not arm.is_negated)
    return next(plain, arms[0] if arms else Predicate("other", ""))


def _unary(text: str, names: tuple[str, ...]) -> Predicate:
    """`x IS NULL`, a boolean column, and everything that is no comparison."""
    columns = _columns(text, names)
    tested, is_null, rest = bare(text).partition(" IS NULL")
    if is_null and not rest and len(columns) == 1:
        shown = _unqualified(tested, names)
        return Predicate("plain" if shown in columns else "other", text, shown, "IS", "NULL", columns)
    return Predicate("other", text, columns=columns)


def _compared(found: Predicate, names: tuple[str, ...]) -> Predicate:
    shown = _unqualified(bare(found.expression), names)
    if found.operator == "=" and (member := re.fullmatch(r"ANY \((.+)\)", shown)):
        return replace(found, kind="member", expression=bare(member[1]), operator="ANY")
    cast = _CAST.fullmatch(shown)
    type_name = cast["type"] if cast else ""
    call = _CALL.match(shown)
    function = call[1].lower() if call else "case" if shown.startswith("CASE ") else ""
    found = replace(found, expression=shown, type_name=type_name, function=function)
    if found.operator in _PATTERNS:
        return replace(found, kind=_PATTERNS[found.operator])
    if found.operator in _CONTAINS:
        return replace(found, kind="contains")
    is_known = found.operator in _COMPARISONS or found.operator == "<>"
    return replace(found, kind=_shape(found) if is_known else "other")


def _shape(found: Predicate) -> PredicateKind:
    """What the expression on the table's side of a comparison is."""
    tree = parsed_condition(found.expression)
    if tree is None:
        return "other"
    tree = tree.unnest()
    if isinstance(tree, exp.Column):
        return "plain"
    if next(tree.find_all(*_JSON), None) is not None:
        return "json"
    if isinstance(tree, exp.Cast):
        return "cast" if isinstance(tree.this.unnest(), exp.Column) else "function"
    if isinstance(tree, _ARITHMETIC):
        return "arithmetic"
    return "function" if found.function else "other"


@functools.lru_cache(maxsize=2048)
def _columns(text: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """The table's own columns in a part of a condition, written as SQL wants them."""
    tree = parsed_condition(text)
    if tree is None:
        return ()
    own = (item for item in tree.find_all(exp.Column) if not item.table or item.table in names)
    return tuple(dict.fromkeys(quoted(item.name) for item in own))


def _unqualified(text: str, names: tuple[str, ...]) -> str:
    """The text without the table's name before its columns."""
    before = "|".join(re.escape(quoted(name)) for name in names)
    pattern = rf"(?P<kept>'(?:[^']|'')*')|(?<![\w\".])(?:{before})\.(?=[\w\"])" if names else r"(?P<kept>$.)"
    return re.sub(pattern, lambda match: match["kept"] or "", text)


def bare(text: str) -> str:
    """The text without the parentheses around the whole of it."""
    text = text.strip()
    while text.startswith("(") and _closing(text, 0) == len(text) - 1:
        text = text[1:-1].strip()
    return text


def _closing(text: str, start: int) -> int:
    """Where the parenthesis at `start` is closed; -1 where it is not."""
    depth = 0
    for match in _TOKEN.finditer(text, start):
        depth += 1 if match["open"] else -1 if match["close"] else 0
        if depth == 0 and match["close"]:
            return match.start()
    return -1


def _split(text: str, word: str) -> list[str]:
    """The parts that a word joins outside of all parentheses."""
    parts, start = [], 0
    for match in _outside(text):
        if match["word"] == word:
            parts.append(text[start : match.start()].strip())
            start = match.end()
    return [*parts, text[start:].strip()]


def _sides(text: str) -> tuple[str, str, str] | None:
    """What stands on both sides of the one operator outside of all parentheses."""
    operators = [match for match in _outside(text) if match["operator"]]
    if len(operators) != 1 or text.startswith("NOT "):
        return None
    (mark,) = operators
    return text[: mark.start()].strip(), mark[0], text[mark.end() :].strip()


def _outside(text: str) -> Iterator[re.Match[str]]:
    depth = 0
    for match in _TOKEN.finditer(text):
        depth += 1 if match["open"] else -1 if match["close"] else 0
        if depth == 0:
            yield match


def _hidden_marks(text: str) -> Iterator[re.Match[str]]:
    """The question marks outside of quotes; those that are an operator say so."""
    marks = re.compile(
        r"(?P<quoted>'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\")|(?P<operator>(?<=\s)\?[|&]?(?=\s))|\?"
    )
    return (match for match in marks.finditer(text) if not match["quoted"])
