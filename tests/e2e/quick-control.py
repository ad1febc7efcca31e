#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control socket under abuse: random messages (a million in the full run) and whole commands from somebody who has no right to give them.
The daemon lives, and nothing of what it keeps has changed."""
import grp
import json
import os
import random
import socket
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness

tap = harness.Tap()
MESSAGES = 1000000 if harness.FULL else 10000
NOBODY = 65534
GROUP = "daemon"  # there everywhere, and nobody is no member of it
CHANGES = [["queue", "delete"], ["queue", "bounce"], ["queue", "release"], ["queue", "retry"], ["queue", "hold"], ["suppress", "remove"], ["suppress", "add"], ["reload"], ["stop"]]
READS = [["status"], ["queue", "list"], ["suppress", "list"], ["counters"], ["conf", "dump"]]
PIECES = [b'"word"', b'"verb"', b'"args"', b'"options"', b'"file"', b'"data"', b"{", b"}", b"[", b"]", b":", b",", b'"', b"\\", b"\\u0000", b"\\ud800", b"null", b"1e999",
          b"-0", b"true", b"\xff", b"\xc3", b"\x00", b"\x1b[2J", b"\xe2\x80\xae", b'"queue"', b'"delete"', b"%n%s", b"A" * 300, b"{\"a\":" * 40, b"[" * 70, b"/*", b"'"]


def line(value):
    return json.dumps(value).encode() + b"\n"


def head(words, **more):
    return dict({"word": words[0]}, **({"verb": words[1]} if len(words) > 1 else {}), **more)


def noise(chance):
    if chance.random() < 0.3:
        return chance.randbytes(chance.randrange(200)).replace(b"\n", b"")
    return b"".join(chance.choice(PIECES) for _ in range(chance.randrange(12)))


def mutated(chance, data):
    data = bytearray(data)
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(data) - 1)
        data[at:at + chance.randrange(3)] = chance.randbytes(chance.randrange(3)).replace(b"\n", b"")
    return bytes(data)


def message(chance, queue_id):
    """One of many wrong things. None is a command that changes something and is complete: that root may give."""
    kind = chance.randrange(7)
    change = head(chance.choice(CHANGES))
    if kind == 0:
        return noise(chance) + b"\n"
    if kind == 1:  # a good beginning, then noise in place of its end
        return line(dict(change, args=[queue_id])) + noise(chance) + b"\n"
    if kind == 2:  # what is no text where text belongs
        return line(dict(change, args=[chance.choice([1, None, True, [queue_id], {"a": queue_id}])])) + line({"run": True})
    if kind == 3:
        return line(dict(change, args=[queue_id], options={chance.choice(["none", "", "\0", "a" * 500, "--x"]): "x"})) + line({"run": True})
    if kind == 4:
        return mutated(chance, line(dict(change, args=[queue_id])))[:-1] + b"\n"
    if kind == 5:  # cut off
        whole = line(dict(change, args=[queue_id]))
        return whole[:chance.randrange(len(whole))]
    return line(head(chance.choice(READS))) + chance.choice([line({"run": True}), noise(chance) + b"\n", line({"file": "x", "data": "!!"})])


def say(path, data):
    """What the daemon answers, until it closes."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(30)
        s.connect(path)
        answer = b""
        try:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            while True:
                block = s.recv(65536)
                if not block:
                    return answer
                answer += block
        except (BrokenPipeError, ConnectionResetError):
            return answer


def kept(lab):
    """All that a command could have changed."""
    return {"queue": [{k: row[k] for k in ("id", "state", "recipient") if k in row} for row in lab.rows("queue", "list")],
            "suppressed": [row for row in lab.rows("suppress", "list")], "held": lab.status()["queue.held"], "pid": lab.pid, "alive": os.path.exists("/proc/%d" % lab.pid),
            "reloads": lab.log().count("reload")}


