"""Whether two versions return the same: what a person means by "same result", not what `==` happens to say.

Three answers: the same, different, and "cannot certify" where the values do not let themselves be compared.
"""

from perfkit.model.verification import Equivalence
from perfkit.proof._comparison import Comparison
from perfkit.proof._places import DifferenceError, Path, described

__all__ = ["ANY_ORDER", "Equivalence", "same_result"]

ANY_ORDER = "but the items are the same in any order"
"""How the reason of a difference ends that comes from the order alone."""
_NOTHING = (
    "cannot certify: neither version returned anything, so nothing could be compared; "
    "return what the page shows"
)


def same_result(before: object, after: object, *, ordered: bool = True) -> Equivalence:
    """Compare what two versions returned, or the exceptions that they raised.

    Floats are equal within 1e-9 of their size, NaN equals NaN, and a value of another kind (int and float,
    Decimal and str) is a difference. Named tuples and SQLAlchemy rows compare as tuples. ORM objects compare
    by what is loaded on both sides; nothing is loaded for the comparison. Exceptions compare by type. Two
    functions that return `None` may do anything: that certifies nothing.

    Args:
        before: what the old version returned, or the exception it raised.
        after: the same of the new version.
        ordered: whether the order of lists and of DataFrame rows matters; with `False` they are compared
            as multisets, at every depth. Tuples are rows, their order always matters.

    Returns:
        The answer with a sentence that names places and types, and none of the values. Never raises: where
        a comparison fails, the answer is that it cannot be certified.
    """
    if isinstance(before, BaseException) or isinstance(after, BaseException):
        return _same_ending(before, after)
    if before is None and after is None:
        return Equivalence(None, _NOTHING)
    answer = _compared(before, after, ordered=ordered)
    if ordered and answer.equal is False and _compared(before, after, ordered=False).equal:
        return Equivalence(False, f"{answer.reason}, {ANY_ORDER}")
    return answer


def _compared(before: object, after: object, *, ordered: bool) -> Equivalence:
    comparison = Comparison(ordered=ordered)
    try:
        comparison.compare(before, after, Path())
        reason = f"same result ({described(before)})"
    except DifferenceError as difference:
        return Equivalence(False, str(difference))
    except Exception as error:  # the values are the user's: their methods may raise anything
        return Equivalence(None, f"cannot certify: comparing raised {type(error).__name__}")
    if comparison.doubts:
        more = f" (and {len(comparison.doubts) - 1} more)" if len(comparison.doubts) > 1 else ""
        return Equivalence(None, f"cannot certify: {comparison.doubts[0]}{more}")
    return Equivalence(True, "; ".join([reason, *comparison.remarks]))


def _same_ending(before: object, after: object) -> Equivalence:
    same = type(before) is type(after)
    if same:
        return Equivalence(True, f"both raised {type(before).__name__}")
    return Equivalence(False, f"before {_ending(before)}, after {_ending(after)}")


def _ending(result: object) -> str:
    return f"{'raised' if isinstance(result, BaseException) else 'returned'} {type(result).__name__}"
