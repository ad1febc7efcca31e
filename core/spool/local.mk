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
    core/spool/read.c core/spool/read.h \
    core/spool/recovery.c core/spool/walk.c core/spool/load.c core/spool/offline.c core/spool/spool.c \
    core/spool/rows.c core/spool/rows.h \
    core/spool/salvage.c core/spool/salvage.h core/spool/discard.c
libcore_la_SOURCES += $(spool_sources)

spool_fixture = tests/spool/fixture.c tests/spool/fixture.h
check_PROGRAMS += tests/spool/test-spool
TESTS += tests/spool/test-spool
tests_spool_test_spool_SOURCES = tests/spool/test-spool.c $(spool_fixture)
tests_spool_test_spool_CPPFLAGS = $(CORE_CPPFLAGS) -I$(srcdir)/tests/spool
tests_spool_test_spool_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/spool/test-damage
TESTS += tests/spool/test-damage
tests_spool_test_damage_SOURCES = tests/spool/test-damage.c $(spool_fixture)
tests_spool_test_damage_CPPFLAGS = $(CORE_CPPFLAGS) -I$(srcdir)/tests/spool
tests_spool_test_damage_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=pread
tests_spool_test_damage_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/spool/test-salvage
TESTS += tests/spool/test-salvage
tests_spool_test_salvage_SOURCES = tests/spool/test-salvage.c $(spool_fixture)
tests_spool_test_salvage_CPPFLAGS = $(CORE_CPPFLAGS) -I$(srcdir)/tests/spool
tests_spool_test_salvage_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/spool/test-record
TESTS += tests/spool/test-record
tests_spool_test_record_SOURCES = tests/spool/test-record.c
tests_spool_test_record_CPPFLAGS = $(CORE_CPPFLAGS)
tests_spool_test_record_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/spool/test-model
TESTS += tests/spool/test-model
tests_spool_test_model_SOURCES = tests/spool/test-model.c $(spool_fixture)
tests_spool_test_model_CPPFLAGS = $(CORE_CPPFLAGS) -I$(srcdir)/tests/spool
tests_spool_test_model_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/spool/test-compact
TESTS += tests/spool/test-compact
tests_spool_test_compact_SOURCES = tests/spool/test-compact.c $(spool_fixture)
tests_spool_test_compact_CPPFLAGS = $(CORE_CPPFLAGS) -I$(srcdir)/tests/spool
tests_spool_test_compact_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/spool/test-slow
TESTS += tests/spool/test-slow
tests_spool_test_slow_SOURCES = tests/spool/test-slow.c $(spool_fixture)
tests_spool_test_slow_CPPFLAGS = $(CORE_CPPFLAGS) -I$(srcdir)/tests/spool
tests_spool_test_slow_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=relais_segment_write
tests_spool_test_slow_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/spool/test-power
TESTS += tests/spool/test-power
tests_spool_test_power_SOURCES = tests/spool/test-power.c $(spool_fixture)
tests_spool_test_power_CPPFLAGS = $(CORE_CPPFLAGS) -I$(srcdir)/tests/spool
tests_spool_test_power_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=relais_segment_seal,--wrap=fsync,--wrap=fdatasync,--wrap=fstatvfs
tests_spool_test_power_LDADD = $(CORE_TEST_LDADD)

# tests/fault: the order of writes, syncs and replies, on the spool as it is and on three mutants.
check_LTLIBRARIES += tests/fault/shim.la
tests_fault_shim_la_SOURCES = tests/fault/shim.c
tests_fault_shim_la_LDFLAGS = -module -avoid-version -rpath /nowhere
tests_fault_shim_la_CFLAGS = $(AM_CFLAGS) -fvisibility=default
tests_fault_shim_la_LIBADD = -ldl

check_LTLIBRARIES += tests/fault/alloc.la
tests_fault_alloc_la_SOURCES = tests/fault/alloc.c
tests_fault_alloc_la_LDFLAGS = -module -avoid-version -rpath /nowhere
tests_fault_alloc_la_CFLAGS = $(AM_CFLAGS) -fvisibility=default
check_LTLIBRARIES += tests/fault/point.la
tests_fault_point_la_SOURCES = tests/fault/point.c
tests_fault_point_la_LDFLAGS = -module -avoid-version -rpath /nowhere
tests_fault_point_la_LIBADD = -ldl

# Preloaded into User-mode Linux, not into Relais.
check_LTLIBRARIES += tests/fault/uml-registers.la
tests_fault_uml_registers_la_SOURCES = tests/fault/uml-registers.c
tests_fault_uml_registers_la_LDFLAGS = -module -avoid-version -rpath /nowhere
tests_fault_uml_registers_la_CFLAGS = $(AM_CFLAGS) -fvisibility=default
check_LTLIBRARIES += tests/fault/uml-disk-log.la
tests_fault_uml_disk_log_la_SOURCES = tests/fault/uml-disk-log.c
tests_fault_uml_disk_log_la_LDFLAGS = -module -avoid-version -rpath /nowhere
tests_fault_uml_disk_log_la_CFLAGS = $(AM_CFLAGS) -fvisibility=default

check_PROGRAMS += tests/fault/spool-driver tests/fault/spool-driver-no-sync \
    tests/fault/spool-driver-early-reply tests/fault/spool-driver-sync-retry
tests_fault_spool_driver_SOURCES = tests/fault/spool-driver.c $(spool_fixture)
tests_fault_spool_driver_CPPFLAGS = $(CORE_CPPFLAGS) -I$(srcdir)/tests/spool
tests_fault_spool_driver_LDADD = $(CORE_TEST_LDADD)
spool_mutant_sources = tests/fault/spool-driver.c $(spool_fixture) core/spool/syncer.c
tests_fault_spool_driver_no_sync_SOURCES = $(spool_mutant_sources)
tests_fault_spool_driver_no_sync_CPPFLAGS = $(tests_fault_spool_driver_CPPFLAGS) -DRELAIS_MUTANT_NO_SYNC
tests_fault_spool_driver_no_sync_LDADD = $(CORE_TEST_LDADD)
tests_fault_spool_driver_early_reply_SOURCES = $(spool_mutant_sources)
tests_fault_spool_driver_early_reply_CPPFLAGS = $(tests_fault_spool_driver_CPPFLAGS) -DRELAIS_MUTANT_EARLY_REPLY
tests_fault_spool_driver_early_reply_LDADD = $(CORE_TEST_LDADD)
tests_fault_spool_driver_sync_retry_SOURCES = $(spool_mutant_sources)
tests_fault_spool_driver_sync_retry_CPPFLAGS = $(tests_fault_spool_driver_CPPFLAGS) -DRELAIS_MUTANT_SYNC_RETRY
tests_fault_spool_driver_sync_retry_LDADD = $(CORE_TEST_LDADD)
EXTRA_DIST += tests/fault/sync-order.py tests/fault/RESULTS
TESTS += tests/fault/sync-order.py
