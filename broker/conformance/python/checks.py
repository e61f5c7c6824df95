"""What the Python clients' scripts share: named checks printed as JSON lines, and the records to carry."""

import base64
import json
import sys
import time
import traceback


class Checks:
    """Runs named checks; each prints one JSON line, whether it passes or raises."""

    def __init__(self, argv):
        self.bootstrap, self.prefix, records_file = argv[1:4]
        with open(records_file, encoding="utf-8") as f:
            self.records = [record(r) for r in json.load(f)]

    def run(self, name, check, topic=None):
        line = {"name": name, "ok": True, "detail": ""}
        try:
            check()
            if topic:
                line["topic"] = topic
        except Exception:  # pylint: disable=broad-except  # every failure is a check's result
            line["ok"], line["detail"] = False, traceback.format_exc()
        print(json.dumps(line), flush=True)


def record(r):
    """A record from its JSON form: bytes in base64, null for null."""

    def raw(value):
        return None if value is None else base64.b64decode(value)

    headers = [(h["key"], raw(h["value"])) for h in r["headers"]]
    return {"key": raw(r["key"]), "value": raw(r["value"]), "headers": headers, "timestamp": r["timestamp"]}


def equal(want, got, what=""):
    if want != got:
        raise AssertionError(f"{what}: want {want!r}, got {got!r}")


def eventually(condition, what, seconds=15):
    """Polls until condition holds: a broker may answer before its metadata has caught up."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)


def raises(expected, action, what):
    """action must raise; returns what expected makes of the exception, which must be true."""
    try:
        action()
    except Exception as e:  # pylint: disable=broad-except
        if not expected(e):
            raise AssertionError(f"{what}: raised {e!r}") from e
        return
    raise AssertionError(f"{what}: was not refused")


def main(script):
    script(Checks(sys.argv))
