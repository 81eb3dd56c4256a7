"""How to load relationships together with their owners: by options of SQLAlchemy, by methods of Django."""

from collections.abc import Sequence

from perfkit.model.query import QuerySpan
from perfkit.rules._statements import has_limit, loads_collection

# Lazy loads that hang on each other, outermost first: User.posts, Post.tag.
_Chain = tuple[QuerySpan, ...]


def owner_of(load: QuerySpan) -> str:
    """The class whose attribute a lazy load reads."""
    return (load.relationship or "").partition(".")[0]


def eager_loading(
    loads: Sequence[QuerySpan], sources: Sequence[QuerySpan], *, is_recursive: bool = False
) -> str:
    """What to add, where, and the code to paste.

    Args:
        loads: lazy loads of one loop, one of each.
        sources: the statements whose rows the loop walks over, outermost first, as far as they are known.
        is_recursive: whether a function that calls itself sends them.
    """
    links = _links_to(loads[0], sources)
    chains, strays = _chains([*links, *loads])
    root = sources[0] if len(sources) == len(links) + 1 else None
    owner = owner_of(chains[0][0])
    # The statement may load other objects, and the owners behind those.
    entity = (root.entity if root else None) or owner
    is_behind = entity != owner
    if loads[0].driver == "django":
        what = "this to the query set"
        lines = [f"{entity}.objects.{_django_calls(chains, '…__' if is_behind else '')}"]
    else:
        what = "this option to the statement"
        lines = _sqlalchemy_options(entity, chains, "…." if is_behind else "", is_recursive=is_recursive)
        if not (is_recursive or (root and root.entity)):
            option = _chain_of_options(chains[0])
            lines.append(
                f"# behind the option of the relationship that loads {owner}, if one does: .{option}"
            )
    if is_behind:
        lines.append(f"# the dots: the relationships that lead from {entity} to {owner}")
    if strays:
        lines.append(f"# chain {', '.join(strays)} behind the option that loads its owner")
    at = f" at {root.call_site.label}" if root and root.call_site else ""
    return "\n".join([f"add {what}{at}.", *lines])


def _sqlalchemy_options(entity: str, chains: Sequence[_Chain], way: str, *, is_recursive: bool) -> list[str]:
    names = sorted({_strategy(load) for chain in chains for load in chain})
    depth = ", recursion_depth=-1" if is_recursive and names == ["selectinload"] else ""
    options = ", ".join(way + _chain_of_options(chain, depth) for chain in chains)
    return [f"from sqlalchemy.orm import {', '.join(names)}", f"select({entity}).options({options})"]


def _links_to(load: QuerySpan, sources: Sequence[QuerySpan]) -> _Chain:
    """Those of the sources that lead to the owner of a load, each by a relationship to the next."""
    found: _Chain = ()
    for source in reversed(sources):
        if not source.relationship or source.entity != owner_of(load):
            break
        found = (source, *found)
        load = source
    return found


def _chain_of_options(chain: _Chain, depth: str = "") -> str:
    return ".".join(f"{_strategy(load)}({load.relationship}{depth})" for load in chain)


def _strategy(load: QuerySpan) -> str:
    """A join for one row, a second statement for many."""
    return "selectinload" if loads_collection(load) else "joinedload"


def _django_calls(chains: Sequence[_Chain], way: str) -> str:
    """Django reads a single object with a LIMIT, to tell that there is no second; a collection without."""
    calls: dict[str, list[str]] = {}
    for chain in chains:
        method = "select_related" if all(has_limit(load) for load in chain) else "prefetch_related"
        path = "__".join((load.relationship or "").rpartition(".")[2] for load in chain)
        calls.setdefault(method, []).append(f'"{way}{path}"')
    return ".".join(f"{method}({', '.join(paths)})" for method, paths in calls.items())


def _chains(loads: Sequence[QuerySpan]) -> tuple[list[_Chain], list[str]]:
    """Each load behind those that lead to it, and the relationships to which none of them leads.

    A chain loads every link of it, so the beginnings of longer ones are left out.
    """
    found: dict[str, _Chain] = {}
    strays = []
    for load in loads:
        name, owner = load.relationship or "", owner_of(load)
        if name in found:
            continue
        parent: _Chain = ()
        if owner != owner_of(loads[0]):
            parent = next((chain for chain in found.values() if chain[-1].entity == owner), ())
            if not parent:
                strays.append(name)
        found[name] = (*parent, load)
    beginnings = {chain[:length] for chain in found.values() for length in range(1, len(chain))}
    return [chain for chain in found.values() if chain not in beginnings], strays
