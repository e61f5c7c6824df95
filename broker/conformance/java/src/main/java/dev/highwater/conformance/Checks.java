package dev.highwater.conformance;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Properties;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;

/**
 * The Java client. Arguments: bootstrap address, prefix of topic names, records file. Prints one JSON line for each named
 * check; a topic named there holds the records of the file, for another client to read.
 */
public final class Checks {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Duration POLL = Duration.ofSeconds(1);
    private static final long BASE = 1_700_000_000_000L;

    private record Sent(byte[] key, byte[] value, List<Map.Entry<String, byte[]>> headers, long timestamp) { }

    private interface Check {
        void run() throws Exception;
    }

    private final String bootstrap;
    private final String prefix;
    private final List<Sent> records;
    private final Admin admin;

    private Checks(String bootstrap, String prefix, List<Sent> records) {
        this.bootstrap = bootstrap;
        this.prefix = prefix;
        this.records = records;
        this.admin = Admin.create(config(Map.of("default.api.timeout.ms", 30000, "request.timeout.ms", 20000)));
    }

    public static void main(String[] args) throws Exception {
        List<Sent> records = new ArrayList<>();
        for (JsonNode r : JSON.readTree(Files.readString(Path.of(args[2])))) {
            List<Map.Entry<String, byte[]>> headers = new ArrayList<>();
            for (JsonNode h : r.get("headers")) {
                headers.add(new java.util.AbstractMap.SimpleEntry<>(h.get("key").asText(), raw(h.get("value"))));
            }
            records.add(new Sent(raw(r.get("key")), raw(r.get("value")), headers, r.get("timestamp").asLong()));
        }
        new Checks(args[0], args[1], records).all();
        System.exit(0);
    }

    private static byte[] raw(JsonNode value) throws IOException {
        return value.isNull() ? null : Base64.getDecoder().decode(value.asText());
    }

