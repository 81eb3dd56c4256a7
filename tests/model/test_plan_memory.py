"""What went through temporary files, and the memory that is advised."""

import pytest

from perfkit.model.plan_builders import node, plan
from perfkit.model.plan_io import READS, own_io_ms
from perfkit.model.plan_memory import (
    hash_multiplier,
    memory_advice,
    most_said,
    spilled_mb,
    temporary_file_ms,
    work_mem_kb,
)


@pytest.mark.parametrize(
    ("settings", "kb"),
    [
        ({}, 4096),
        ({"work_mem": "256kB"}, 256),
        ({"work_mem": "64MB"}, 65_536),
        ({"work_mem": "1GB"}, 1_048_576),
        ({"work_mem": "a lot"}, 4096),
    ],
)
def test_the_memory_of_a_sort_is_read_from_the_settings(settings, kb):
    assert work_mem_kb(plan(node("Sort"), settings=settings)) == kb


def test_a_hash_may_use_twice_as_much_where_it_is_seen_to():
    default = plan(node("Aggregate"))
    assert hash_multiplier(default, 5_457) == 2
    assert hash_multiplier(default, 3_900) == 1
    assert hash_multiplier(plan(node("Aggregate"), settings={"hash_mem_multiplier": "3.5"}), 9_000) == 3.5


@pytest.mark.parametrize(("kb", "statement"), [(100, "1MB"), (4_097, "8MB"), (16_384, "16MB")])
def test_memory_is_advised_in_powers_of_two(kb, statement):
    assert memory_advice(kb)[1] == f"SET LOCAL work_mem = '{statement}';"


def test_no_statement_gets_more_than_a_server_can_spare():
    (words,) = memory_advice(400_000)
    assert "512 MB" in words


def test_the_largest_number_of_the_main_process_and_its_workers_counts():
    item = node("Aggregate", Peak_Memory_Usage=10, Workers=[{"Peak Memory Usage": 30}, {"Other": 99}])
    assert most_said(item, "Peak Memory Usage") == 30


def test_what_a_node_below_wrote_is_not_counted_twice():
    below = node("Hash", node("Seq Scan"), temp_written_blocks=1_000)
    join = plan(node("Hash Join", node("Seq Scan"), below, temp_written_blocks=1_500)).root
    assert spilled_mb(join) == pytest.approx(500 * 8192 / 1e6)
    assert spilled_mb(join, join.children[1]) == pytest.approx(1_500 * 8192 / 1e6)


def test_files_that_were_not_timed_are_not_known_rather_than_free():
    assert temporary_file_ms(node("Sort")) is None
    timed = {"Temp_I/O_Read_Time": 3.0, "Temp_I/O_Write_Time": 4.0}
    assert temporary_file_ms(node("Sort", **timed)) == 7
    assert temporary_file_ms(node("Sort", node("Sort", **timed), **timed)) == 0


def test_processes_wait_at_the_same_time():
    scan = node("Seq Scan", ms=30, loops=3, **{"Shared_I/O_Read_Time": 60.0})
    root = plan(node("Gather", scan, ms=32, **{"Shared_I/O_Read_Time": 60.0}))
    assert own_io_ms(root.node(1), READS) == 20
    assert own_io_ms(root.root, READS) == 0
