"""A real server, on a socket that everybody finds and only we may use."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from bridge.runtime import embedded_redis
from bridge.runtime.embedded_redis import EmbeddedRedis, EmbeddedRedisError


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / ("long " * 40) / "var"
    folder.mkdir(parents=True)
    yield folder
    socket = embedded_redis.socket_path(folder)
    if socket.parent.exists():
        for path in socket.parent.iterdir():
            path.unlink()
        socket.parent.rmdir()


def test_it_answers_on_a_private_socket_and_on_no_port_whatever_the_length_of_the_path(data_dir: Path) -> None:
    with EmbeddedRedis(data_dir) as server, redis.Redis.from_url(server.url) as client:
        assert client.ping()
        assert client.config_get("port") == {"port": "0"}
        assert client.config_get("appendonly") == {"appendonly": "yes"}
        assert client.config_get("appendfsync") == {"appendfsync": "everysec"}
        socket = embedded_redis.socket_path(data_dir)
        assert len(str(socket)) <= embedded_redis.SOCKET_PATH_BYTES
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
        assert embedded_redis.answers(data_dir)
    assert not embedded_redis.answers(data_dir)


def test_what_it_held_is_there_after_a_new_start(data_dir: Path) -> None:
    for expected in (None, b"kept"):
        with EmbeddedRedis(data_dir) as server, redis.Redis.from_url(server.url) as client:
            assert client.get("name") == expected
            client.set("name", "kept")


def test_a_second_one_on_the_same_data_dir_is_refused_and_the_first_lives_on(data_dir: Path) -> None:
    with EmbeddedRedis(data_dir):
        with pytest.raises(EmbeddedRedisError, match="already runs"):
            EmbeddedRedis(data_dir).start()
        assert embedded_redis.answers(data_dir)


def test_a_second_data_dir_has_a_server_of_its_own(data_dir: Path, tmp_path: Path) -> None:
    assert embedded_redis.socket_path(data_dir) != embedded_redis.socket_path(tmp_path)


def test_one_that_cannot_start_is_told(data_dir: Path) -> None:
    (data_dir / "redis").mkdir()
    (data_dir / "redis" / "appendonly.aof").write_text("this is no append-only file\n")
    with pytest.raises(EmbeddedRedisError, match=r"did not start: see .*redis\.log"):
        EmbeddedRedis(data_dir).start()


def test_a_folder_that_is_a_link_is_not_trusted(data_dir: Path, tmp_path: Path) -> None:
    folder = embedded_redis.socket_path(data_dir).parent
    folder.symlink_to(tmp_path)
    with pytest.raises(EmbeddedRedisError, match="belongs to somebody else"):
        embedded_redis.command(data_dir)
    folder.unlink()
