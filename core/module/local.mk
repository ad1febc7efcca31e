# core/module: what this room compiles, and its unit tests (tests/module, tests/abi).
libcore_la_SOURCES += \
    core/inspect.c \
    core/module/access.c \
    core/module/auth.c \
    core/module/bounce.c core/module/bounce-names.c \
    core/module/bytes.c \
    core/module/catalogue.c core/module/catalogue-private.h \
    core/module/channel.c core/module/channel-private.h \
    core/module/channel-open.c \
    core/module/check.c \
    core/module/counter.c \
    core/module/crash.c core/module/crash-private.h \
    core/module/cursor.c core/module/cursor-private.h \
    core/module/delivery.c \
    core/module/edit.c \
    core/module/event.c \
    core/module/fatal.c core/module/fatal-private.h \
    core/module/grant.c \
    core/module/guard.c core/module/guard-private.h \
    core/module/helper.c core/module/helper-private.h \
    core/module/helper-serve.c \
    core/module/hook.c \
    core/module/host.c core/module/host-private.h \
    core/module/intake-private.h \
    core/module/job.c \
    core/module/kinds.c \
    core/module/language.c core/module/language-private.h \
    core/module/load.c \
    core/module/log.c \
    core/module/lookup.c \
    core/module/message.c \
    core/module/missing.c \
    core/module/module-private.h \
    core/module/off.c \
    core/module/order.c \
    core/module/queued.c \
    core/module/routes.c \
    core/module/register.c \
    core/module/service.c core/module/slow.c \
    core/module/shaping.c \
    core/module/store.c \
    core/module/submit.c \
    core/module/suppress.c \
    core/module/test.c core/module/test-private.h \
    core/module/test-channel.c \
    core/module/test-cursor.c \
    core/module/test-delivery.c \
    core/module/test-fetch.c \
    core/module/test-intake.c \
    core/module/test-program.c \
    core/module/test-shaping.c \
    core/module/test-suppress.c \
    core/module/test-zone.c \
    core/module/ticket.c \
    core/module/timer.c \
    core/module/token.c \
    core/module/tracking.c core/module/tracking-private.h \
    core/module/translate.c

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

check_PROGRAMS += tests/module/test-off
TESTS += tests/module/test-off
tests_module_test_off_SOURCES = tests/module/test-off.c
tests_module_test_off_CPPFLAGS = $(CORE_CPPFLAGS)
tests_module_test_off_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/module/test-misuse
TESTS += tests/module/test-misuse
tests_module_test_misuse_SOURCES = tests/module/test-misuse.c
tests_module_test_misuse_CPPFLAGS = $(CORE_CPPFLAGS)
tests_module_test_misuse_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/module/test-hook
TESTS += tests/module/test-hook
tests_module_test_hook_SOURCES = tests/module/test-hook.c
tests_module_test_hook_CPPFLAGS = $(CORE_CPPFLAGS)
tests_module_test_hook_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/module/test-guard tests/module/test-crash
TESTS += tests/module/test-guard tests/module/test-crash
tests_module_test_guard_SOURCES = tests/module/test-guard.c
tests_module_test_guard_CPPFLAGS = $(CORE_CPPFLAGS)
tests_module_test_guard_LDADD = $(CORE_TEST_LDADD)
tests_module_test_crash_SOURCES = tests/module/test-crash.c
tests_module_test_crash_CPPFLAGS = $(CORE_CPPFLAGS)
tests_module_test_crash_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/module/test-lookup
TESTS += tests/module/test-lookup
tests_module_test_lookup_SOURCES = tests/module/test-lookup.c
tests_module_test_lookup_CPPFLAGS = $(CORE_CPPFLAGS)
tests_module_test_lookup_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/module/test-channel-tls
TESTS += tests/module/test-channel-tls
tests_module_test_channel_tls_SOURCES = tests/module/test-channel-tls.c tests/http/peer.c tests/http/peer.h
tests_module_test_channel_tls_CPPFLAGS = $(CORE_CPPFLAGS) -I$(srcdir)/tests
tests_module_test_channel_tls_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/module/test-delivery
TESTS += tests/module/test-delivery
tests_module_test_delivery_SOURCES = tests/module/test-delivery.c
tests_module_test_delivery_CPPFLAGS = $(CORE_CPPFLAGS)
tests_module_test_delivery_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/module/test-suppress
TESTS += tests/module/test-suppress
tests_module_test_suppress_SOURCES = tests/module/test-suppress.c
tests_module_test_suppress_CPPFLAGS = $(CORE_CPPFLAGS)
tests_module_test_suppress_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/module/test-helper tests/module/helper-fixture
TESTS += tests/module/test-helper
tests_module_test_helper_SOURCES = tests/module/test-helper.c
tests_module_test_helper_CPPFLAGS = $(CORE_CPPFLAGS)
tests_module_test_helper_LDADD = $(CORE_TEST_LDADD)
tests_module_helper_fixture_SOURCES = tests/module/helper-fixture.c
tests_module_helper_fixture_CPPFLAGS = $(CORE_CPPFLAGS)
tests_module_helper_fixture_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/module/test-translate
TESTS += tests/module/test-translate
tests_module_test_translate_SOURCES = tests/module/test-translate.c tests/module/catalogue.h
tests_module_test_translate_CPPFLAGS = $(CORE_CPPFLAGS)
tests_module_test_translate_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/module/test-tracking-url
TESTS += tests/module/test-tracking-url
tests_module_test_tracking_url_SOURCES = tests/module/test-tracking-url.c
tests_module_test_tracking_url_CPPFLAGS = $(CORE_CPPFLAGS)
tests_module_test_tracking_url_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/abi/test-check tests/abi/test-load
TESTS += tests/abi/test-check tests/abi/test-load tests/abi/test-map.py
EXTRA_DIST += tests/abi/test-map.py
tests_abi_test_check_SOURCES = tests/abi/test-check.c
tests_abi_test_check_CPPFLAGS = $(CORE_CPPFLAGS)
tests_abi_test_check_LDADD = $(CORE_TEST_LDADD)
tests_abi_test_load_SOURCES = tests/abi/test-load.c tests/abi/place.c tests/abi/place.h
tests_abi_test_load_CPPFLAGS = $(RELAIS_MODULE_CPPFLAGS)
tests_abi_test_load_LDADD = $(LIBRELAIS_LDADD)

