#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module submits, asks and reads in a daemon: its mail is delivered and told of, the queue says what became of it,
and a cursor goes on where it acknowledged, after kill -9 too."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness

tap = harness.Tap()


def send(lab, recipient, sender="courier@sender.test"):
    return lab.rows("courier", "send", sender, recipient)[0]


def read_until(lab, seen, queue_id, kind):
    """Reads events by the cursor until there is one of that message and type; none may come twice."""
    def step():
        for row in lab.rows("courier", "events"):
            event = json.loads(row["event"])
            if event["id"] in seen:
                raise RuntimeError("event %s came twice" % event["id"])
            seen[event["id"]] = event
        return any(e["queue_id"] == queue_id and e["type"] == kind for e in seen.values())
    lab.wait(step, 30, "%s of %s" % (kind, queue_id))


def main():
    seen = {}
    with harness.Lab("--module", "courier") as lab:
        lab.script("rcpt late@rcpt.test 450 4.2.1 come later\n")
        first = send(lab, "alive@rcpt.test")
        tap.equal(first["outcome"], 0, "a message is submitted")
        facts, message = lab.wait_sunk(1)[0]
        tap.ok(b"\r\n\r\nnews\r\n" in message and b"Message-ID: <" in message, "it arrives, with what its header lacked", message)
        tap.equal(send(lab, "nobody")["text"], "found recipient 'nobody', wanted an address", "what is wrong is said")
        read_until(lab, seen, first["id"], "delivered")
        accepted = [e for e in seen.values() if e["type"] == "accepted"]
        tap.equal([e.get("submitted_by") for e in accepted], ["courier"], "the event says who submitted it")
        tap.equal(lab.rows("courier", "queued", first["id"]), [], "what is delivered is not queued")
        late = send(lab, "late@rcpt.test")
        read_until(lab, seen, late["id"], "deferred")
        row = lab.rows("courier", "queued", late["id"])[0]
        tap.ok(row["state"] == "waiting" and row["attempts"] == 1 and "come later" in row["reply"], "what is put off is, and why", row)
        now = lab.rows("why", late["id"])[-1]
        tap.ok(now["event"] == "now" and now["recipient"] == "late@rcpt.test" and now["until"], "`why` ends with whom it waits for, and until when", now)
        lab.kill_and_restart()
        tap.equal(lab.rows("why", late["id"])[-1]["recipient"], "late@rcpt.test", "also where the message must be read from disk")
        row = lab.rows("courier", "queued", late["id"])[0]
        tap.ok(row["state"] == "waiting" and row["attempts"] == 1, "it is so after kill -9", row)
        last = send(lab, "alive@rcpt.test")
        read_until(lab, seen, last["id"], "delivered")
        tap.ok(True, "the cursor went on where it was: no event came twice")
        lab.clean(tap)
    tap.end()


main()
