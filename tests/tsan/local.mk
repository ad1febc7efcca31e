# tests/tsan: the unit tests in which several threads meet, for a build with --enable-tsan; tests/tsan/run
# runs them. One a line; order by room.
TSAN_TESTS = \
    tests/loop/test-loop \
    tests/event/test-event \
    tests/spool/test-spool \
    tests/spool/test-damage \
    tests/spool/test-model \
    tests/spool/test-slow \
    tests/store/test-store \
    tests/module/test-hook \
    tests/http/test-http-limits \
    tests/http/test-http-server \
    tests/module/test-tracking-url \
    tests/module/test-translate \
    tests/http/test-fetch \
    tests/http/test-tracking \
    tests/control/test-control \
    tests/smtp/test-users \
    tests/smtp/test-server \
    tests/smtp/test-server-hooks \
    tests/smtp/test-client-body \
    tests/queue/test-queue \
    tests/queue/test-queue-hooks \
    tests/queue/test-queue-trouble \
    tests/queue/test-queue-verbs \
    tests/modules/dkim/test-dkim \
    tests/modules/dkim/test-verifier \
    tests/fuzz/recovery
if GDBM
TSAN_TESTS += tests/modules/store-gdbm/test-store-gdbm tests/modules/store-gdbm/test-trouble
endif
EXTRA_DIST += tests/tsan/glib.c tests/tsan/run tests/tsan/suppressions
.PHONY: tsan-tests tsan-list
tsan-tests: $(TSAN_TESTS)
tsan-list:
	@for test in $(TSAN_TESTS); do echo $$test; done
