"""Who had allocated what at the moment of the highest memory use, C code included."""

from dataclasses import dataclass

from perfkit.model.location import CodeLocation


@dataclass(frozen=True, slots=True)
class AllocatingFunction:
    """A function on the way to an allocation; for C code the file is `~`."""

    location: CodeLocation
    is_user_code: bool = False


@dataclass(frozen=True, slots=True)
class AllocationStack:
    """One call path, indices into `NativeProfile.functions` from the block down, and what it allocated."""

    functions: tuple[int, ...]
    size_bytes: int
    count: int


@dataclass(frozen=True, slots=True)
class NativeProfile:
    """What memray saw: the allocations alive at the peak; `peak_bytes` is all of them together."""

    peak_bytes: int
    functions: tuple[AllocatingFunction, ...]
    stacks: tuple[AllocationStack, ...]
