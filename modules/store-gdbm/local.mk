# modules/store-gdbm: the module, and its tests (tests/modules/store-gdbm). Left out by configure
# --without-gdbm.
store_gdbm_sources = modules/store-gdbm/commands.c modules/store-gdbm/compact.c \
    modules/store-gdbm/execute.c modules/store-gdbm/files.c modules/store-gdbm/files.h \
    modules/store-gdbm/index.c modules/store-gdbm/index.h \
    modules/store-gdbm/journal.c modules/store-gdbm/journal.h \
    modules/store-gdbm/listing.c modules/store-gdbm/load.c modules/store-gdbm/overlay.c \
    modules/store-gdbm/owner.c modules/store-gdbm/record.c modules/store-gdbm/record.h \
    modules/store-gdbm/settled.c modules/store-gdbm/store-gdbm.h modules/store-gdbm/sweep.c

if GDBM
module_LTLIBRARIES += modules/store-gdbm/store-gdbm.la
modules_store_gdbm_store_gdbm_la_SOURCES = modules/store-gdbm/store-gdbm.c $(store_gdbm_sources)
modules_store_gdbm_store_gdbm_la_CPPFLAGS = $(RELAIS_MODULE_CPPFLAGS) $(XXHASH_CFLAGS) \
    -DGETTEXT_PACKAGE=\"relais\"
modules_store_gdbm_store_gdbm_la_LDFLAGS = $(RELAIS_MODULE_LDFLAGS)
modules_store_gdbm_store_gdbm_la_LIBADD = librelais.la $(GLIB_LIBS) $(GDBM_LIBS) $(XXHASH_LIBS)

# Its internals are tested by compiling its sources, with the core's dispatch before them.
store_gdbm_test_cppflags = -DRELAIS_STATIC -I$(top_srcdir)/modules/store-gdbm $(CORE_CPPFLAGS) \
    $(XXHASH_CFLAGS)
store_gdbm_test_ldadd = $(CORE_TEST_LDADD) $(GDBM_LIBS) $(XXHASH_LIBS)
store_gdbm_fixture = tests/modules/store-gdbm/fixture.c tests/modules/store-gdbm/fixture.h
check_PROGRAMS += tests/modules/store-gdbm/test-store-gdbm tests/modules/store-gdbm/test-damage \
    tests/modules/store-gdbm/test-trouble tests/modules/store-gdbm/driver
TESTS += tests/modules/store-gdbm/test-store-gdbm tests/modules/store-gdbm/test-damage \
    tests/modules/store-gdbm/test-trouble
tests_modules_store_gdbm_test_store_gdbm_SOURCES = tests/modules/store-gdbm/test-store-gdbm.c \
    $(store_gdbm_fixture) $(store_gdbm_sources)
tests_modules_store_gdbm_test_store_gdbm_CPPFLAGS = $(store_gdbm_test_cppflags)
tests_modules_store_gdbm_test_store_gdbm_LDADD = $(store_gdbm_test_ldadd)
tests_modules_store_gdbm_test_damage_SOURCES = tests/modules/store-gdbm/test-damage.c \
    $(store_gdbm_fixture) $(store_gdbm_sources)
tests_modules_store_gdbm_test_damage_CPPFLAGS = $(store_gdbm_test_cppflags)
tests_modules_store_gdbm_test_damage_LDADD = $(store_gdbm_test_ldadd)
tests_modules_store_gdbm_test_trouble_SOURCES = tests/modules/store-gdbm/test-trouble.c \
    $(store_gdbm_fixture) $(store_gdbm_sources)
tests_modules_store_gdbm_test_trouble_CPPFLAGS = $(store_gdbm_test_cppflags)
tests_modules_store_gdbm_test_trouble_LDADD = $(store_gdbm_test_ldadd)

# The store as a program: tests/fault kills it, and what it costs is measured with it.
tests_modules_store_gdbm_driver_SOURCES = tests/modules/store-gdbm/driver.c $(store_gdbm_fixture) \
    $(store_gdbm_sources)
tests_modules_store_gdbm_driver_CPPFLAGS = $(store_gdbm_test_cppflags)
tests_modules_store_gdbm_driver_LDADD = $(store_gdbm_test_ldadd)
endif
