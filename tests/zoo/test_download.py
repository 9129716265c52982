"""Downloads from a server that does everything wrong."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from napari_sam.errors import Cancelled, DownloadError, ModelError
from napari_sam.zoo import download as download_module
from napari_sam.zoo.download import DownloadConfig, download
from napari_sam.zoo.store import models_dir
from tests.zoo.hostile_server import Answer, Server

QUICK = DownloadConfig(stall_timeout_s=10, retries=3, backoff_s=0.01)
IMPATIENT = DownloadConfig(stall_timeout_s=0.4, retries=3, backoff_s=0.01)
ONCE = DownloadConfig(stall_timeout_s=10, retries=0)
SIZE = 400_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models"


def _others(folder: Path) -> set[str]:
    """Files beside the finished one and its lock."""
    return {path.name for path in folder.iterdir()} - {"tester.pth", "tester.pth.lock"}


def test_a_file_arrives_with_progress(server: Server, folder: Path) -> None:
    seen: list[tuple[int, int]] = []
    path = download(server.card(), lambda done, total: seen.append((done, total)), folder=folder, config=QUICK)
    assert path == folder / "tester.pth"
    assert path.read_bytes() == server.content
    assert seen[-1] == (SIZE, SIZE)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert {total for _, total in seen} == {SIZE}
    assert _others(folder) == set()


def test_the_default_folder_is_the_cache(server: Server) -> None:
    path = download(server.card(filename="in_the_cache.pth"), config=QUICK)
    assert path == models_dir() / "in_the_cache.pth"
    assert str(path).startswith(os.environ["NAPARI_SAM_CACHE"])


def test_a_good_file_is_not_fetched_again(server: Server, folder: Path) -> None:
    download(server.card(), folder=folder, config=QUICK)
    download(server.card(), folder=folder, config=QUICK)
    assert len(server.requests) == 1


@pytest.mark.parametrize("ending", [b"?", b"", b"??"])
def test_a_damaged_file_is_replaced(server: Server, folder: Path, ending: bytes) -> None:
    path = download(server.card(), folder=folder, config=QUICK)
    path.write_bytes(server.content[:-1] + ending)
    assert download(server.card(), folder=folder, config=QUICK).read_bytes() == server.content


@pytest.mark.parametrize("algorithm", ["md5", "xxh128"])
def test_other_checksums_are_used_where_there_is_no_sha256(server: Server, folder: Path, algorithm: str) -> None:
    from napari_sam.zoo.hashing import new_hash

    digest = new_hash(algorithm)
    digest.update(server.content)
    card = server.card(sha256=None, size_bytes=None, **{algorithm: digest.hexdigest()})
    assert download(card, folder=folder, config=QUICK).read_bytes() == server.content
    wrong = server.card(sha256=None, filename="other.pth", **{algorithm: "0" * 32})
    with pytest.raises(DownloadError, match=algorithm):
        download(wrong, folder=folder, config=QUICK)


def test_a_cut_connection_is_resumed_where_it_ended(server: Server, folder: Path) -> None:
    server.plan = [Answer(cut_after=100_000), Answer(cut_after=50_000)]
    assert download(server.card(), folder=folder, config=QUICK).read_bytes() == server.content
    assert server.ranges_asked() == [None, "bytes=100000-", "bytes=150000-"]
    assert server.requests[1]["If-Range"] == '"one"'


def test_without_a_length_the_card_tells_that_a_transfer_was_cut(server: Server, folder: Path) -> None:
    server.plan = [Answer(no_length=True, cut_after=100_000), Answer(no_length=True)]
    assert download(server.card(), folder=folder, config=QUICK).read_bytes() == server.content
    assert server.ranges_asked() == [None, "bytes=100000-"]


def test_a_stalled_connection_is_given_up_and_resumed(server: Server, folder: Path) -> None:
    server.plan = [Answer(stall_after=100_000)]
    assert download(server.card(), folder=folder, config=IMPATIENT).read_bytes() == server.content
    assert server.ranges_asked()[:2] == [None, "bytes=100000-"]


def test_a_server_that_says_nothing_at_all_is_given_up(server: Server, folder: Path) -> None:
    server.plan = [Answer(stall_after=0, no_length=True)] * 2
    config = DownloadConfig(stall_timeout_s=0.2, retries=1, backoff_s=0.01)
    with pytest.raises(DownloadError, match="nothing arrived"):
        download(server.card(), folder=folder, config=config)


def test_a_server_without_ranges_starts_again(server: Server, folder: Path) -> None:
    server.plan = [Answer(cut_after=100_000), Answer(ranges=False)]
    assert download(server.card(), folder=folder, config=QUICK).read_bytes() == server.content
    assert server.ranges_asked() == [None, "bytes=100000-"]


def test_a_server_that_goes_on_at_another_place_is_asked_again(server: Server, folder: Path) -> None:
    server.plan = [Answer(cut_after=100_000), Answer(wrong_range=True)]
    assert download(server.card(), folder=folder, config=QUICK).read_bytes() == server.content
    assert server.ranges_asked() == [None, "bytes=100000-", None]


def test_a_range_that_means_nothing_is_not_trusted(server: Server, folder: Path) -> None:
    server.plan = [Answer(cut_after=100_000), Answer(odd_range=True)]
    assert download(server.card(), folder=folder, config=QUICK).read_bytes() == server.content
    assert server.ranges_asked() == [None, "bytes=100000-", None]


def test_a_trickle_counts_as_a_stall(server: Server, folder: Path) -> None:
    server.plan = [Answer(drip_after=100_000)]
    assert download(server.card(), folder=folder, config=IMPATIENT).read_bytes() == server.content
    assert len(server.requests) > 1


def test_redirections_are_followed_with_the_range(server: Server, folder: Path) -> None:
    server.plan = [Answer(status=302), Answer(cut_after=100_000), Answer(status=302), Answer()]
    assert download(server.card(), folder=folder, config=QUICK).read_bytes() == server.content
    assert server.ranges_asked() == [None, None, "bytes=100000-", "bytes=100000-"]


def test_a_file_that_changed_behind_a_server_without_etags(server: Server, folder: Path) -> None:
    server.etag = None
    server.plan = [Answer(body=b"x" * SIZE, cut_after=100_000)]
    assert download(server.card(), folder=folder, config=QUICK).read_bytes() == server.content
    assert server.ranges_asked() == [None, "bytes=100000-", None]


def test_a_server_without_tls_at_a_secure_address_is_an_error(server: Server, folder: Path) -> None:
    card = server.card(url=server.url.replace("http:", "https:"))
    with pytest.raises(DownloadError, match="SSL"):
        download(card, folder=folder, config=ONCE)


def test_a_file_that_changed_on_the_server_is_fetched_from_the_start(server: Server, folder: Path) -> None:
    server.plan = [Answer(body=b"x" * SIZE, cut_after=100_000)]
    with pytest.raises(DownloadError, match="connection ended"):
        download(server.card(), folder=folder, config=ONCE)
    server.etag = '"two"'
    assert download(server.card(), folder=folder, config=QUICK).read_bytes() == server.content
    assert server.ranges_asked() == [None, "bytes=100000-"]


@pytest.mark.parametrize("status", [500, 503, 429])
def test_passing_server_errors_are_tried_again(server: Server, folder: Path, status: int) -> None:
    server.plan = [Answer(status=status), Answer(status=status)]
    assert download(server.card(), folder=folder, config=QUICK).read_bytes() == server.content


def test_a_missing_page_is_an_error_at_once(server: Server, folder: Path) -> None:
    server.plan = [Answer(status=404)] * 9
    with pytest.raises(DownloadError, match="404") as caught:
        download(server.card(), folder=folder, config=QUICK)
    assert len(server.requests) == 1
    assert "NAPARI_SAM_MODELS" in str(caught.value)
    assert "tester.pth" in str(caught.value)


def test_a_server_that_never_recovers_ends_in_an_error(server: Server, folder: Path) -> None:
    server.plan = [Answer(status=500)] * 9
    with pytest.raises(DownloadError, match="500"):
        download(server.card(), folder=folder, config=QUICK)
    assert len(server.requests) == 1 + QUICK.retries


def test_a_server_that_always_cuts_and_knows_no_ranges_ends_in_an_error(server: Server, folder: Path) -> None:
    server.plan = [Answer(cut_after=100_000, ranges=False)] * 99
    with pytest.raises(DownloadError, match="connection ended after 100,000 of 400,000 bytes"):
        download(server.card(), folder=folder, config=QUICK)
    assert len(server.requests) == 1 + QUICK.retries


def test_wrong_content_is_refused_and_not_kept(server: Server, folder: Path) -> None:
    server.plan = [Answer(body=b"z" * SIZE)]
    with pytest.raises(DownloadError, match="did not serve the published file"):
        download(server.card(), folder=folder, config=QUICK)
    assert not (folder / "tester.pth").exists()
    assert _others(folder) == set()


def test_a_web_page_instead_of_the_file_is_named(server: Server, folder: Path) -> None:
    server.plan = [Answer(body=b"<!DOCTYPE html><title>Please log in</title>")]
    with pytest.raises(DownloadError, match="web page"):
        download(server.card(size_bytes=None), folder=folder, config=QUICK)


@pytest.mark.parametrize("claim", [-1000, 1000])
def test_a_length_other_than_published_is_refused_before_the_transfer(server: Server, folder: Path, claim: int) -> None:
    server.plan = [Answer(claim=claim)] * 9
    with pytest.raises(DownloadError, match=f"offers {SIZE + claim:,} bytes"):
        download(server.card(), folder=folder, config=QUICK)
    assert len(server.requests) == 1


def test_a_too_short_length_is_found_by_the_checksum(server: Server, folder: Path) -> None:
    server.plan = [Answer(claim=-1000)]
    with pytest.raises(DownloadError, match="did not serve the published file"):
        download(server.card(size_bytes=None), folder=folder, config=QUICK)


def test_a_too_long_length_is_tried_again_and_ends_in_an_error(server: Server, folder: Path) -> None:
    server.plan = [Answer(claim=1000)] * 9
    with pytest.raises(DownloadError, match="could not be downloaded"):
        download(server.card(size_bytes=None), folder=folder, config=QUICK)
    assert len(server.requests) == 1 + QUICK.retries


def test_cancel_in_the_middle_keeps_the_part_and_the_next_call_goes_on(server: Server, folder: Path) -> None:
    server.plan = [Answer(stall_after=200_000)]
    part = folder / "tester.pth.part"
    with pytest.raises(Cancelled):
        download(
            server.card(),
            cancelled=lambda: part.exists() and part.stat().st_size == 200_000,
            folder=folder,
            config=DownloadConfig(stall_timeout_s=60),
        )
    assert part.stat().st_size == 200_000
    assert not (folder / "tester.pth").exists()
    assert download(server.card(), folder=folder, config=QUICK).read_bytes() == server.content
    assert server.ranges_asked() == [None, "bytes=200000-"]


def test_cancel_while_the_server_does_not_answer(server: Server, folder: Path) -> None:
    server.plan = [Answer(stall_after=0)]
    with pytest.raises(Cancelled):
        download(
            server.card(),
            cancelled=lambda: bool(server.requests),
            folder=folder,
            config=DownloadConfig(stall_timeout_s=60),
        )


def test_cancel_during_the_pause_before_a_retry(server: Server, folder: Path) -> None:
    server.plan = [Answer(status=500)] * 9
    with pytest.raises(Cancelled):
        download(
            server.card(),
            cancelled=lambda: bool(server.requests),
            folder=folder,
            config=DownloadConfig(backoff_s=60),
        )


def test_a_damaged_part_costs_one_more_download_only(server: Server, folder: Path) -> None:
    server.plan = [Answer(cut_after=100_000)]
    with pytest.raises(DownloadError):
        download(server.card(), folder=folder, config=ONCE)
    (folder / "tester.pth.part").write_bytes(b"\0" * 100_000)
    assert download(server.card(), folder=folder, config=QUICK).read_bytes() == server.content
    assert server.ranges_asked() == [None, "bytes=100000-", None]


@pytest.mark.parametrize("record", ["", "{", "[]", '{"url": 3}'])
def test_a_part_of_unknown_origin_is_not_trusted(server: Server, folder: Path, record: str) -> None:
    folder.mkdir()
    (folder / "tester.pth.part").write_bytes(b"junk")
    (folder / "tester.pth.part.json").write_text(record)
    assert download(server.card(), folder=folder, config=QUICK).read_bytes() == server.content
    assert server.ranges_asked() == [None]


def test_a_part_longer_than_the_file_is_not_trusted(server: Server, folder: Path) -> None:
    server.plan = [Answer(cut_after=100_000)]
    with pytest.raises(DownloadError):
        download(server.card(), folder=folder, config=ONCE)
    (folder / "tester.pth.part").write_bytes(b"\0" * (SIZE + 5))
    assert download(server.card(), folder=folder, config=QUICK).read_bytes() == server.content


def test_a_part_that_the_servers_file_is_shorter_than(server: Server, folder: Path) -> None:
    card = server.card(size_bytes=None)
    longer, server.content = server.content, server.content + b"the file was longer once"
    server.plan = [Answer(cut_after=len(longer) + 10)]
    with pytest.raises(DownloadError):
        download(card, folder=folder, config=ONCE)
    server.content = longer
    assert download(card, folder=folder, config=QUICK).read_bytes() == longer


def test_a_whole_part_needs_no_request(server: Server, folder: Path) -> None:
    server.plan = [Answer(cut_after=100_000)]
    with pytest.raises(DownloadError):
        download(server.card(), folder=folder, config=ONCE)
    (folder / "tester.pth.part").write_bytes(server.content)
    assert download(server.card(), folder=folder, config=QUICK).read_bytes() == server.content
    assert len(server.requests) == 1


def test_no_network_says_what_to_do(server: Server, folder: Path) -> None:
    card = server.card(url="http://127.0.0.1:9/nobody-listens-here.pth")
    with pytest.raises(DownloadError) as caught:
        download(card, folder=folder, config=QUICK)
    message = str(caught.value)
    assert "Connection" in message or "refused" in message
    for part in ("http://127.0.0.1:9/nobody-listens-here.pth", "NAPARI_SAM_MODELS", "tester.pth", "HTTPS_PROXY"):
        assert part in message


def test_an_unknown_host_is_an_error_at_once(server: Server, folder: Path) -> None:
    card = server.card(url="http://no-such-host.invalid/tester.pth")
    with pytest.raises(DownloadError, match=r"no-such-host\.invalid.*NAPARI_SAM_MODELS"):
        download(card, folder=folder, config=ONCE)


def test_other_addresses_than_web_ones_are_refused(server: Server, folder: Path) -> None:
    with pytest.raises(DownloadError, match="not a web address"):
        download(server.card(url="file:///etc/passwd"), folder=folder)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's always-full device")
def test_a_full_disk_is_named(server: Server, folder: Path) -> None:
    folder.mkdir()
    (folder / "tester.pth.part").symlink_to("/dev/full")
    with pytest.raises(DownloadError, match=r"full.*NAPARI_SAM_CACHE"):
        download(server.card(), folder=folder, config=QUICK)


def test_too_little_room_is_named_before_the_transfer(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download_module.shutil, "disk_usage", lambda path: SimpleNamespace(free=1234))
    with pytest.raises(DownloadError, match="400,000 more bytes are needed, 1,234 are free"):
        download(server.card(), folder=folder, config=QUICK)


def test_a_folder_that_cannot_be_made_is_named(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DownloadError, match=r"cannot be written.*NAPARI_SAM_CACHE"):
        download(server.card(), folder=tmp_path / "file" / "models", config=QUICK)
    assert server.requests == []


def test_a_read_only_file_system_is_named(server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(download_module.PartFile, "begin", refuse)
    with pytest.raises(DownloadError, match=r"cannot be written \(Read-only file system"):
        download(server.card(), folder=folder, config=QUICK)


def test_names_are_looked_up_and_the_bundled_model_needs_no_download() -> None:
    with pytest.raises(ModelError, match="did you mean"):
        download("vit_bb")
