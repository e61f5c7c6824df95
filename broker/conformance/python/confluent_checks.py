"""librdkafka through confluent-kafka. Arguments: bootstrap address, prefix of topic names, records file."""

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka import TIMESTAMP_CREATE_TIME, IsolationLevel, OFFSET_BEGINNING
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
)

from checks import equal, eventually, main, raises

SECONDS = 30


def code_is(code):
    return lambda e: isinstance(e, KafkaException) and e.args[0].code() == code


class Script:
    def __init__(self, checks):
        self.c = checks
        self.admin = AdminClient({"bootstrap.servers": checks.bootstrap})

    def create(self, name, partitions=1, config=None):
        topic = f"{self.c.prefix}-{name}"
        self.admin.create_topics([NewTopic(topic, partitions, 1, config=config or {})])[topic].result(SECONDS)

        def ready():
            probe = self.consumer()  # a new one each time: a client remembers for long that a topic was unknown
            try:
                return all(probe.get_watermark_offsets(TopicPartition(topic, p), SECONDS) for p in range(partitions))
            except KafkaException:
                return False
            finally:
                probe.close()

        eventually(ready, f"{topic} has leaders")
        return topic

    def consumer(self, **config):
        return Consumer({"bootstrap.servers": self.c.bootstrap, "group.id": "never-joined", "enable.auto.commit": False,
                         **{k.replace("_", "."): v for k, v in config.items()}})

    def producer(self, **config):
        return Producer({"bootstrap.servers": self.c.bootstrap, "message.timeout.ms": 20000, "linger.ms": 5,
                         **{k.replace("_", "."): v for k, v in config.items()}})

    def produce(self, topic, records, **config):
        failures = []
        producer = self.producer(**config)
        for r in records:
            producer.produce(topic, key=r["key"], value=r["value"], headers=r["headers"], timestamp=r["timestamp"], partition=0,
                             on_delivery=lambda e, m: failures.append(e) if e else None)
            producer.poll(0)
        equal(0, producer.flush(SECONDS), "left unsent")
        if failures:
            raise KafkaException(failures[0])

    def consume(self, topic, offset, n):
        consumer = self.consumer()
        consumer.assign([TopicPartition(topic, 0, offset)])
        out = []
        try:
            while len(out) < n:
                got = consumer.consume(n - len(out), 10)
                if not got:
                    raise AssertionError(f"nothing more after {len(out)} of {n}")
                for m in got:
                    if m.error():
                        raise KafkaException(m.error())
                    out.append(m)
        finally:
            consumer.close()
        return out

    def same(self, want, messages):
        equal(len(want), len(messages), "number of records")
        for i, (w, m) in enumerate(zip(want, messages)):
            equal(w["key"], m.key(), f"key {i}")
            equal(w["value"], m.value(), f"value {i}")
            equal(w["headers"], m.headers() or [], f"headers {i}")
            equal((TIMESTAMP_CREATE_TIME, w["timestamp"]), m.timestamp(), f"timestamp {i}")

    def round_trip(self, topic, **config):
        self.produce(topic, self.c.records, **config)
        self.same(self.c.records, self.consume(topic, OFFSET_BEGINNING, len(self.c.records)))

    def seek(self):
        topic = self.create("seek")
        records = [dict(r, timestamp=1_700_000_000_000 + 10 * i) for i, r in enumerate(self.c.records)]
        self.produce(topic, records)
        self.same(records[33:], self.consume(topic, 33, len(records) - 33))
        consumer = self.consumer()
        try:
            at = consumer.offsets_for_times([TopicPartition(topic, 0, 1_700_000_000_000 + 255)], SECONDS)
            equal(26, at[0].offset, "offset for a time")
            equal((0, len(records)), consumer.get_watermark_offsets(TopicPartition(topic, 0), SECONDS), "watermarks")
        finally:
            consumer.close()
        for spec, want in ((OffsetSpec.earliest(), 0), (OffsetSpec.latest(), len(records)),
                           (OffsetSpec.max_timestamp(), len(records) - 1), (OffsetSpec.for_timestamp(1_700_000_000_100), 10)):
            tp = TopicPartition(topic, 0)
            listed = self.admin.list_offsets({tp: spec}, isolation_level=IsolationLevel.READ_UNCOMMITTED)[tp].result(SECONDS)
            equal(want, listed.offset, "list offsets")

    def too_large(self):
        topic = self.create("too-large", config={"max.message.bytes": "5000"})
        big = {"key": None, "value": b"x" * 6000, "headers": [], "timestamp": 1_700_000_000_000}
        raises(code_is(KafkaError.MSG_SIZE_TOO_LARGE), lambda: self.produce(topic, [big], compression_type="none"), "a big record")

    def unknown_topic(self):
        # A consumer's question does not create the topic; an admin client's would.
        consumer = self.consumer()
        metadata = consumer.list_topics(f"{self.c.prefix}-missing", SECONDS)
        consumer.close()
        (topic,) = metadata.topics.values()
        equal(KafkaError.UNKNOWN_TOPIC_OR_PART, topic.error.code(), "metadata of an unknown topic")

    def out_of_range(self):
        topic = self.create("out-of-range")
        self.produce(topic, self.c.records[:5])
        consumer = self.consumer(auto_offset_reset="error")
        consumer.assign([TopicPartition(topic, 0, 500)])
        try:
            message = consumer.poll(20)
            equal(KafkaError._AUTO_OFFSET_RESET, message.error().code(), "an offset past the end")
        finally:
            consumer.close()

    def configs(self):
        topic = self.create("configs", config={"retention.ms": "123456"})
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic)

        def value(key):
            return self.admin.describe_configs([resource])[resource].result(SECONDS)[key].value

        equal("123456", value("retention.ms"))
        change = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[
            ConfigEntry("segment.ms", "60000", incremental_operation=AlterConfigOpType.SET),
            ConfigEntry("retention.ms", None, incremental_operation=AlterConfigOpType.DELETE)])
        self.admin.incremental_alter_configs([change])[change].result(SECONDS)
        eventually(lambda: value("segment.ms") == "60000", "the altered value")
        equal("604800000", value("retention.ms"))
        bad = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[
            ConfigEntry("segment.ms", "soon", incremental_operation=AlterConfigOpType.SET)])
        raises(code_is(KafkaError.INVALID_CONFIG), lambda: self.admin.incremental_alter_configs([bad])[bad].result(SECONDS), "a bad value")

    def admin_topics(self):
        topic = self.create("admin", 2)
        raises(code_is(KafkaError.TOPIC_ALREADY_EXISTS), lambda: self.create("admin", 2), "a second creation")
        self.admin.create_partitions([NewPartitions(topic, 4)])[topic].result(SECONDS)
        eventually(lambda: len(self.admin.list_topics(topic, SECONDS).topics[topic].partitions) == 4, "four partitions")
        self.produce(topic, self.c.records[:20])
        tp = TopicPartition(topic, 0, 7)
        equal(7, self.admin.delete_records([tp])[tp].result(SECONDS).low_watermark, "low watermark")
        equal(7, self.consume(topic, OFFSET_BEGINNING, 13)[0].offset(), "first offset left")
        cluster = self.admin.describe_cluster().result(SECONDS)
        equal(1, len(cluster.nodes), "nodes")
        equal(22, len(cluster.cluster_id), "length of the cluster id")
        self.admin.delete_topics([topic])[topic].result(SECONDS)
        raises(code_is(KafkaError.UNKNOWN_TOPIC_OR_PART), lambda: self.admin.delete_topics([topic])[topic].result(SECONDS), "deleting twice")

    def all(self):
        for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
            topic = f"{self.c.prefix}-{codec}"
            self.c.run(f"round trip {codec}", lambda: self.round_trip(self.create(codec), compression_type=codec), topic)
        for acks in ("0", "1", "all"):
            topic = f"{self.c.prefix}-acks-{acks}"
            self.c.run(f"acks {acks}", lambda: self.round_trip(self.create(f"acks-{acks}"), acks=acks), topic)
        topic = f"{self.c.prefix}-idempotent"
        self.c.run("idempotent", lambda: self.round_trip(self.create("idempotent"), enable_idempotence=True), topic)
        for check in (self.seek, self.too_large, self.unknown_topic, self.out_of_range, self.configs, self.admin_topics):
            self.c.run(check.__name__.replace("_", " "), check)


if __name__ == "__main__":
    main(lambda checks: Script(checks).all())