    private void all() {
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            run("round trip " + codec, prefix + "-" + codec, () -> roundTrip(codec, Map.of("compression.type", codec)));
        }
        for (String acks : List.of("0", "1", "all")) {
            run("acks " + acks, prefix + "-acks-" + acks,
                () -> roundTrip("acks-" + acks, Map.of("acks", acks, "enable.idempotence", false)));
        }
        run("idempotent", prefix + "-idempotent", () -> roundTrip("idempotent", Map.of("enable.idempotence", true)));
        run("seek", null, this::seek);
        run("too large", null, this::tooLarge);
        run("out of range", null, this::outOfRange);
        run("unknown topic", null, this::unknownTopic);
        run("configs", null, this::configs);
        run("topics", null, this::topics);
        run("cluster", null, this::cluster);
        admin.close(Duration.ofSeconds(5));
    }

    private void run(String name, String topic, Check check) {
        Map<String, Object> line = new HashMap<>(Map.of("name", name, "ok", true, "detail", ""));
        try {
            check.run();
            if (topic != null) {
                line.put("topic", topic);
            }
        } catch (Exception | AssertionError e) {
            StringWriter trace = new StringWriter();
            e.printStackTrace(new PrintWriter(trace));
            line.put("ok", false);
            line.put("detail", trace.toString());
        }
        try {
            System.out.println(JSON.writeValueAsString(line));
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    private Properties config(Map<String, Object> more) {
        Properties p = new Properties();
        p.put("bootstrap.servers", bootstrap);
        p.putAll(more);
        return p;
    }

    private String create(String name, int partitions, Map<String, String> configs) throws Exception {
        String topic = prefix + "-" + name;
        admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1).configs(configs))).all().get();
        eventually(topic + " has leaders", () -> {
            Map<TopicPartition, OffsetSpec> wanted = new HashMap<>();
            for (int p = 0; p < partitions; p++) {
                wanted.put(new TopicPartition(topic, p), OffsetSpec.latest());
            }
            try {
                return admin.listOffsets(wanted).all().get().size() == partitions;
            } catch (ExecutionException e) {
                return false;
            }
        });
        return topic;
    }

    private List<RecordMetadata> produce(String topic, List<Sent> sent, Map<String, Object> more) throws Exception {
        Properties p = config(Map.of("linger.ms", 5, "delivery.timeout.ms", 30000, "request.timeout.ms", 20000));
        p.putAll(more);
        List<Future<RecordMetadata>> futures = new ArrayList<>();
        List<RecordMetadata> done = new ArrayList<>();
        try (var producer = new KafkaProducer<>(p, new ByteArraySerializer(), new ByteArraySerializer())) {
            for (Sent s : sent) {
                var r = new ProducerRecord<>(topic, 0, s.timestamp, s.key, s.value);
                s.headers.forEach(h -> r.headers().add(h.getKey(), h.getValue()));
                futures.add(producer.send(r));
            }
            producer.flush();
            for (Future<RecordMetadata> f : futures) {
                done.add(f.get());
            }
        }
        return done;
    }

    private KafkaConsumer<byte[], byte[]> consumer(String topic) {
        var consumer = new KafkaConsumer<>(config(Map.of("enable.auto.commit", false, "auto.offset.reset", "none")),
            new ByteArrayDeserializer(), new ByteArrayDeserializer());
        consumer.assign(List.of(new TopicPartition(topic, 0)));
        return consumer;
    }

    private List<ConsumerRecord<byte[], byte[]>> consume(String topic, long from, int n) {
        List<ConsumerRecord<byte[], byte[]>> out = new ArrayList<>();
        TopicPartition tp = new TopicPartition(topic, 0);
        try (var consumer = consumer(topic)) {
            if (from < 0) {
                consumer.seekToBeginning(List.of(tp));
            } else {
                consumer.seek(tp, from);
            }
            for (int empty = 0; out.size() < n; ) {
                var got = consumer.poll(POLL);
                got.forEach(out::add);
                empty = got.isEmpty() ? empty + 1 : 0;
                check(empty < 15, "nothing more after " + out.size() + " of " + n);
            }
        }
        return out;
    }

    private void same(List<Sent> want, List<ConsumerRecord<byte[], byte[]>> got) {
        equal(want.size(), got.size(), "number of records");
        for (int i = 0; i < want.size(); i++) {
            Sent w = want.get(i);
            ConsumerRecord<byte[], byte[]> g = got.get(i);
            check(Arrays.equals(w.key, g.key()), "key " + i);
            check(Arrays.equals(w.value, g.value()), "value " + i);
            equal(w.timestamp, g.timestamp(), "timestamp " + i);
            equal(TimestampType.CREATE_TIME, g.timestampType(), "timestamp type " + i);
            Header[] headers = g.headers().toArray();
            equal(w.headers.size(), headers.length, "headers " + i);
            for (int j = 0; j < headers.length; j++) {
                equal(w.headers.get(j).getKey(), headers[j].key(), "header key " + i);
                check(Arrays.equals(w.headers.get(j).getValue(), headers[j].value()), "header value " + i);
            }
        }
    }

    private void roundTrip(String name, Map<String, Object> more) throws Exception {
        String topic = create(name, 1, Map.of());
        List<RecordMetadata> sent = produce(topic, records, more);
        for (int i = 0; i < sent.size() && !"0".equals(more.get("acks")); i++) {
            equal((long) i, sent.get(i).offset(), "offset");
        }
        same(records, consume(topic, -1, records.size()));
    }

    private void seek() throws Exception {
        String topic = create("seek", 1, Map.of());
        List<Sent> inOrder = new ArrayList<>();
        for (int i = 0; i < records.size(); i++) {
            Sent r = records.get(i);
            inOrder.add(new Sent(r.key, r.value, r.headers, BASE + 10L * i));
        }
        produce(topic, inOrder, Map.of("batch.size", 2000));
        int n = inOrder.size();
        same(inOrder.subList(33, n), consume(topic, 33, n - 33));
        TopicPartition tp = new TopicPartition(topic, 0);
        try (var consumer = consumer(topic)) {
            equal(26L, consumer.offsetsForTimes(Map.of(tp, BASE + 255)).get(tp).offset(), "offset for a time");
            equal(null, consumer.offsetsForTimes(Map.of(tp, BASE + 1_000_000)).get(tp), "offset for a time past the end");
            equal(0L, consumer.beginningOffsets(List.of(tp)).get(tp), "beginning");
            equal((long) n, consumer.endOffsets(List.of(tp)).get(tp), "end");
        }
        var listed = admin.listOffsets(Map.of(tp, OffsetSpec.maxTimestamp())).partitionResult(tp).get();
        equal((long) n - 1, listed.offset(), "offset of the greatest timestamp");
        equal(BASE + 10L * (n - 1), listed.timestamp(), "the greatest timestamp");
        equal(Optional.of(0), listed.leaderEpoch(), "its leader epoch");
    }

    private void tooLarge() throws Exception {
        String topic = create("too-large", 1, Map.of("max.message.bytes", "5000"));
        Sent big = new Sent(null, new byte[6000], List.of(), BASE);
        refused(RecordTooLargeException.class, () -> produce(topic, List.of(big), Map.of()));
    }

    private void outOfRange() throws Exception {
        String topic = create("out-of-range", 1, Map.of());
        produce(topic, records.subList(0, 5), Map.of());
        refused(OffsetOutOfRangeException.class, () -> consume(topic, 500, 1));
    }

    private void unknownTopic() {
        refused(UnknownTopicOrPartitionException.class, () -> admin.describeTopics(List.of(prefix + "-missing")).allTopicNames().get());
    }

    private void configs() throws Exception {
        String topic = create("configs", 1, Map.of("retention.ms", "123456"));
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        equal("123456", value(resource, "retention.ms").value(), "retention.ms");
        equal(ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG, value(resource, "retention.ms").source(), "source of retention.ms");
        equal(ConfigEntry.ConfigSource.DEFAULT_CONFIG, value(resource, "segment.ms").source(), "source of segment.ms");
        equal(ConfigEntry.ConfigType.LONG, value(resource, "segment.ms").type(), "type of segment.ms");
        admin.incrementalAlterConfigs(Map.of(resource, List.of(
            new AlterConfigOp(new ConfigEntry("segment.ms", "60000"), AlterConfigOp.OpType.SET),
            new AlterConfigOp(new ConfigEntry("retention.ms", ""), AlterConfigOp.OpType.DELETE),
            new AlterConfigOp(new ConfigEntry("cleanup.policy", "compact"), AlterConfigOp.OpType.APPEND)))).all().get();
        eventually("the altered value", () -> "60000".equals(value(resource, "segment.ms").value()));
        equal("604800000", value(resource, "retention.ms").value(), "retention.ms");
        equal("delete,compact", value(resource, "cleanup.policy").value(), "cleanup.policy");
        refused(InvalidConfigurationException.class, () -> admin.incrementalAlterConfigs(Map.of(resource, List.of(
            new AlterConfigOp(new ConfigEntry("segment.ms", "soon"), AlterConfigOp.OpType.SET)))).all().get());
        ConfigEntry limit = value(new ConfigResource(ConfigResource.Type.BROKER, "1"), "message.max.bytes");
        equal("1048588", limit.value(), "the broker's message.max.bytes");
    }

    private ConfigEntry value(ConfigResource resource, String key) throws Exception {
        return admin.describeConfigs(List.of(resource)).values().get(resource).get().get(key);
    }

    private void topics() throws Exception {
        String topic = create("topics", 2, Map.of());
        refused(TopicExistsException.class, () -> create("topics", 2, Map.of()));
        admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(4))).all().get();
        eventually("four partitions", () -> describe(topic).partitions().size() == 4);
        equal(describe(topic).topicId(), admin.listTopics().namesToListings().get().get(topic).topicId(), "topic id");
        produce(topic, records.subList(0, 20), Map.of());
        TopicPartition tp = new TopicPartition(topic, 0);
        var deleted = admin.deleteRecords(Map.of(tp, RecordsToDelete.beforeOffset(7))).lowWatermarks().get(tp).get();
        equal(7L, deleted.lowWatermark(), "low watermark");
        equal(7L, consume(topic, -1, 13).get(0).offset(), "first offset left");
        KafkaFuture<Void> gone = admin.deleteTopics(List.of(topic)).all();
        gone.get();
        refused(UnknownTopicOrPartitionException.class, () -> admin.deleteTopics(List.of(topic)).all().get());
    }

    private TopicDescription describe(String topic) throws Exception {
        return admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic);
    }

    private void cluster() throws Exception {
        var cluster = admin.describeCluster();
        equal(1, cluster.nodes().get().size(), "nodes");
        equal(22, cluster.clusterId().get().length(), "length of the cluster id");
        equal(cluster.nodes().get().iterator().next().id(), cluster.controller().get().id(), "controller");
        String topic = create("log-dirs", 1, Map.of());
        produce(topic, records.subList(0, 5), Map.of());
        var dirs = admin.describeLogDirs(List.of(1)).allDescriptions().get().get(1);
        long found = dirs.values().stream().filter(d -> d.replicaInfos().containsKey(new TopicPartition(topic, 0))).count();
        equal(1L, found, "log dirs that hold the topic");
    }

    private static void eventually(String what, Callable<Boolean> condition) throws Exception {
        long end = System.nanoTime() + Duration.ofSeconds(15).toNanos();
        while (!condition.call()) {
            check(System.nanoTime() < end, "not within 15 s: " + what);
            Thread.sleep(20);
        }
    }

    private static void refused(Class<? extends Throwable> want, Check action) {
        try {
            action.run();
        } catch (Exception e) {
            Throwable cause = e instanceof ExecutionException ? e.getCause() : e;
            if (!want.isInstance(cause)) {
                throw new AssertionError("want " + want.getSimpleName(), e);
            }
            return;
        }
        throw new AssertionError("was not refused: want " + want.getSimpleName());
    }

    private static void equal(Object want, Object got, String what) {
        check(Objects.equals(want, got), what + ": want " + want + ", got " + got);
    }

    private static void check(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }
}
