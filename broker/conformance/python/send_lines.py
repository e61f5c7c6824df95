"""Sends the lines of a file to partition 0 of a topic with librdkafka, idempotent, however often the broker is killed meanwhile.

kcat gives up when its only broker is down. Arguments: bootstrap address, topic, file. Exit 0: every line was acknowledged.
"""

import sys

from confluent_kafka import Producer


def main():
    bootstrap, topic, name = sys.argv[1:4]
    failures = []
    producer = Producer({
        "bootstrap.servers": bootstrap, "enable.idempotence": True, "compression.type": "lz4", "linger.ms": 5,
        "queue.buffering.max.messages": 100000, "message.timeout.ms": 120000,
        "retry.backoff.ms": 20, "reconnect.backoff.ms": 10, "reconnect.backoff.max.ms": 50,
        "error_cb": lambda e: failures.append(e) if e.fatal() else None,
    })

    def delivered(error, _message):
        if error:
            failures.append(error)

    with open(name, "rb") as lines:
        for line in lines:
            while not failures:
                try:
                    producer.produce(topic, line[:-1], partition=0, on_delivery=delivered)
                    break
                except BufferError:
                    producer.poll(0.05)
            if failures:
                break
            producer.poll(0)
    left = producer.flush(120)
    if failures or left:
        sys.exit(f"{left} lines left, first failure: {failures[:1]}")


if __name__ == "__main__":
    main()
