"""Traces as rows for a DataFrame: plain values, units in the names."""

from perfkit.model.trace import Trace

QUERY_COLUMNS = (
    "start_ms", "duration_ms", "operation_name", "query_text", "returned_rows", "returned_bytes",
    "batch_size", "status", "error_type", "call_site", "loop_site", "relationship", "fingerprint",
    "parameter_fingerprint", "system_name", "thread_id", "task_id", "is_background", "parameters",
)  # fmt: skip


def query_rows(trace: Trace) -> list[dict[str, object]]:
    """One row a statement, in the order in which they were sent.

    What tasks and threads sent that were at work before the block stands among them, `is_background`.

    Args:
        trace: a block; one whose queries were not measured gives no rows.

    Returns:
        Rows with the keys of `QUERY_COLUMNS`; places are the phrases that reports show. `parameters` is
        `None` unless the values were asked for.
    """
    rows = []
    spans = [*(trace.queries or ()), *trace.background_queries]
    for span in sorted(spans, key=lambda span: span.start_ms) if trace.background_queries else spans:
        row: dict[str, object] = {name: getattr(span, name) for name in QUERY_COLUMNS}
        row["call_site"] = span.call_site.label if span.call_site else None
        row["loop_site"] = span.loop_site.label if span.loop_site else None
        rows.append(row)
    return rows
