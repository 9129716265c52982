"""The log loses at most what was being written, whenever it is cut off and whatever the disk does."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from napari_sam.errors import FileFormatError
from napari_sam.io.append_log import AppendLog, decode_line, encode_line, read_log

ENTRIES = [{"n": n, "text": "ä\n" * n} for n in range(4)]


def write(path: Path, entries: list[dict[str, object]]) -> bytes:
    log = AppendLog(path)
    for entry in entries:
        log.append(entry)
    log.close()
    return path.read_bytes()


def test_entries_come_back_and_every_line_is_json(tmp_path: Path):
    path = tmp_path / "new folder" / "log.jsonl"
    content = write(path, ENTRIES)
    assert list(read_log(path).entries) == ENTRIES
    assert [json.loads(line)["entry"] for line in content.splitlines()] == ENTRIES
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_cut_off_at_any_byte_of_the_last_line_everything_before_is_there(tmp_path: Path):
    path = tmp_path / "log.jsonl"
    content = write(path, ENTRIES)
    last = len(encode_line(ENTRIES[-1]))
    for cut in range(1, last + 1):
        path.write_bytes(content[:-cut])
        read = read_log(path)
        assert list(read.entries) == ENTRIES[:-1]
        assert read.torn == (cut < last)
        assert read.size == len(content) - last
        log = AppendLog(path)
        log.append(ENTRIES[-1])
        log.close()
        assert path.read_bytes() == content, "writing goes on after the last whole line"


def test_a_flipped_byte_costs_its_own_line_only(tmp_path: Path):
    path = tmp_path / "log.jsonl"
    content = write(path, ENTRIES)
    start = len(encode_line(ENTRIES[0]))
    for at in range(start, start + len(encode_line(ENTRIES[1])) - 1):
        damaged = bytearray(content)
        damaged[at] ^= 1
        if damaged[at] == ord("\n"):
            continue
        path.write_bytes(bytes(damaged))
        read = read_log(path)
        assert list(read.entries) == [ENTRIES[0], *ENTRIES[2:]]
        assert read.damaged == (2,)


@pytest.mark.parametrize("line", [b"", b"\n", b"hello\n", b'{"sum":"","entry":[]}\n', b"\x00" * 90 + b"\n"])
def test_other_lines_are_no_entries(line: bytes):
    with pytest.raises(ValueError, match="checksum"):
        decode_line(line)


def test_replacing_swaps_the_whole_log_and_goes_on(tmp_path: Path):
    path = tmp_path / "log.jsonl"
    write(path, ENTRIES)
    log = AppendLog(path)
    log.replace(ENTRIES[2:])
    log.append({"n": 9})
    log.sync()
    assert list(read_log(path).entries) == [*ENTRIES[2:], {"n": 9}]
    assert log.size == path.stat().st_size
    log.close()
    assert [each.name for each in tmp_path.iterdir()] == ["log.jsonl"]


def test_replacing_that_fails_leaves_the_old_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "log.jsonl"
    write(path, ENTRIES)
    log = AppendLog(path)

    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        log.replace(ENTRIES[2:])
    monkeypatch.undo()
    log.append({"n": 9})
    log.close()
    assert list(read_log(path).entries) == [*ENTRIES, {"n": 9}]
    assert [each.name for each in tmp_path.iterdir()] == ["log.jsonl"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="limits on the size of a file are a matter of POSIX systems")
def test_a_disk_that_is_full_in_the_middle_of_a_line_leaves_whole_lines(tmp_path: Path):
    path = tmp_path / "log.jsonl"
    code = """
        import resource, signal, sys
        from pathlib import Path
        from napari_sam.io.append_log import AppendLog
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
        log, failed = AppendLog(Path(sys.argv[1])), 0
        for n in range(40):
            try:
                log.append({"n": n})
            except OSError:
                failed += 1
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        log.append({"n": "after"})
        print(failed)
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(path)], capture_output=True, text=True, check=True, timeout=60
    )
    failed = int(result.stdout)
    read = read_log(path)
    assert 0 < failed < 40
    assert [entry["n"] for entry in read.entries] == [*range(40 - failed), "after"]
    assert not read.damaged
    assert not read.torn


def test_what_cannot_be_read_says_so(tmp_path: Path):
    with pytest.raises(FileFormatError, match="cannot be read"):
        read_log(tmp_path / "missing.jsonl")
    huge = tmp_path / "huge.jsonl"
    with huge.open("wb") as file:
        file.truncate((1 << 31) + 1)
    with pytest.raises(FileFormatError, match="larger than"):
        read_log(huge)
