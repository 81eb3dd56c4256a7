"""How to load relationships together with their owners: by options of SQLAlchemy, by methods of Django."""

from collections.abc import Iterable, Sequence

from perfkit.model.query import QuerySpan
from perfkit.rules._django_loading import django_loading
from perfkit.rules._key_lists import model_of
from perfkit.rules._orm_classes import attribute_of_load, entities, has_alias, loads_owner_of, owner_of
from perfkit.rules._sources import Source
from perfkit.rules._statements import loads_collection

# Lazy loads that hang on each other, outermost first: User.posts, Post.tag.
_Chain = tuple[QuerySpan, ...]


def first_load(loads: Sequence[QuerySpan]) -> QuerySpan:
    """Of the lazy loads of one loop, one whose owner no other of them loads."""
    roots = (
        load
        for load in loads
        if not any(other is not load and loads_owner_of(load, other) for other in loads)
    )
    return next(roots, loads[0])


def eager_loading(
    loads: Sequence[QuerySpan], sources: Sequence[Source], *, is_recursive: bool = False
) -> str:
    """What to add, where, and the code to paste.

    Args:
        loads: lazy loads of one loop, one of each.
        sources: the statements whose rows the loop walks over, outermost first, as far as they are known.
        is_recursive: whether the loop goes on with what it has loaded, as over a tree.
    """
    chains, root, strays = _ways(loads, sources)
    what = "this to the query set" if loads[0].driver == "django" else "this option to the statement"
    at = f" at {root.span.call_site.label}" if root and root.span.call_site else ""
    lines = [f"add {what}{at}.", *_code(chains, root, is_recursive=is_recursive)]
    if root is None and not is_recursive and loads[0].driver != "django":
        owner, option = owner_of(chains[0][0]), ".".join(_options(chains[0], ""))
        lines.append(f"# behind the option of the relationship that loads {owner}, if one does: .{option}")
    if root and has_alias(root.span):
        lines.append(
            f"# the statement reads an alias: write its name in the place of {entities(root.span)[0]}"
        )
    if strays:
        lines.append(f"# chain {', '.join(strays)} behind the option that loads its owner")
    return "\n".join(lines)


def together_by_keys(loads: Sequence[QuerySpan], lookup: QuerySpan, column: str) -> str:
    """The code that reads all objects of a loop at once, by their keys, with what the loop reads of each.

    Args:
        loads: lazy loads of the loop, one of each.
        lookup: the statement of the loop that reads the owner of the first of them by its key.
        column: the key's column.
    """
    chains, root, _ = _ways(loads, [Source(lookup, 1, 1)])
    *imports, statement = _code(chains, root)
    is_django = lookup.driver == "django"
    condition = (
        f".filter({column}__in=keys)" if is_django else f".where({model_of(lookup)}.{column}.in_(keys))"
    )
    return "\n".join([*imports, statement + condition])


def _ways(
    loads: Sequence[QuerySpan], sources: Sequence[Source]
) -> tuple[list[_Chain], Source | None, list[str]]:
    """The loads behind what leads to them, the statement that all hang on, and loads that hang on none."""
    first = first_load(loads)
    links = _links_to(first, sources)
    chains, strays = _chains(loads, owner_of(first))
    root = sources[-len(links) - 1] if len(sources) > len(links) else None
    return [(*links, *chain) for chain in chains], root, strays


def _code(chains: Sequence[_Chain], root: Source | None, *, is_recursive: bool = False) -> list[str]:
    first = chains[0][0]
    owner, way = owner_of(first), root.way if root else ()
    if first.driver == "django":
        return django_loading(owner, chains)
    known = entities(root.span) if root else []
    entity = next((name for name in (owner, *first.owner_bases) if name in known), (*known, owner)[0])
    before = [f"{'joinedload' if root and root.way_by_join else 'selectinload'}({hop})" for hop in way]
    # An inherited attribute is asked for by the heir's name; to have one of an heir, the heir must be loaded.
    heir = entity if not way and root and owner in root.span.entity_bases else owner
    options = [".".join([*before, *_options(chain, heir, is_recursive=is_recursive)]) for chain in chains]
    if not way and entity in first.owner_bases:
        polymorphic = f"selectin_polymorphic({entity}, [{owner}])"  # which loads the columns of heirs as well
        options = [polymorphic] if first.column_load else [polymorphic, *options]
    names = sorted({option.partition("(")[0] for chain in options for option in chain.split(").")})
    return [
        f"from sqlalchemy.orm import {', '.join(names)}",
        f"select({entity}).options({', '.join(options)})",
    ]


def _options(chain: _Chain, heir: str, *, is_recursive: bool = False) -> list[str]:
    names = [attribute_of_load(load) for load in chain]
    if heir:
        names[0] = f"{heir}.{names[0].partition('.')[2]}"
    if is_recursive:  # which joinedload cannot be
        return [f"selectinload({name}, recursion_depth=-1)" for name in names]
    return [f"{_strategy(load)}({name})" for load, name in zip(chain, names, strict=True)]


def _links_to(load: QuerySpan, sources: Sequence[Source]) -> _Chain:
    """Those of the sources that lead to the owner of a load, each by a relationship to the next."""
    found: _Chain = ()
    for source in reversed(sources):
        if not source.span.relationship or not loads_owner_of(load, source.span):
            break
        found = (source.span, *found)
        load = source.span
    return found


def _strategy(load: QuerySpan) -> str:
    """A join for one row, a second statement for many."""
    if load.column_load:
        return "undefer"
    to_many = loads_collection(load) if load.to_many is None else load.to_many
    return "selectinload" if to_many else "joinedload"


def _chains(loads: Sequence[QuerySpan], root: str) -> tuple[list[_Chain], list[str]]:
    """Each load behind those that lead to it from the root, and the relationships to which none does.

    A chain loads every link of it, so the beginnings of longer ones are left out.
    """
    pending: dict[str, QuerySpan] = {}
    for load in loads:
        pending.setdefault(load.relationship or "", load)
    found: dict[str, _Chain] = {name: (load,) for name, load in pending.items() if owner_of(load) == root}
    while new := {
        name: (*parent, load)
        for name, load in pending.items()
        if name not in found and (parent := _parent(load, found.values()))
    }:
        found.update(new)
    strays = [name for name in pending if name not in found]
    found.update((name, (pending[name],)) for name in strays)
    beginnings = {chain[:length] for chain in found.values() for length in range(1, len(chain))}
    return [chain for chain in found.values() if chain not in beginnings], strays


def _parent(load: QuerySpan, chains: Iterable[_Chain]) -> _Chain | None:
    return next((chain for chain in chains if loads_owner_of(load, chain[-1])), None)
