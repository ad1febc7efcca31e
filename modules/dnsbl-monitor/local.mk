# modules/dnsbl-monitor: the module, and its tests (tests/modules/dnsbl-monitor).
dnsbl_pure_sources = modules/dnsbl-monitor/codes.c modules/dnsbl-monitor/name.c \
    modules/dnsbl-monitor/record.c modules/dnsbl-monitor/zone.h

module_LTLIBRARIES += modules/dnsbl-monitor/dnsbl-monitor.la
modules_dnsbl_monitor_dnsbl_monitor_la_SOURCES = modules/dnsbl-monitor/alert.c modules/dnsbl-monitor/check.c \
    modules/dnsbl-monitor/command.c modules/dnsbl-monitor/config.c modules/dnsbl-monitor/dnsbl-monitor.c \
    modules/dnsbl-monitor/keep.c modules/dnsbl-monitor/monitor.h modules/dnsbl-monitor/poll.c \
    modules/dnsbl-monitor/probe.c modules/dnsbl-monitor/rule.c modules/dnsbl-monitor/schedule.c \
    $(dnsbl_pure_sources)
modules_dnsbl_monitor_dnsbl_monitor_la_CPPFLAGS = $(RELAIS_MODULE_CPPFLAGS) -DGETTEXT_PACKAGE=\"relais\"
modules_dnsbl_monitor_dnsbl_monitor_la_LDFLAGS = $(RELAIS_MODULE_LDFLAGS)
modules_dnsbl_monitor_dnsbl_monitor_la_LIBADD = librelais.la $(GLIB_LIBS)

# What is pure is tested by compiling it; what it is as a module, through the harness.
check_PROGRAMS += tests/modules/dnsbl-monitor/test-zone tests/modules/dnsbl-monitor/test-monitor
TESTS += tests/modules/dnsbl-monitor/test-zone tests/modules/dnsbl-monitor/test-monitor
tests_modules_dnsbl_monitor_test_zone_SOURCES = tests/modules/dnsbl-monitor/test-zone.c $(dnsbl_pure_sources)
tests_modules_dnsbl_monitor_test_zone_CPPFLAGS = -I$(top_srcdir)/modules/dnsbl-monitor $(GLIB_CFLAGS)
tests_modules_dnsbl_monitor_test_zone_LDADD = $(GLIB_LIBS)
tests_modules_dnsbl_monitor_test_monitor_SOURCES = tests/modules/dnsbl-monitor/test-monitor.c
tests_modules_dnsbl_monitor_test_monitor_CPPFLAGS = $(RELAIS_MODULE_CPPFLAGS)
tests_modules_dnsbl_monitor_test_monitor_LDADD = librelais.la $(GLIB_LIBS)
