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
    tests/http/test-fetch-cancel \
    tests/http/test-tracking \
    tests/control/test-control \
    tests/smtp/test-users \
    tests/smtp/test-server \
    tests/smtp/test-server-hooks \
    tests/smtp/test-client-body \
    tests/queue/test-queue \
    tests/queue/test-queue-hooks \
    tests/queue/test-queue-intake \
    tests/queue/test-queue-trouble \
    tests/queue/test-queue-verbs \
    tests/modules/dkim/test-dkim \
    tests/modules/dkim/test-verifier \
    tests/api/test-api \
    tests/tsan/test-crowd \
    tests/fuzz/recovery
if GDBM
TSAN_TESTS += tests/modules/store-gdbm/test-store-gdbm tests/modules/store-gdbm/test-trouble
endif
EXTRA_DIST += tests/tsan/glib.c tests/tsan/run tests/tsan/suppressions
.PHONY: tsan-tests tsan-list
tsan-tests: $(TSAN_TESTS)
tsan-list:
	@for test in $(TSAN_TESTS); do echo $$test; done

# What the headers mark for any thread, called by several at once.
check_PROGRAMS += tests/tsan/test-crowd
TESTS += tests/tsan/test-crowd
tests_tsan_test_crowd_SOURCES = tests/tsan/test-crowd.c
tests_tsan_test_crowd_CPPFLAGS = $(RELAIS_MODULE_CPPFLAGS)
tests_tsan_test_crowd_LDADD = $(LIBRELAIS_LDADD)
check_LTLIBRARIES += tests/tsan/crowd.la
tests_tsan_crowd_la_SOURCES = tests/tsan/crowd.c
tests_tsan_crowd_la_CPPFLAGS = $(RELAIS_MODULE_CPPFLAGS)
tests_tsan_crowd_la_LDFLAGS = $(RELAIS_MODULE_LDFLAGS) -rpath /nowhere
tests_tsan_crowd_la_LIBADD = librelais.la $(GLIB_LIBS)
tsan-tests: tests/tsan/crowd.la tests/api/puppet.la tests/api/second.la
