# core/module: what this room compiles, and its unit tests (tests/module, tests/abi).
libcore_la_SOURCES += \
    core/inspect.c \
    core/module/access.c \
    core/module/bytes.c \
    core/module/check.c \
    core/module/hook.c \
    core/module/host.c core/module/host-private.h \
    core/module/kinds.c \
    core/module/load.c \
    core/module/log.c \
    core/module/message.c \
    core/module/module-private.h \
    core/module/order.c \
    core/module/register.c \
    core/module/test.c \
    core/module/ticket.c

# The library: all of libcore, of which the map lets out what modules, mains and the harness may use.
lib_LTLIBRARIES += librelais.la
librelais_la_SOURCES =
librelais_la_LIBADD = libcore.la $(CORE_LIBS)
librelais_la_LDFLAGS = $(AM_LDFLAGS) -version-info $(RELAIS_API_MAJOR):0:0 -no-undefined \
    -Wl,--version-script=$(srcdir)/core/librelais.map
EXTRA_librelais_la_DEPENDENCIES = $(srcdir)/core/librelais.map
EXTRA_DIST += core/librelais.map

# What mains, and tests that load modules, link.
LIBRELAIS_LDADD = librelais.la $(GLIB_LIBS)

bin_PROGRAMS += relais-inspect
relais_inspect_SOURCES = core/relais-inspect.c core/mains-private.h
relais_inspect_CPPFLAGS = $(CORE_CPPFLAGS)
relais_inspect_LDADD = $(LIBRELAIS_LDADD)

check_PROGRAMS += tests/module/test-hook
TESTS += tests/module/test-hook
tests_module_test_hook_SOURCES = tests/module/test-hook.c
tests_module_test_hook_CPPFLAGS = $(CORE_CPPFLAGS)
tests_module_test_hook_LDADD = $(CORE_TEST_LDADD)
