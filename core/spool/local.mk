# core/spool: what this room compiles, and its unit tests (tests/spool).
spool_sources = \
    core/spool/spool-private.h core/spool/spool-state.h \
    core/spool/crc32c.c core/spool/crc32c.h \
    core/spool/record.c core/spool/record.h \
    core/spool/index.c core/spool/index.h \
    core/spool/segment.c core/spool/segment.h \
    core/spool/body-file.c core/spool/body-file.h \
    core/spool/draft.c core/spool/group.c core/spool/ledger.c \
    core/spool/writer.c core/spool/syncer.c core/spool/failure.c \
    core/spool/keeper.c core/spool/compact.c \
    core/spool/recovery.c core/spool/load.c core/spool/offline.c core/spool/spool.c
libcore_la_SOURCES += $(spool_sources)

spool_fixture = tests/spool/fixture.c tests/spool/fixture.h
check_PROGRAMS += tests/spool/test-spool
TESTS += tests/spool/test-spool
tests_spool_test_spool_SOURCES = tests/spool/test-spool.c $(spool_fixture)
tests_spool_test_spool_CPPFLAGS = $(CORE_CPPFLAGS) -I$(srcdir)/tests/spool
tests_spool_test_spool_LDADD = $(CORE_TEST_LDADD)