def test_noise(lab, queue_id):
    before, chance = kept(lab), random.Random(harness.FULL and random.randrange(1 << 30) or 7)
    path = lab.facts["control_socket"]
    for i in range(MESSAGES):
        data = message(chance, queue_id)
        try:
            say(path, data)
        except OSError as trouble:
            tap.ok(False, "message %d is answered" % i, "%r: %r" % (data[:300], trouble))
            break
    tap.equal(kept(lab), before, "after %d random messages the daemon lives and all is as it was" % MESSAGES)
    # Many at once that say nothing: others wait their turn, and are told so.
    idle = [socket.socket(socket.AF_UNIX) for _ in range(40)]
    for s in idle:
        s.connect(path)
    crowded = lab.ctl("status", check=False)
    tap.ok(crowded.returncode == 1 and "at once" in crowded.stderr, "beyond 32 at once one is told to come again", crowded)
    for s in idle:
        s.close()
    lab.wait(lambda: lab.ctl("status", check=False).returncode == 0, 10, "a turn")


CALL = """import json, os, socket, sys
os.setgroups([]); os.setresgid(%d, %d, %d); os.setresuid(%d, %d, %d)
for data in json.load(sys.stdin):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20)
    try:
        s.connect(sys.argv[1])
        try:
            s.sendall(data.encode())
        except BrokenPipeError:
            pass  # refused already
        answer = b""
        while not answer.endswith(b"\\n"):
            block = s.recv(65536)
            if not block:
                break
            answer += block
    except OSError as trouble:
        answer = str(trouble).encode()
    print(answer.decode(errors="replace").splitlines()[-1] if answer else "")
""" % ((NOBODY,) * 6)


def stranger(lab, messages):
    done = subprocess.run([sys.executable, "-c", CALL, lab.facts["control_socket"]], input=json.dumps(messages), capture_output=True, text=True)
    return done.stdout.splitlines(), done.stderr


def commands(queue_id):
    out = []
    for words in CHANGES + READS:
        out.append((line(head(words, args=[queue_id] if words in CHANGES and len(words) > 1 else [])) + line({"run": True})).decode())
    return out


def test_stranger(lab, queue_id):
    before = kept(lab)
    answers, error = stranger(lab, commands(queue_id))
    tap.ok(len(answers) == len(commands(queue_id)) and all("only root" in answer for answer in answers), "a user who is neither root, the daemon's nor in the group is told so, whatever he asks",
           "\n".join(answers) + error)
    tap.equal(kept(lab), before, "and nothing has changed")


def test_closed(queue_id):
    with harness.Lab() as lab:
        os.chmod(lab.directory, 0o755)
        mode = os.stat(lab.facts["control_socket"]).st_mode & 0o777
        tap.equal(mode, 0o600, "without control_group the socket is for its owner alone")
        os.chmod(os.path.dirname(lab.facts["control_socket"]), 0o755)
        os.chmod(lab.facts["control_socket"], 0o666)
        answers, error = stranger(lab, commands(queue_id))
        tap.ok(answers and all("only root" in answer for answer in answers), "and where its mode was changed, whoever calls is asked for", "\n".join(answers) + error)


grp.getgrnam(GROUP)
with harness.Lab("--set", "relais.control_group=" + GROUP) as lab:
    os.chmod(lab.directory, 0o755)
    lab.script("rcpt *@held.rcpt.test 451 4.3.0 not now\n")
    session = harness.Dialogue(lab.port)
    for words in (None, "EHLO c.test", "MAIL FROM:<ann@sender.test>", "RCPT TO:<x@held.rcpt.test>", "DATA", "From: ann@sender.test\r\n\r\nx\r\n."):
        session.reply() if words is None else session.ask(words)
    session.close()
    queue_id = lab.wait(lambda: lab.rows("queue", "list"), 10, "a message in the queue")[0]["id"]
    lab.ctl("queue", "hold", queue_id)
    lab.ctl("suppress", "add", "gone@rcpt.test", check=False)
    tap.case(test_noise, lab, queue_id)
    tap.case(test_stranger, lab, queue_id)
    lab.clean(tap)
tap.case(test_closed, queue_id)
tap.end()
