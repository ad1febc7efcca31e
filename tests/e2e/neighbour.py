# SPDX-License-Identifier: GPL-3.0-or-later
"""Another mail server next door, for full-neighbours.py: brought up by tests/lab/peer, spoken to as a program of its own
machine would, its mailbox and queue read. And a wire between it and Relais that keeps what the one says to the other."""
import email
import email.policy
import os
import re
import smtplib
import socket
import ssl
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
import neighbours

HOMES = os.path.join(harness.SOURCE, "build", "lab-peers")


class Mail:
    """What lies in a mailbox: whose it is, who sent it, the trace fields of the neighbour's and the octets, CRLF again."""

    def __init__(self, text):
        self.data = text.replace(b"\n", b"\r\n")
        head = self.data.partition(b"\r\n\r\n")[0].decode("utf-8", "replace")
        found = re.search(r"(?m)^(?:Envelope-to|Delivered-To): (.*?)\r?$", head)
        self.recipient = found.group(1) if found else None
        found = re.search(r"(?m)^Return-[Pp]ath: <(.*)>", head)
        self.sender = found.group(1) if found else ""  # OpenSMTPD tells none of reports
        self.transaction = re.search(r"(?s)Received: .*?\sid ([\w-]+)", head).group(1)


class Neighbour:
    def __init__(self, name, port, hop, clear):
        self.name, self.domain = name, name + ".test"
        self.down()  # one that a test which was killed left
        done = subprocess.run(self.command("up") + ["--smtp-port", str(port), "--next-hop", hop, "--clear-hop", clear],
                              capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError("peer up %s: %s%s" % (name, done.stdout, done.stderr))
        facts = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
        self.version, self.address, self.port, self.root, self.log_path = (
            facts["version"], facts["address"], int(facts["smtp_port"]), facts["root"], facts["log"])
        self.began, self.known = os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0, {}
        self.offers, self.secures = self.find_offers()

    def command(self, verb):
        return [os.path.join(harness.SOURCE, "tests/lab/peer"), verb, self.name, "--directory", HOMES]

    def down(self):
        subprocess.run(self.command("down"), check=False)

    def find_offers(self):
        """The words of its EHLO, and whether STARTTLS, if it is one, comes to an end."""
        with smtplib.SMTP(self.address, self.port, timeout=30) as smtp:
            smtp.ehlo("client.test")
            offers, secures = {word.upper() for word in smtp.esmtp_features}, True
            try:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                smtp.starttls(context=context)
                smtp.ehlo("client.test")
            except (ssl.SSLError, smtplib.SMTPException, OSError):
                secures = False
                smtp.close()
        return offers, secures

    def log(self):
        """What it wrote since it is up."""
        if not os.path.exists(self.log_path):
            return ""
        with open(self.log_path, errors="replace") as file:
            file.seek(self.began)
            return file.read()

    def mails(self):
        home = os.path.join(self.root, neighbours.MAILBOX, "new")
        for name in sorted(os.listdir(home)):
            if name not in self.known:
                with open(os.path.join(home, name), "rb") as file:
                    self.known[name] = Mail(file.read())
        return list(self.known.values())

    def holding(self, mark):
        """Those with that mark in their subject."""
        return [mail for mail in self.mails() if b"Subject: %s\r\n" % mark in mail.data]

    def submit(self, sender, recipients, data, mail=(), rcpt=()):
        """As a program of its own machine; all recipients must be taken."""
        with smtplib.SMTP(self.address, self.port, timeout=120) as smtp:
            smtp.ehlo("client.test")
            refused = smtp.sendmail(sender, recipients, data, mail_options=mail, rcpt_options=rcpt)
        if refused:
            raise RuntimeError("%s refused %r" % (self.name, refused))

    def hold(self, on):
        neighbours.hold(self.name, self.root, on)

    def retry(self):
        neighbours.retry(self.name, self.root)

    def waiting(self):
        return neighbours.waiting(self.name, self.root)


class Wire:
    """A port that leads to another; what clients say is kept, one session a list of what came at once. The server sees
    the client's own address."""

    def __init__(self, port, to):
        self.to, self.sessions = to, []
        self.listener = socket.create_server(("127.0.0.1", port), backlog=64)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, peer = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.to), 30, source_address=(peer[0], 0))
            said = []
            self.sessions.append((peer[0], said))
            threading.Thread(target=self.pass_on, args=(client, server, said), daemon=True).start()
            threading.Thread(target=self.pass_on, args=(server, client, None), daemon=True).start()

    @staticmethod
    def pass_on(source, target, said):
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                if said is not None:
                    said.append(data)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def from_client(self, address):
        return [said for peer, said in self.sessions if peer == address]

    def close(self):
        self.listener.close()


class Report:
    """A report of failure or success as RFC 3464 has it, read by Python's own parser."""

    def __init__(self, data):
        self.message = email.message_from_bytes(data, policy=email.policy.default)
        part = next(part for part in self.message.walk() if part.get_content_type() in
                    ("message/delivery-status", "message/global-delivery-status"))
        blocks = part.get_payload()
        self.fields = {name.lower(): value for block in blocks for name, value in block.items()}
        kinds = [part.get_content_type() for part in self.message.walk()]
        self.headers_only = "text/rfc822-headers" in kinds and "message/rfc822" not in kinds

    @staticmethod
    def is_one(data):
        head = data.partition(b"\r\n\r\n")[0].lower()
        return b"multipart/" in head and b"\ncontent-type: message/" in data.lower() and b"delivery-status" in data.lower()
