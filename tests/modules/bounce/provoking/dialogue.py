# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client says to provoke a refusal, and the refusal as Relais would keep it: one line, the codes of each
line said once."""
import re
import socket
import ssl
import time

import world

MESSAGE = ("From: Sender <sender@example.com>\r\nTo: anna@example.net\r\nSubject: provoked\r\n"
           "Date: Thu, 1 Jan 2026 12:00:00 +0000\r\nMessage-ID: <provoked@example.com>\r\n\r\nHello.\r\n")
PHASES = {"EHLO": "ehlo", "HELO": "ehlo", "STARTTLS": "starttls", "AUTH": "auth", "MAIL": "mail", "RCPT": "rcpt",
          "DATA": "data", ".": "dot", "BDAT": "dot"}
ENHANCED = re.compile(rb"([245]\.\d{1,3}\.\d{1,3})(?= |$)")


class Lost(Exception):
    pass


class Talk:
    """One connection. A refusal is a reply of 400 and more."""

    def __init__(self, source=world.CLIENT, early=False):
        self.socket = socket.create_connection((world.SERVER, 25), 20, source_address=(source, 0))
        self.socket.settimeout(60)
        self.buffer = b""
        if early:
            self.socket.sendall(b"EHLO client.example.com\r\n")

    def line(self):
        while b"\n" not in self.buffer:
            try:
                more = self.socket.recv(65536)
            except (OSError, ssl.SSLError):
                more = b""
            if not more:
                raise Lost
            self.buffer += more
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.rstrip(b"\r")

    def reply(self):
        """(code, one line)."""
        parts, enhanced = [], b""
        while True:
            line = self.line()
            text = line[4:]
            found = ENHANCED.match(text)
            if found and found.group(1)[:1] == line[:1] and enhanced in (b"", found.group(1)):
                enhanced, text = found.group(1), text[found.end():].strip()
            parts.append(text)
            if line[3:4] != b"-":
                break
        words = b" ".join(part for part in [line[:3], enhanced, *parts] if part)
        return int(line[:3]), words.decode("utf-8", "backslashreplace")

    def say(self, command):
        data = command if isinstance(command, bytes) else command.encode() + b"\r\n"
        self.socket.sendall(data)
        return self.reply()

    def secure(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.socket = context.wrap_socket(self.socket)
        self.buffer = b""

    def close(self):
        self.socket.close()


def phase_of(command):
    word = command if isinstance(command, str) else "."
    return PHASES.get(re.split(r"[ :]", word)[0].upper(), "-")


def provoke(commands, source=world.CLIENT, keep=None, early=False):
    """The first refusal, or None: (phase, reply). `keep`: connections that stay open meanwhile."""
    talk = phase = None
    try:
        phase = "banner"
        talk = Talk(source, early)
        code, words = talk.reply()
        for command in commands:
            if code >= 400:
                break
            if isinstance(command, (int, float)):
                time.sleep(command)
                continue
            if command == "LISTEN":  # for what is said unasked
                code, words = talk.reply()
                continue
            if command == "BURST":  # recipients that nobody is, until the server has enough
                replies = [talk.say("RCPT TO:<nosuch%d@example.net>" % n) for n in range(6)]
                code, words = next(reply for reply in replies if reply[0] == 421)
                phase = "rcpt"
                break
            phase = phase_of(command)
            code, words = talk.say(command)
            if command == "STARTTLS" and code == 220:
                talk.secure()
        return (phase, words) if code >= 400 else None
    except (Lost, OSError, StopIteration):
        return None
    finally:
        if talk is not None:
            if keep is None:
                talk.close()
            else:
                keep.append(talk)


def mail(recipient="anna@example.net", sender="sender@example.com", helo="client.example.com", parameters="", rcpt=""):
    return ["EHLO " + helo, "MAIL FROM:<%s>%s" % (sender, parameters), "RCPT TO:<%s>%s" % (recipient, rcpt)]


def letter(text=MESSAGE, **more):
    data = text if isinstance(text, bytes) else text.encode()
    return mail(**more) + ["DATA", data + b".\r\n"]


def header(line):
    return MESSAGE.replace("\r\n\r\n", "\r\n" + line + "\r\n\r\n", 1)


def body(text):
    return MESSAGE + text + "\r\n"
