# libcore.la holds every room; librelais.la is libcore and the public API; the mains are thin.
noinst_LTLIBRARIES += libcore.la
libcore_la_SOURCES =
libcore_la_CPPFLAGS = $(CORE_CPPFLAGS)
libcore_la_LIBADD = $(CORE_LIBS)

# GLib's locks as ThreadSanitizer sees them (tests/tsan).
if TSAN
libcore_la_SOURCES += tests/tsan/glib.c
endif

# What a core unit test links. It loads no module: with modules there would be two cores.
CORE_TEST_LDADD = libcore.la $(CORE_LIBS)

# The daemon: its assembly is in the library, its main is thin.
libcore_la_SOURCES += \
    core/allocator.c core/allocator-private.h \
    core/arguments.c core/arguments-private.h \
    core/commands.c core/commands-private.h \
    core/confine.c core/confine-calls.c core/confine-files.c core/confine-private.h core/confine-rules.c \
    core/contain.c core/contain-private.h \
    core/ctl.c core/ctl-campaign.c core/ctl-module.c core/ctl-module-private.h \
    core/ctl-crashes.c core/ctl-crashes-private.h core/ctl-spool.c \
    core/ctl-new.c core/ctl-new-private.h \
    core/daemon.c core/daemon-up.c core/daemon-private.h core/mains-private.h \
    core/dns-check.c core/dns-check-private.h \
    core/limiter.c core/limiter-private.h \
    core/notify.c core/notify-private.h core/policies.c core/policies-private.h \
    core/privileges.c core/privileges-private.h \
    core/process.c core/process-private.h \
    core/reexec.c core/reexec-private.h \
    core/reload.c core/reload-private.h \
    core/sendmail.c core/sendmail-options.c core/sendmail-private.h \
    core/show-hooks.c core/show-hooks-private.h \
    core/status.c core/status-private.h \
    core/stop-signals.c core/stop-signals-private.h \
    core/usable.c core/usable-private.h

# The part of the harness that stands on rooms below core/module.
libcore_la_SOURCES += \
    core/test-command.c \
    core/test-http.c \
    core/test-peer.c core/test-peer-private.h \
    core/test-queue.c
sbin_PROGRAMS += relaisd
relaisd_SOURCES = core/relaisd.c
relaisd_CPPFLAGS = $(CORE_CPPFLAGS)
relaisd_LDADD = librelais.la $(GLIB_LIBS)

check_PROGRAMS += tests/daemon/test-confine
TESTS += tests/daemon/test-confine
tests_daemon_test_confine_SOURCES = tests/daemon/test-confine.c
tests_daemon_test_confine_CPPFLAGS = $(CORE_CPPFLAGS)
tests_daemon_test_confine_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/daemon/test-allocator
TESTS += tests/daemon/test-allocator
tests_daemon_test_allocator_SOURCES = tests/daemon/test-allocator.c
tests_daemon_test_allocator_CPPFLAGS = $(CORE_CPPFLAGS)
tests_daemon_test_allocator_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/daemon/test-limiter
TESTS += tests/daemon/test-limiter
tests_daemon_test_limiter_SOURCES = tests/daemon/test-limiter.c
tests_daemon_test_limiter_CPPFLAGS = $(CORE_CPPFLAGS)
tests_daemon_test_limiter_LDADD = $(CORE_TEST_LDADD)

TESTS += tests/daemon/test-modules.py tests/daemon/test-show-hooks.py
EXTRA_DIST += tests/daemon/test-modules.py tests/daemon/test-show-hooks.py
check_PROGRAMS += tests/daemon/test-stop-signals
TESTS += tests/daemon/test-stop-signals
tests_daemon_test_stop_signals_SOURCES = tests/daemon/test-stop-signals.c
tests_daemon_test_stop_signals_CPPFLAGS = $(CORE_CPPFLAGS)
tests_daemon_test_stop_signals_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/daemon/test-notify
TESTS += tests/daemon/test-notify
tests_daemon_test_notify_SOURCES = tests/daemon/test-notify.c
tests_daemon_test_notify_CPPFLAGS = $(CORE_CPPFLAGS)
tests_daemon_test_notify_LDADD = $(CORE_TEST_LDADD)

bin_PROGRAMS += relaisctl
relaisctl_SOURCES = core/relaisctl.c
relaisctl_CPPFLAGS = $(CORE_CPPFLAGS)
relaisctl_LDADD = librelais.la $(GLIB_LIBS)

# Where programs that want a sendmail find it without taking another MTA's place.
relaislibexecdir = $(libdir)/relais
relaislibexec_PROGRAMS = sendmail
sendmail_SOURCES = core/relais-sendmail.c
sendmail_CPPFLAGS = $(CORE_CPPFLAGS)
sendmail_LDADD = librelais.la $(GLIB_LIBS)

check_PROGRAMS += tests/daemon/test-sendmail
TESTS += tests/daemon/test-sendmail
tests_daemon_test_sendmail_SOURCES = tests/daemon/test-sendmail.c
tests_daemon_test_sendmail_CPPFLAGS = $(CORE_CPPFLAGS)
tests_daemon_test_sendmail_LDADD = $(CORE_TEST_LDADD)
