# core/suppress: what this room compiles, and its unit tests (tests/suppress).
libcore_la_SOURCES += \
    core/suppress/suppress-private.h core/suppress/state-private.h \
    core/suppress/again.c core/suppress/changes.c \
    core/suppress/commands.c core/suppress/commands-private.h \
    core/suppress/entry.c core/suppress/entry-private.h \
    core/suppress/exchange.c core/suppress/exchange-private.h core/suppress/read-rows.c \
    core/suppress/export.c core/suppress/import.c \
    core/suppress/fold.c core/suppress/fold-private.h \
    core/suppress/journal.c core/suppress/journal-private.h \
    core/suppress/line.c core/suppress/line-private.h \
    core/suppress/load.c core/suppress/load-private.h \
    core/suppress/policy.c core/suppress/policy-private.h \
    core/suppress/rebuild.c \
    core/suppress/suppression.c \
    core/suppress/table.c \
    core/suppress/tail.c core/suppress/tail-private.h

suppress_fixture = tests/suppress/fixture.c tests/suppress/fixture.h
suppress_wraps = -Wl,--wrap=pread -Wl,--wrap=pwrite -Wl,--wrap=fdatasync -Wl,--wrap=fsync -Wl,--wrap=ftruncate
check_PROGRAMS += tests/suppress/test-list
TESTS += tests/suppress/test-list
tests_suppress_test_list_SOURCES = tests/suppress/test-list.c $(suppress_fixture)
tests_suppress_test_list_CPPFLAGS = $(CORE_CPPFLAGS) -I$(srcdir)/tests/suppress
tests_suppress_test_list_LDFLAGS = $(AM_LDFLAGS) $(suppress_wraps)
tests_suppress_test_list_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/suppress/test-journal
TESTS += tests/suppress/test-journal
tests_suppress_test_journal_SOURCES = tests/suppress/test-journal.c $(suppress_fixture)
tests_suppress_test_journal_CPPFLAGS = $(CORE_CPPFLAGS) -I$(srcdir)/tests/suppress
tests_suppress_test_journal_LDFLAGS = $(AM_LDFLAGS) $(suppress_wraps)
tests_suppress_test_journal_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/suppress/test-again
TESTS += tests/suppress/test-again
tests_suppress_test_again_SOURCES = tests/suppress/test-again.c $(suppress_fixture)
tests_suppress_test_again_CPPFLAGS = $(CORE_CPPFLAGS) -I$(srcdir)/tests/suppress
tests_suppress_test_again_LDFLAGS = $(AM_LDFLAGS) $(suppress_wraps)
tests_suppress_test_again_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/suppress/test-exchange
TESTS += tests/suppress/test-exchange
tests_suppress_test_exchange_SOURCES = tests/suppress/test-exchange.c
tests_suppress_test_exchange_CPPFLAGS = $(CORE_CPPFLAGS)
tests_suppress_test_exchange_LDADD = $(CORE_TEST_LDADD)

# The list as a program: tests/fault kills it, and what it costs is measured with it.
check_PROGRAMS += tests/suppress/driver
tests_suppress_driver_SOURCES = tests/suppress/driver.c
tests_suppress_driver_CPPFLAGS = $(CORE_CPPFLAGS)
tests_suppress_driver_LDADD = $(CORE_TEST_LDADD)
