# core/smtp: what this room compiles, and its unit tests (tests/smtp).
