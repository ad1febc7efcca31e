# core/message: what this room compiles, and its unit tests (tests/message).
