"""Numbers the way a person reads them."""


def milliseconds(value: float | None) -> str:
    """A time a person can read: `0.42 ms`, `38 ms`, `4.52 s`; `unknown` for `None`."""
    if value is None:
        return "unknown"
    if value >= 1000:
        return f"{value / 1000:.2f} s"
    return f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms" if value >= 1 else f"{value:.2f} ms"


def precise_milliseconds(value: float | None) -> str:
    """A time with three digits, for two that would read the same otherwise: `13.5 µs`, `1.24 ms`."""
    if value is None:
        return "unknown"
    if value >= 1000:
        return f"{value / 1000:.2f} s"
    return f"{value:.3g} ms" if value >= 0.1 else f"{value * 1000:.3g} µs"


def megabytes(value: float | None) -> str:
    """Bytes as MB (1 MB = 1,000,000 bytes), kB below one; `unknown` for `None`."""
    if value is None:
        return "unknown"
    if abs(value) >= 1e6:
        return f"{value / 1e6:,.1f} MB"
    return f"{value / 1e3:,.1f} kB" if abs(value) >= 1000 else f"{value:,.0f} bytes"
