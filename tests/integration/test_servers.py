"""The servers that the tests stand on do what is needed of them."""

from __future__ import annotations

import pytest
from confluent_kafka import Producer
from redis import Redis

from tests.integration.stream import Stream
from tests.servers.base import Server


@pytest.mark.kafka
def test_kafka_takes_transactions(kafka: Server) -> None:
    """The broker opens and commits a transaction."""
    stream = Stream(kafka.address, num_partitions=1)
    stream.create()
    producer = Producer({"bootstrap.servers": kafka.address, "transactional.id": stream.name})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(stream.topics.input, b"value")
    producer.commit_transaction(30)


@pytest.mark.redis
def test_redis_keeps_what_it_is_given(redis: Server) -> None:
    """The cache server stores and returns bytes."""
    client = Redis.from_url(redis.address)
    client.set("hangtag-test", b"\x00\xff")
    assert client.get("hangtag-test") == b"\x00\xff"
    client.close()


@pytest.mark.kafka
@pytest.mark.redis
def test_a_container_is_told_by_its_image(kafka: Server, redis: Server) -> None:
    """The summary says which servers the tests ran against."""
    for server, image in ((kafka, "kafka"), (redis, "redis")):
        assert not server.how.startswith("container ") or image in server.how
