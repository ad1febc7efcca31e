# core/spool: what this room compiles, and its unit tests (tests/spool).
