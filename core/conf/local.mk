# core/conf: what this room compiles, and its unit tests (tests/conf).
