# core/module: what this room compiles, and its unit tests (tests/module).
