# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail from outside for the end-to-end tests: a key and its record, messages that are told apart by their subject, a
client that the laboratory does not trust (any but 127.0.0.1), and what stands in what is delivered."""
import base64
import os
import re
import smtplib
import subprocess


def make_key(directory):
    """The private key (PKCS#1), and the record's data as in a zone file."""
    path = os.path.join(directory, "key")
    subprocess.run(["openssl", "genrsa", "-traditional", "-out", path, "2048"], check=True, capture_output=True)
    der = subprocess.run(["openssl", "rsa", "-in", path, "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout
    text = "v=DKIM1; k=rsa; p=" + base64.b64encode(der).decode()
    with open(path, "rb") as file:
        return file.read(), " ".join('"%s"' % text[i:i + 200] for i in range(0, len(text), 200))


def sign(secret, data, domain):
    """The message with a signature of `domain`, selector k1, by dkimpy."""
    import dkim
    return dkim.sign(data, b"k1", domain.encode(), secret, include_headers=[b"from", b"to", b"subject", b"date"]) + data


def send(lab, data, sender, client):
    with smtplib.SMTP("127.0.0.1", lab.port, timeout=120, source_address=(client, 0)) as smtp:
        smtp.ehlo("client.test")
        smtp.sendmail(sender, ["x@in.sender.test"], data)


class Post:
    """Makes messages, each with a number, and finds them again."""

    def __init__(self):
        self.count = 0

    def message(self, author, *head, body="Hello.\r\n"):
        self.count += 1
        return ("".join(line + "\r\n" for line in head) + "From: Ann <%s>\r\nTo: x@in.sender.test\r\n"
                "Date: Tue, 24 Nov 2026 00:00:00 +0000\r\nMessage-ID: <%d@signer.test>\r\nSubject: mail %d.\r\n\r\n"
                % (author, self.count, self.count) + body).encode()


def arrived(lab, data):
    mark = re.search(rb"Subject: mail \d+\.", data).group(0)
    return lab.wait(lambda: next((found for _, found in lab.sunk() if mark in found), None), 30, "delivery")


def results(data):
    """The Authentication-Results fields of a message, unfolded."""
    head = re.sub(rb"\r?\n[ \t]+", b" ", data.replace(b"\r\n", b"\n").partition(b"\n\n")[0])
    return [line.partition(b":")[2].strip().decode() for line in head.split(b"\n") if line.lower().startswith(b"authentication-results:")]


def deliver(lab, data, sender, client):
    """The same, of what is delivered."""
    send(lab, data, sender, client)
    return results(arrived(lab, data))
