"""What `FORMAT=JSON` of MariaDB and MySQL answers, without the values that were bound, as a plan."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from perfkit.capture.databases.literals import hide_values
from perfkit.capture.databases.request import ExplainRequest
from perfkit.model.mariadb_plan import read_mariadb_plan
from perfkit.model.plan import Plan

# Text as the value of a key has a line of its own.
_TEXT = re.compile(r'^(\s*"\w+": )"(.*)"(,?)$', re.MULTILINE)
# MySQL's own words for what MariaDB writes too.
_SAME = {
    "rows_examined_per_scan": "rows",
    "ordering_operation": "filesort",
    "grouping_operation": "temporary_table",
    "duplicates_removal": "temporary_table",
    "materialized_from_subquery": "materialized",
    "attached_subqueries": "subqueries",
    "select_list_subqueries": "subqueries",
}


def read_mysql_plan(answer: object, request: ExplainRequest, note: str | None, *, system_name: str) -> Plan:
    """Read one answer.

    Args:
        answer: JSON as text.
        request: what was asked.
        note: why it was not measured, if it was not.
        system_name: `mariadb` or `mysql`.

    Raises:
        PlanFormatError: if it is no plan.
    """
    data = _decoded(answer)
    if request.has_parameters and not isinstance(data, str):
        data = hide_values(data, request.written)
    plan = read_mariadb_plan(_renamed(data) if system_name == "mysql" else data, request.statement)
    return replace(
        plan,
        system_name=system_name,
        parameter_types=request.parameter_types,
        notes=(*plan.notes, *([note] if note else [])),
    )


def _decoded(answer: object) -> Any:
    """MariaDB 10.11 writes quotes and backslashes of a condition as they are, which is no JSON."""
    if not isinstance(answer, str):
        return answer
    for text in (answer, _TEXT.sub(lambda match: match[1] + json.dumps(match[2]) + match[3], answer)):
        try:
            return json.loads(text)
        except ValueError:
            continue
    return answer  # the reader says what is wrong with it


def _renamed(value: Any) -> Any:
    if isinstance(value, list):
        return [_renamed(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    return {_SAME.get(key, key): _number(key, _renamed(item)) for key, item in value.items()}


def _number(key: str, value: Any) -> Any:
    """MySQL writes shares and costs as text."""
    try:
        return float(value) if key == "filtered" and isinstance(value, str) else value
    except ValueError:
        return value
