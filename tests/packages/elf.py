# SPDX-License-Identifier: GPL-3.0-or-later
"""What a hardened program or shared object has, read from the file itself. As a command: elf.py FILE..., which names
what each lacks and ends with 1 if any does."""
import re
import subprocess
import sys

# _FORTIFY_SOURCE turns each call of these into one with _chk, whatever the arguments are.
FORTIFIED = {"printf", "fprintf", "sprintf", "snprintf", "vprintf", "vfprintf", "vsprintf", "vsnprintf", "dprintf", "vdprintf",
             "asprintf", "vasprintf", "syslog", "vsyslog", "longjmp"}
# A thin main has no array to guard, and nothing to fortify.
THIN_BYTES = 4096
ENDBR64 = bytes.fromhex("f30f1efa")


def run(*argv):
    return subprocess.run(argv, check=True, capture_output=True, text=True, env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"}).stdout


def section_of(path, name):
    """(address, offset, size) of a section; zeros if there is none."""
    found = re.search(r"\] %s\s+\S+\s+([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+)" % re.escape(name), run("readelf", "-SW", path))
    return tuple(int(part, 16) for part in found.groups()) if found else (0, 0, 0)


def entries_without_endbr(path, symbols):
    """Exported functions that an indirect branch may not reach."""
    address, offset, size = section_of(path, ".text")
    data = open(path, "rb").read()
    for line in symbols.splitlines():
        part = line.split()
        if len(part) == 8 and part[3] == "FUNC" and part[6] not in ("UND", "ABS"):
            at = int(part[1], 16)
            if address <= at < address + size and data[at - address + offset:][:4] != ENDBR64:
                yield part[7]


def faults(path, installed=False):
    """What the file lacks, in words. `installed`: it is where it will stay, and needs no run path."""
    head, segments, dynamic = run("readelf", "-hW", path), run("readelf", "-lW", path), run("readelf", "-dW", path)
    symbols = run("readelf", "--dyn-syms", "-W", path)
    undefined = {line.split()[7].split("@")[0] for line in symbols.splitlines() if len(line.split()) >= 8 and line.split()[6] == "UND"}
    found = []
    if "DYN (" not in head:
        found.append("is not position independent")
    if "GNU_RELRO" not in segments:
        found.append("has no RELRO")
    if not re.search(r"\(FLAGS\).*BIND_NOW|\(FLAGS_1\).*NOW", dynamic):
        found.append("is bound lazily")
    if re.search(r"GNU_STACK\s.*RWE", segments) or "GNU_STACK" not in segments:
        found.append("has an executable stack")
    if re.search(r"LOAD\s.*RWE", segments):
        found.append("has a segment both writable and executable")
    if "(TEXTREL)" in dynamic:
        found.append("has text relocations")
    if installed and re.search(r"\((RPATH|RUNPATH)\)", dynamic):
        found.append("has a run path")
    if section_of(path, ".text")[2] >= THIN_BYTES and "__stack_chk_fail" not in undefined:
        found.append("has no stack protector")
    if undefined & FORTIFIED:
        found.append("is not fortified: " + " ".join(sorted(undefined & FORTIFIED)))
    if "X86-64" in head:
        if "SHSTK" not in run("readelf", "-nW", path):
            found.append("is not marked for shadow stacks")
        bare = list(entries_without_endbr(path, symbols))
        if bare:
            found.append("has functions without ENDBR64: " + " ".join(bare[:5]))
    return found


def unresolved(path, environment):
    """Symbols that none of the libraries it names has."""
    done = subprocess.run(["ldd", "-r", path], capture_output=True, text=True, env=environment)
    return sorted(set(re.findall(r"undefined symbol: (\S+)", done.stdout + done.stderr)) | set(re.findall(r"(\S+) => not found", done.stdout)))


if __name__ == "__main__":
    bad = 0
    for file in sys.argv[1:]:
        for fault in faults(file, installed=True):
            print("%s %s" % (file, fault))
            bad = 1
    sys.exit(bad)
