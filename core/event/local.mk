# core/event: what this room compiles, and its unit tests (tests/event).