# Modules for the loader's tests: good ones, and each wrong in one way. -rpath makes libtool build
# shared objects of what is not installed.
check_LTLIBRARIES += tests/abi/guest.la tests/abi/minor.la tests/abi/major.la tests/abi/stranger.la \
    tests/abi/cycle-a.la tests/abi/cycle-b.la
abi_fixture_flags = $(AM_LDFLAGS) -module -avoid-version -shared -rpath /nowhere
abi_fixture_cppflags = $(RELAIS_MODULE_CPPFLAGS) -DFIXTURE_MINOR=RELAIS_API_MINOR
tests_abi_guest_la_SOURCES = tests/abi/fixture.c
tests_abi_guest_la_CPPFLAGS = $(abi_fixture_cppflags) -DFIXTURE_SYMBOL=relais_module_0 \
    -DFIXTURE_NAME=\"guest\"
tests_abi_guest_la_LDFLAGS = $(abi_fixture_flags)
tests_abi_minor_la_SOURCES = tests/abi/fixture.c
tests_abi_minor_la_CPPFLAGS = $(RELAIS_MODULE_CPPFLAGS) -DFIXTURE_SYMBOL=relais_module_0 \
    -DFIXTURE_NAME=\"minor\" -DFIXTURE_MINOR=2
tests_abi_minor_la_LDFLAGS = $(abi_fixture_flags)
tests_abi_major_la_SOURCES = tests/abi/fixture.c
tests_abi_major_la_CPPFLAGS = $(abi_fixture_cppflags) -DFIXTURE_SYMBOL=relais_module_1 \
    -DFIXTURE_NAME=\"major\"
tests_abi_major_la_LDFLAGS = $(abi_fixture_flags)
tests_abi_stranger_la_SOURCES = tests/abi/fixture.c
tests_abi_stranger_la_CPPFLAGS = $(abi_fixture_cppflags) -DFIXTURE_SYMBOL=somebody_else \
    -DFIXTURE_NAME=\"stranger\"
tests_abi_stranger_la_LDFLAGS = $(abi_fixture_flags)
tests_abi_cycle_a_la_SOURCES = tests/abi/fixture.c
tests_abi_cycle_a_la_CPPFLAGS = $(abi_fixture_cppflags) -DFIXTURE_SYMBOL=relais_module_0 \
    -DFIXTURE_NAME=\"cycle-a\" -DFIXTURE_REQUIRES=\"cycle-b\"
