# core/queue: what this room compiles, and its unit tests (tests/queue).
