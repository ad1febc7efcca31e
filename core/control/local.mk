# core/control: what this room compiles, and its unit tests (tests/control).
