# SPDX-License-Identifier: GPL-3.0-or-later
"""Headless Chromium, spoken to through its debugging pipe (one JSON text a message, a NUL behind): asked
where links lead, what a mail looks like, and where a click lands."""
import base64
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time

DOCUMENT = "http://mail.invalid/"
GIF = base64.b64encode(base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")).decode()
WIDTH, HEIGHT, TALLEST = 800, 1200, 12000

# Values of the document's links as Chromium reads them, and what it takes them for. Those that only
# Outlook sees, in comments, are read as markup of their own; what they are is not asked there.
RESOLVE = """(() => {
const out = {}, by = document.createElement("a");
const take = (value) => { by.setAttribute("href", value); const u = by.href; out[value] = /^https?:/.test(u) && by.host ? u : null; };
const inside = (text) => { const t = document.createElement("template"); t.innerHTML = text; walk(t.content, true); };
function walk(root, nested) {
    const all = document.createTreeWalker(root, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_COMMENT);
    for (let n = all.nextNode(); n; n = all.nextNode()) {
        if (n.nodeType === 8) {
            const m = nested ? null : /^\\[if[^\\]]*\\]>/.exec(n.data);
            if (m) inside(n.data.slice(m[0].length));
            continue;
        }
        const name = n.localName.toLowerCase();
        if (n.hasAttribute("href") && (name === "a" || name === "area" || name.startsWith("v:"))) {
            take(n.getAttribute("href"));
            if (typeof n.href === "string" && /^https?:/.test(n.href) && n.host && n.href !== out[n.getAttribute("href")])
                out[n.getAttribute("href")] = "two readings";
        }
    }
}
walk(document, false);
return JSON.stringify(out);
})()"""


class Browser:
    def __init__(self, rules=""):
        self.home = tempfile.mkdtemp(prefix="relais-chromium-")
        take, self.write = os.pipe()
        self.read, give = os.pipe()
        argv = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                "--remote-debugging-pipe", "--user-data-dir=" + self.home, "--no-first-run", "--disable-background-networking",
                "--disable-component-update", "--disable-sync", "--disable-extensions", "--no-proxy-server", "--ignore-certificate-errors",
                "--force-color-profile=srgb", "--font-render-hinting=none", "--disable-features=HttpsUpgrades,HttpsFirstBalancedModeAutoEnable",
                "--host-resolver-rules=" + (rules or "MAP * ~NOTFOUND"), "about:blank"]

        def pipes():
            os.setsid()
            for fd, want in ((os.dup(take), 3), (os.dup(give), 4)):
                os.dup2(fd, want)

        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        close_fds=True, pass_fds=(3, 4, take, give), preexec_fn=pipes)
        os.close(take)
        os.close(give)
        self.buffer, self.number, self.answers, self.events = b"", 0, {}, []
        self.document, self.pixel, self.session, self.open_network = None, None, None, False
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Page.enable")
        self.call("Runtime.enable")
        self.size(HEIGHT)
        self.call("Emulation.setScriptExecutionDisabled", value=True)
        self.call("Fetch.enable", patterns=[{"urlPattern": "*"}])

    # --- Messages

    def send(self, method, **parameters):
        self.number += 1
        text = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            text["sessionId"] = self.session
        data = json.dumps(text).encode() + b"\0"
        while data:
            data = data[os.write(self.write, data):]
        return self.number

    def pump(self, until):
        """Reads one message; what the browser wants to fetch is answered at once."""
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.read], [], [], max(0, until - time.time()))
            data = os.read(self.read, 1 << 20) if ready else b""
            if not data:
                raise RuntimeError("Chromium " + ("ended" if ready else "says nothing"))
            self.buffer += data
        text, _, self.buffer = self.buffer.partition(b"\0")
        message = json.loads(text)
        if "id" in message:
            self.answers[message["id"]] = message
        elif message["method"] == "Fetch.requestPaused":
            self.fetch(message["params"])
        else:
            self.events.append(message)

    def call(self, method, seconds=60, **parameters):
        number, until = self.send(method, **parameters), time.time() + seconds
        while number not in self.answers:
            self.pump(until)
        answer = self.answers.pop(number)
        if "error" in answer:
            raise RuntimeError("%s: %s" % (method, answer["error"]))
        return answer["result"]

    def fetch(self, request):
        url, number = request["request"]["url"], request["requestId"]
        if self.document and url == DOCUMENT:
            kind, body = self.document
            self.send("Fetch.fulfillRequest", requestId=number, responseCode=200, body=base64.b64encode(body).decode(),
                      responseHeaders=[{"name": "Content-Type", "value": kind}, {"name": "Cache-Control", "value": "no-store"}])
        elif self.pixel and self.pixel(url):
            self.send("Fetch.fulfillRequest", requestId=number, responseCode=200, body=GIF,
                      responseHeaders=[{"name": "Content-Type", "value": "image/gif"}])
        elif self.open_network:
            self.send("Fetch.continueRequest", requestId=number)
        else:
            self.send("Fetch.failRequest", requestId=number, errorReason="BlockedByClient")

    def wait(self, name, seconds=60):
        until = time.time() + seconds
        while True:
            for n, event in enumerate(self.events):
                if event["method"] == name:
                    del self.events[:n + 1]
                    return event["params"]
            self.pump(until)

    def evaluate(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(str(result["exceptionDetails"])[:500])
        return result["result"].get("value")

    # --- What is asked of it

    def open(self, content, charset, pixel=None):
        """Shows an HTML part; nothing but it is fetched, and pixels where `pixel (url)` says so."""
        self.document, self.pixel, self.events = ("text/html" + ("; charset=" + charset if charset else ""), content), pixel, []
        self.call("Page.navigate", url=DOCUMENT)
        self.wait("Page.loadEventFired")

    def size(self, height):
        self.call("Emulation.setDeviceMetricsOverride", width=WIDTH, height=height, deviceScaleFactor=1, mobile=False)

    def extent(self):
        """How far the page can be scrolled, in a window so low that one row more shows."""
        self.size(16)
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        self.size(HEIGHT)
        return int(size["width"]), int(size["height"])

    def picture(self):
        """The whole page as a PNG."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        height = max(HEIGHT, min(int(size["height"]), TALLEST))
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, optimizeForSpeed=True,
                         clip={"x": 0, "y": 0, "width": WIDTH, "height": height, "scale": 1})
        return base64.b64decode(shot["data"])

    def resolve(self, content, charset, _values):
        """As check.py wants of an oracle."""
        self.open(content, charset)
        return json.loads(self.evaluate(RESOLVE))

    def normalise(self, locations):
        return json.loads(self.evaluate("JSON.stringify(Object.fromEntries(%s.map((u) => { try { return [u, new URL(u).href]; } catch (e) { return [u, null]; } })))"
                                        % json.dumps(sorted(locations))))

    def click(self, content, charset, number):
        """Opens a mail, clicks on its link of that number with the mouse; where that lands."""
        self.open(content, charset)
        self.open_network = True
        box = json.loads(self.evaluate("(() => { const a = [...document.links][%d]; a.removeAttribute('target'); a.scrollIntoView({block: 'center'});"
                                       " const r = a.getClientRects()[0]; return JSON.stringify([r.x + r.width / 2, r.y + r.height / 2]); })()" % number))
        self.events = []
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)
        until = time.time() + 30
        while True:
            self.wait("Page.loadEventFired", until - time.time())
            place = self.evaluate("location.href")
            if place != DOCUMENT:
                self.open_network = False
                return place

    def close(self):
        os.close(self.write)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self.read)
        shutil.rmtree(self.home, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def same_pixels(one, other):
    """None, or where two PNGs differ."""
    import io
    from PIL import Image, ImageChops

    a, b = (Image.open(io.BytesIO(png)).convert("RGB") for png in (one, other))
    if a.size != b.size:
        return "%dx%d is %dx%d" % (a.size + b.size)
    box = ImageChops.difference(a, b).getbbox()
    return "within %r" % (box,) if box else None
