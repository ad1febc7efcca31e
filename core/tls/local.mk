# core/tls: what this room compiles, and its unit tests (tests/tls).