tests_abi_cycle_a_la_LDFLAGS = $(abi_fixture_flags)
tests_abi_cycle_b_la_SOURCES = tests/abi/fixture.c
tests_abi_cycle_b_la_CPPFLAGS = $(abi_fixture_cppflags) -DFIXTURE_SYMBOL=relais_module_0 \
    -DFIXTURE_NAME=\"cycle-b\" -DFIXTURE_REQUIRES=\"cycle-a\"
tests_abi_cycle_b_la_LDFLAGS = $(abi_fixture_flags)
check_LTLIBRARIES += tests/abi/short.la tests/abi/tail.la tests/abi/zero-tail.la \
    tests/abi/nameless.la tests/abi/command-a.la tests/abi/command-b.la tests/abi/ours.la tests/abi/path-a.la \
    tests/abi/path-b.la
tests_abi_short_la_SOURCES = tests/abi/fixture.c
tests_abi_short_la_CPPFLAGS = $(abi_fixture_cppflags) -DFIXTURE_SYMBOL=relais_module_0 \
    -DFIXTURE_NAME=\"short\" -DFIXTURE_SIZE=128
tests_abi_short_la_LDFLAGS = $(abi_fixture_flags)
tests_abi_tail_la_SOURCES = tests/abi/fixture.c
tests_abi_tail_la_CPPFLAGS = $(abi_fixture_cppflags) -DFIXTURE_SYMBOL=relais_module_0 \
    -DFIXTURE_NAME=\"tail\" -DFIXTURE_TAIL=1
tests_abi_tail_la_LDFLAGS = $(abi_fixture_flags)
tests_abi_zero_tail_la_SOURCES = tests/abi/fixture.c
tests_abi_zero_tail_la_CPPFLAGS = $(abi_fixture_cppflags) -DFIXTURE_SYMBOL=relais_module_0 \
    -DFIXTURE_NAME=\"zero-tail\" -DFIXTURE_TAIL=0
tests_abi_zero_tail_la_LDFLAGS = $(abi_fixture_flags)
tests_abi_nameless_la_SOURCES = tests/abi/fixture.c
tests_abi_nameless_la_CPPFLAGS = $(abi_fixture_cppflags) -DFIXTURE_SYMBOL=relais_module_0 \
    -DFIXTURE_TAIL=0
tests_abi_nameless_la_LDFLAGS = $(abi_fixture_flags)
tests_abi_command_a_la_SOURCES = tests/abi/fixture.c
tests_abi_command_a_la_CPPFLAGS = $(abi_fixture_cppflags) -DFIXTURE_SYMBOL=relais_module_0 \
    -DFIXTURE_NAME=\"command-a\" -DFIXTURE_COMMAND=\"fixture\"
tests_abi_command_a_la_LDFLAGS = $(abi_fixture_flags)
tests_abi_command_b_la_SOURCES = tests/abi/fixture.c
tests_abi_command_b_la_CPPFLAGS = $(abi_fixture_cppflags) -DFIXTURE_SYMBOL=relais_module_0 \
    -DFIXTURE_NAME=\"command-b\" -DFIXTURE_COMMAND=\"fixture\"
tests_abi_command_b_la_LDFLAGS = $(abi_fixture_flags)
tests_abi_ours_la_SOURCES = tests/abi/fixture.c
tests_abi_ours_la_CPPFLAGS = $(abi_fixture_cppflags) -DFIXTURE_SYMBOL=relais_module_0 \
    -DFIXTURE_NAME=\"ours\" -DFIXTURE_COMMAND=\"status\"
tests_abi_ours_la_LDFLAGS = $(abi_fixture_flags)
tests_abi_path_a_la_SOURCES = tests/abi/fixture.c
tests_abi_path_a_la_CPPFLAGS = $(abi_fixture_cppflags) -DFIXTURE_SYMBOL=relais_module_0 \
    -DFIXTURE_NAME=\"path-a\" -DFIXTURE_PATH=\"/fixture/\"
tests_abi_path_a_la_LDFLAGS = $(abi_fixture_flags)
tests_abi_path_b_la_SOURCES = tests/abi/fixture.c
tests_abi_path_b_la_CPPFLAGS = $(abi_fixture_cppflags) -DFIXTURE_SYMBOL=relais_module_0 \
    -DFIXTURE_NAME=\"path-b\" -DFIXTURE_PATH=\"/fixture/below\"
tests_abi_path_b_la_LDFLAGS = $(abi_fixture_flags)
