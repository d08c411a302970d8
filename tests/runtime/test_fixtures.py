"""The servers that all other tests stand on."""

import psycopg
import redis
import sqlalchemy


def test_redis_is_real_and_empty(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        client.set("left", "behind")


def test_redis_is_empty_again_for_the_next_test(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0


def test_a_database_is_real_and_empty(database_url: str) -> None:
    engine = sqlalchemy.create_engine(database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE kept (id INTEGER PRIMARY KEY)")
        assert connection.exec_driver_sql("SELECT count(*) FROM kept").scalar() == 0
    engine.dispose()
    assert engine.dialect.name == ("sqlite" if database_url.startswith("sqlite") else "postgresql")
    assert psycopg.apilevel == "2.0"
