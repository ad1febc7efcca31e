# core/dns: what this room compiles, and its unit tests (tests/dns).
