from hypothesis import given
from hypothesis import strategies as st

from autotag.domain.identity import folder_key, shard_name
from autotag.domain.voter_names import folder_of_shard, folder_shard


@given(st.text(min_size=1, max_size=20))
def test_the_folder_of_a_voter_is_read_back(path: str) -> None:
    key = folder_key(path)
    assert folder_of_shard(folder_shard(key)) == key


def test_a_shard_of_the_archive_is_no_folder() -> None:
    assert folder_of_shard(shard_name(7)) is None
