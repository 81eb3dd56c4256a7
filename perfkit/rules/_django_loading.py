"""How Django loads relations together with their owners, or answers for all owners what is asked of them.

Objects that were prefetched answer for a whole relation alone: what filters, orders or cuts it is sent again.
"""

import re
from collections.abc import Sequence

from perfkit.model.query import QuerySpan
from perfkit.rules._orm_classes import owner_of
from perfkit.rules._statements import has_join, has_limit

# Lazy loads that hang on each other, outermost first.
_Chain = Sequence[QuerySpan]
_AGGREGATE = re.compile(r'SELECT (\w+)\("?\w+"?\."(\w+)"\)')
_KEY = re.compile(r'"(\w+_id)" = \?')
_ORDER = re.compile(r"\bORDER BY (.+?)(?: LIMIT\b.*| OFFSET\b.*)?$")
_TERM = re.compile(r'"\w+"\."(\w+)" (?:ASC|(DESC))')
_CLASSES = ("Avg", "Count", "Exists", "Max", "Min", "OuterRef", "Prefetch", "Q", "Sum")
# What is asked of the objects besides which: an annotation of their owners answers it.
_ANSWERS = ("count", "exists", "aggregate")


def django_loading(entity: str, chains: Sequence[_Chain]) -> list[str]:
    """What is to be imported, which other names the loop has to read, and last the code to add.

    Args:
        entity: the model whose query set it is added to.
        chains: the relations to load, each behind those that lead to it.
    """
    code = f"{entity}.objects.{_calls(chains)}"
    needed = [name for name in _CLASSES if re.search(rf"\b{name}\(", code)]
    lines = [f"from django.db.models import {', '.join(needed)}"] if needed else []
    notes = dict.fromkeys(_note(load) for chain in chains for load in chain if load.relationship_part)
    return [*lines, *notes, code]


def _calls(chains: Sequence[_Chain]) -> str:
    calls: dict[str, list[str]] = {}
    for chain in chains:
        method, argument = _call(chain)
        if argument not in calls.setdefault(method, []):
            calls[method].append(argument)
    return ".".join(f"{method}({', '.join(arguments)})" for method, arguments in calls.items())


def _call(chain: _Chain) -> tuple[str, str]:
    at = next((number for number, load in enumerate(chain) if not _is_whole(load)), None)
    if at is None:
        method = "prefetch_related" if any(map(_is_to_many, chain)) else "select_related"
        return method, f'"{_path(chain)}"'
    load, rest = chain[at], chain[at + 1 :]
    if not _answer(load):
        return "prefetch_related", _prefetch(_path(chain[: at + 1]), load, rest)
    owners = _path(chain[:at])
    if not owners:
        return "annotate", _annotation(load)
    query_set = f"{owner_of(load)}.objects.annotate({_annotation(load)})"
    return "prefetch_related", f'Prefetch("{owners}", queryset={query_set})'


def _is_whole(load: QuerySpan) -> bool:
    """Whether all objects of the relation answer it, if with more columns than were asked for."""
    return set(load.relationship_part) <= {"values"}


def _is_to_many(load: QuerySpan) -> bool:
    """A trace of an older perfkit does not tell: Django reads a single object with a LIMIT."""
    return not has_limit(load) if load.to_many is None else load.to_many


def _answer(load: QuerySpan) -> str | None:
    return next((part for part in load.relationship_part if part in _ANSWERS), None)


def _path(chain: _Chain) -> str:
    return "__".join(map(_accessor, chain))


def _accessor(load: QuerySpan) -> str:
    return (load.relationship or "").rpartition(".")[2]


def _name(load: QuerySpan) -> str:
    """What query sets call it: `review` leads back where the attribute is `review_set`."""
    return _accessor(load).removesuffix("_set")


def _model(load: QuerySpan) -> str:
    return load.entity or "Model"


def _prefetch(path: str, load: QuerySpan, rest: _Chain) -> str:
    part = load.relationship_part
    calls = ".filter(...)" if "filter" in part else ""
    calls += f".order_by({_order(load)})" if "order" in part else ""
    calls += f".{_calls([rest])}" if rest else ""
    cut = "[:1]" if "first" in part else "[:n]" if "slice" in part else ""
    query_set = f"{_model(load)}.objects{calls or '.all()'}{cut}"
    return f'Prefetch("{path}", queryset={query_set}, to_attr="{_attribute(load)}")'


def _order(load: QuerySpan) -> str:
    """The arguments of `order_by`, where the statement sorts by columns of one table."""
    order = _ORDER.search(load.query_text)
    terms = [_TERM.fullmatch(term) for term in order[1].split(", ")] if order else []
    if has_join(load) or not all(terms):
        return "..."
    return ", ".join(f'"{"-" if term[2] else ""}{term[1]}"' for term in terms if term)


def _annotation(load: QuerySpan) -> str:
    name, is_filtered = _name(load), "filter" in load.relationship_part
    more = ", filter=Q(...)" if is_filtered else ""
    if _answer(load) == "count":
        return f'{_attribute(load)}=Count("{name}", distinct=True{more})'
    if _answer(load) == "aggregate":
        found = _AGGREGATE.match(load.query_text)
        function, column = (found[1].title(), found[2]) if found else ("Max", "...")
        return f'{_attribute(load)}={function}("{name}__{column}"{more})'
    more = ", ..." if is_filtered else ""
    model = f"{load.relationship}.through" if "links" in load.relationship_part else _model(load)
    return f'{_attribute(load)}=Exists({model}.objects.filter({_owner_key(load)}=OuterRef("pk"){more}))'


def _owner_key(load: QuerySpan) -> str:
    """The foreign key that leads to the owner, where the statement reads its table alone."""
    found = None if has_join(load) else _KEY.search(load.query_text)
    return found[1] if found else "..."


def _attribute(load: QuerySpan) -> str:
    """The name of what the query set adds to each owner."""
    answer, name = _answer(load), _name(load)
    return {"count": f"{name}_count", "exists": f"has_{name}", "aggregate": f"{name}_value"}.get(
        answer or "", f"chosen_{name}"
    )


def _note(load: QuerySpan) -> str:
    owner = owner_of(load).lower()
    if _is_whole(load):
        rest = "calls such as .values() or .only() on it go round what was prefetched"
        return f"# read {owner}.{_accessor(load)}.all() in the loop: {rest}"
    read = f"# read {owner}.{_attribute(load)} in the loop"
    if _answer(load):
        return read
    return f"{read}: its .filter() or other call moves to the query set, as it goes round what was prefetched"
