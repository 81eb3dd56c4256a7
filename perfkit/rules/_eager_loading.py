"""How to load relationships together with their owners: by options of SQLAlchemy, by methods of Django."""

from collections.abc import Iterable, Sequence

from perfkit.model.query import QuerySpan
from perfkit.rules._django_loading import django_loading
from perfkit.rules._statements import loads_collection

# Lazy loads that hang on each other, outermost first: User.posts, Post.tag.
_Chain = tuple[QuerySpan, ...]
_ALIAS = "aliased("


def owner_of(load: QuerySpan) -> str:
    """The class whose attribute a lazy load reads."""
    return (load.relationship or "").partition(".")[0]


def loads_owner_of(load: QuerySpan, source: QuerySpan) -> bool:
    """Whether a statement loads objects of the class whose attribute is read, or of a base of it."""
    return bool(load.relationship) and not {owner_of(load), *load.owner_bases}.isdisjoint(_entities(source))


def first_load(loads: Sequence[QuerySpan]) -> QuerySpan:
    """Of the lazy loads of one loop, one whose owner no other of them loads."""
    roots = (
        load
        for load in loads
        if not any(other is not load and loads_owner_of(load, other) for other in loads)
    )
    return next(roots, loads[0])


def eager_loading(
    loads: Sequence[QuerySpan], sources: Sequence[QuerySpan], *, is_recursive: bool = False
) -> str:
    """What to add, where, and the code to paste.

    Args:
        loads: lazy loads of one loop, one of each.
        sources: the statements whose rows the loop walks over, outermost first, as far as they are known.
        is_recursive: whether a function that calls itself sends them.
    """
    first = first_load(loads)
    links = _links_to(first, sources)
    chains, strays = _chains(loads, owner_of(first))
    chains = [(*links, *chain) for chain in chains]
    root = sources[-len(links) - 1] if len(sources) > len(links) else None
    owner = owner_of(chains[0][0])
    is_behind = root is not None and root.entity is not None and not loads_owner_of(chains[0][0], root)
    # The statement may load other objects, and the owners behind those, or objects of a base class.
    entity = _entity_of(root, chains[0][0]) or owner
    if first.driver == "django":
        what = "this to the query set"
        lines = django_loading(entity, chains, behind=is_behind)
    else:
        what = "this option to the statement"
        lines = _sqlalchemy_options(entity, chains, "…." if is_behind else "", is_recursive=is_recursive)
        if not (is_recursive or (root and root.entity)):
            option = _chain_of_options(chains[0])
            lines.append(
                f"# behind the option of the relationship that loads {owner}, if one does: .{option}"
            )
        if root and not is_behind and any(name.startswith(_ALIAS) for name in _names(root)):
            lines.append(f"# the statement reads an alias: write its name in the place of {entity}")
    if is_behind:
        lines.append(f"# the dots: the relationships that lead from {entity} to {owner}")
    if strays:
        lines.append(f"# chain {', '.join(strays)} behind the option that loads its owner")
    at = f" at {root.call_site.label}" if root and root.call_site else ""
    return "\n".join([f"add {what}{at}.", *lines])


def _names(source: QuerySpan) -> list[str]:
    return (source.entity or "").split(", ")


def _entities(source: QuerySpan) -> set[str]:
    return {name.removeprefix(_ALIAS).rstrip(")") for name in _names(source)}


def _entity_of(root: QuerySpan | None, load: QuerySpan) -> str | None:
    """The class that the statement asks for: of several the owner of the load, or a base of it."""
    if root is None or root.entity is None:
        return None
    names = _entities(root)
    wanted = (name for name in (owner_of(load), *load.owner_bases) if name in names)
    return next(wanted, sorted(names)[0])


def _sqlalchemy_options(entity: str, chains: Sequence[_Chain], way: str, *, is_recursive: bool) -> list[str]:
    names = sorted({_strategy(load) for chain in chains for load in chain})
    depth = ", recursion_depth=-1" if is_recursive and names == ["selectinload"] else ""
    options = ", ".join(way + _chain_of_options(chain, depth) for chain in chains)
    return [f"from sqlalchemy.orm import {', '.join(names)}", f"select({entity}).options({options})"]


def _links_to(load: QuerySpan, sources: Sequence[QuerySpan]) -> _Chain:
    """Those of the sources that lead to the owner of a load, each by a relationship to the next."""
    found: _Chain = ()
    for source in reversed(sources):
        if not source.relationship or not loads_owner_of(load, source):
            break
        found = (source, *found)
        load = source
    return found


def _chain_of_options(chain: _Chain, depth: str = "") -> str:
    return ".".join(f"{_strategy(load)}({load.relationship}{depth})" for load in chain)


def _strategy(load: QuerySpan) -> str:
    """A join for one row, a second statement for many."""
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
