# core/suppress: what this room compiles, and its unit tests (tests/suppress).
libcore_la_SOURCES += \
    core/suppress/suppress-private.h core/suppress/state-private.h \
    core/suppress/changes.c \
    core/suppress/entry.c core/suppress/entry-private.h \
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
suppress_wraps = -Wl,--wrap=pwrite -Wl,--wrap=fdatasync -Wl,--wrap=fsync -Wl,--wrap=ftruncate
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
