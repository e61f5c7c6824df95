"""kafka-python. Arguments: bootstrap address, prefix of topic names, records file."""

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import (
    ConfigResource,
    ConfigResourceType,
    KafkaAdminClient,
    NewPartitions,
    NewTopic,
    OffsetSpec,
)
from kafka.errors import (
    InvalidConfigurationError,
    MessageSizeTooLargeError,
    OffsetOutOfRangeError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
)

from checks import equal, eventually, main, raises

SECONDS = 30


class Script:
    def __init__(self, checks):
        self.c = checks
        self.admin = KafkaAdminClient(bootstrap_servers=checks.bootstrap)

    def create(self, name, partitions=1, config=None):
        topic = f"{self.c.prefix}-{name}"
        self.admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=config or {})])

        def ready():
            try:
                self.admin.list_partition_offsets({TopicPartition(topic, p): OffsetSpec.LATEST for p in range(partitions)})
                return True
            except UnknownTopicOrPartitionError:
                return False

        eventually(ready, f"{topic} has leaders")
        return topic

    def produce(self, topic, records, **config):
        producer = KafkaProducer(bootstrap_servers=self.c.bootstrap, linger_ms=5, delivery_timeout_ms=20000, request_timeout_ms=10000, **config)
        try:
            futures = [producer.send(topic, key=r["key"], value=r["value"], headers=r["headers"], partition=0, timestamp_ms=r["timestamp"])
                       for r in records]
            producer.flush(SECONDS)
            return [f.get(SECONDS) for f in futures]
        finally:
            producer.close(5)

    def consumer(self, topic, **config):
        consumer = KafkaConsumer(bootstrap_servers=self.c.bootstrap, group_id=None, enable_auto_commit=False, **config)
        consumer.assign([TopicPartition(topic, 0)])
        return consumer

    def consume(self, topic, offset, n):
        consumer = self.consumer(topic, auto_offset_reset="none")
        try:
            if offset is None:
                consumer.seek_to_beginning()
            else:
                consumer.seek(TopicPartition(topic, 0), offset)
            out = []
            while len(out) < n:
                got = consumer.poll(timeout_ms=10000)
                if not got:
                    raise AssertionError(f"nothing more after {len(out)} of {n}")
                for messages in got.values():
                    out.extend(messages)
            return out
        finally:
            consumer.close()

    def same(self, want, messages):
        equal(len(want), len(messages), "number of records")
        for i, (w, m) in enumerate(zip(want, messages)):
            equal(w["key"], m.key, f"key {i}")
            equal(w["value"], m.value, f"value {i}")
            equal(w["headers"], list(m.headers), f"headers {i}")
            equal((0, w["timestamp"]), (m.timestamp_type, m.timestamp), f"timestamp {i}")

    def round_trip(self, topic, **config):
        sent = self.produce(topic, self.c.records, **config)
        if config.get("acks") != 0:
            equal(list(range(len(sent))), [m.offset for m in sent], "offsets")
        self.same(self.c.records, self.consume(topic, None, len(self.c.records)))

    def seek(self):
        topic = self.create("seek")
        records = [dict(r, timestamp=1_700_000_000_000 + 10 * i) for i, r in enumerate(self.c.records)]
        self.produce(topic, records)
        self.same(records[33:], self.consume(topic, 33, len(records) - 33))
        tp = TopicPartition(topic, 0)
        consumer = self.consumer(topic)
        try:
            equal(26, consumer.offsets_for_times({tp: 1_700_000_000_255})[tp].offset, "offset for a time")
            equal({tp: None}, consumer.offsets_for_times({tp: 1_800_000_000_000}), "offset for a time to come")
            equal({tp: 0}, consumer.beginning_offsets([tp]), "beginning")
            equal({tp: len(records)}, consumer.end_offsets([tp]), "end")
        finally:
            consumer.close()
        listed = self.admin.list_partition_offsets({tp: OffsetSpec.MAX_TIMESTAMP})
        equal(len(records) - 1, listed[tp].offset, "offset of the greatest timestamp")

    def too_large(self):
        topic = self.create("too-large", config={"max.message.bytes": "5000"})
        big = {"key": None, "value": b"x" * 6000, "headers": [], "timestamp": 1_700_000_000_000}
        raises(lambda e: isinstance(e, MessageSizeTooLargeError), lambda: self.produce(topic, [big]), "a big record")

    def out_of_range(self):
        topic = self.create("out-of-range")
        self.produce(topic, self.c.records[:5])
        raises(lambda e: isinstance(e, OffsetOutOfRangeError), lambda: self.consume(topic, 500, 1), "an offset past the end")

    def unknown_topic(self):
        (topic,) = self.admin.describe_topics([f"{self.c.prefix}-missing"])
        equal(3, topic["error_code"], "metadata of an unknown topic")

    def configs(self):
        topic = self.create("configs", config={"retention.ms": "123456"})

        def value(key):
            described = self.admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)], config_filter="all")
            return described["topic"][topic][key]["value"]

        equal("123456", value("retention.ms"))
        self.admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs={"segment.ms": "60000"})])
        eventually(lambda: value("segment.ms") == "60000", "the altered value")
        bad = ConfigResource(ConfigResourceType.TOPIC, topic, configs={"segment.ms": "soon"})
        answer = self.admin.alter_configs([bad])["topic"][topic]
        if not answer.startswith(f"[Error {InvalidConfigurationError.errno}]"):
            raise AssertionError(f"a bad value: answered {answer!r}")

    def admin_topics(self):
        topic = self.create("admin", 2)
        raises(lambda e: isinstance(e, TopicAlreadyExistsError), lambda: self.create("admin", 2), "a second creation")
        self.admin.create_partitions({topic: NewPartitions(4)})
        eventually(lambda: len(self.admin.describe_topics([topic])[0]["partitions"]) == 4, "four partitions")
        self.produce(topic, self.c.records[:20])
        tp = TopicPartition(topic, 0)
        self.admin.delete_records({tp: 7})
        equal(7, self.consume(topic, None, 13)[0].offset, "first offset left")
        equal(1, len(self.admin.describe_cluster()["brokers"]), "brokers")
        self.admin.delete_topics([topic])
        raises(lambda e: isinstance(e, UnknownTopicOrPartitionError), lambda: self.admin.delete_topics([topic]), "deleting twice")

    def all(self):
        for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
            config = {"compression_type": None if codec == "none" else codec}
            topic = f"{self.c.prefix}-{codec}"
            self.c.run(f"round trip {codec}", lambda: self.round_trip(self.create(codec), **config), topic)
        for acks in (0, 1, "all"):
            topic = f"{self.c.prefix}-acks-{acks}"
            self.c.run(f"acks {acks}", lambda: self.round_trip(self.create(f"acks-{acks}"), acks=acks, enable_idempotence=False), topic)
        topic = f"{self.c.prefix}-idempotent"
        self.c.run("idempotent", lambda: self.round_trip(self.create("idempotent"), enable_idempotence=True), topic)
        for check in (self.seek, self.too_large, self.out_of_range, self.unknown_topic, self.configs, self.admin_topics):
            self.c.run(check.__name__.replace("_", " "), check)


if __name__ == "__main__":
    main(lambda checks: Script(checks).all())
