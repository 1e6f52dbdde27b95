import os
import re

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotag.domain.identity import (
    detector_of,
    folder_key,
    folder_path,
    media_id,
    model_id,
    parse_shard_range,
    region_id,
    shard_name,
)
from autotag.errors import UsageError

AWKWARD = st.text(st.sampled_from(list("ab./%,\n\t \"'*?[]<>|\\~#é猫🦊\x7f\x85\u2028-")), max_size=20)


@given(st.one_of(st.text(max_size=40), AWKWARD))
def test_a_folder_key_leads_back_to_its_path(path: str) -> None:
    assert folder_path(folder_key(path)) == path


@given(st.binary(max_size=30).map(os.fsdecode))
def test_names_that_are_no_utf8_come_back_too_and_their_keys_can_be_stored(path: str) -> None:
    key = folder_key(path)
    assert folder_path(key) == path
    key.encode("utf-8")


@given(st.one_of(st.text(max_size=40), AWKWARD), st.one_of(st.text(max_size=40), AWKWARD))
def test_two_paths_never_share_a_key(one: str, other: str) -> None:
    assert (folder_key(one) == folder_key(other)) == (one == other)


@given(st.one_of(st.text(min_size=1, max_size=40), AWKWARD))
def test_keys_are_valid_for_dagster_and_for_a_command_line(path: str) -> None:
    key = folder_key(path)
    assert dg.StaticPartitionsDefinition([key]).get_partition_keys() == [key]  # refuses what it cannot hold
    assert not re.search(r"[\x00-\x1f\x7f-\x9f,\"*?\[\]]|\.\.", key)


def test_plain_paths_stay_readable() -> None:
    assert folder_key("2024/Weiße Nächte/a-b_c.d") == "2024/Weiße Nächte/a-b_c.d"
    assert folder_key("a...b,c") == "a%2E%2E%2Eb%2Cc"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("00000..00003", ["00000", "00001", "00002", "00003"]),
        ("2", ["00002"]),
        (" 00007..7 ", ["00007"]),
    ],
)
def test_shard_ranges_include_both_ends(text: str, names: list[str]) -> None:
    assert parse_shard_range(text) == names


@pytest.mark.parametrize("text", ["", "a", "3..1", "1...2", "-1", "1..", "000001", "1..2..3", "٣"])
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"shard range|runs backwards"):
        parse_shard_range(text)


def test_ids_are_what_the_files_say() -> None:
    assert media_id(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert region_id("abc", 7) == "abc-007"
    assert shard_name(12) == "00012"
    assert detector_of(model_id("d-1", "e-2")) == "d-1"
