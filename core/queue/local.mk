# core/queue: what this room compiles, and its unit tests (tests/queue).
libcore_la_SOURCES += \
    core/queue/queue-private.h core/queue/types-private.h core/queue/state-private.h \
    core/queue/ages.c \
    core/queue/attempt.c core/queue/attempt-private.h \
    core/queue/check.c \
    core/queue/commands.c core/queue/commands-quarantine.c \
    core/queue/commands-why.c core/queue/commands-private.h \
    core/queue/connection.c core/queue/connection-private.h \
    core/queue/delivery.c core/queue/delivery-private.h \
    core/queue/destination.c core/queue/destination-private.h \
    core/queue/evidence.c core/queue/evidence-private.h \
    core/queue/flow.c core/queue/flow-private.h \
    core/queue/grace.c core/queue/grace-private.h \
    core/queue/inject.c core/queue/intake.c \
    core/queue/keep.c core/queue/keep-private.h \
    core/queue/lane.c core/queue/lane-private.h \
    core/queue/live.c core/queue/live-private.h \
    core/queue/local.c core/queue/local-private.h \
    core/queue/notice.c \
    core/queue/order.c core/queue/order-private.h \
    core/queue/own.c \
    core/queue/outcome.c core/queue/outcome-private.h \
    core/queue/permit.c core/queue/permit-private.h \
    core/queue/prepare.c \
    core/queue/queue.c \
    core/queue/quarantine.c core/queue/quarantine-private.h \
    core/queue/reach.c core/queue/reach-private.h \
    core/queue/reload.c \
    core/queue/report.c core/queue/report-private.h \
    core/queue/reroute.c core/queue/reroute-private.h \
    core/queue/route.c core/queue/route-private.h \
    core/queue/tally.c core/queue/tally-private.h core/queue/tally-report.c \
    core/queue/tlsrpt.c core/queue/tlsrpt-private.h core/queue/tlsrpt-count.c \
    core/queue/terms-show.c \
    core/queue/schedule.c core/queue/schedule-private.h \
    core/queue/shaper.c core/queue/shaper-private.h \
    core/queue/settings.c core/queue/settings-private.h \
    core/queue/settings-routes.c core/queue/settings-schedule.c \
    core/queue/rest.c core/queue/rest-private.h \
    core/queue/settlement.c core/queue/settlement-private.h \
    core/queue/source.c core/queue/source-private.h \
    core/queue/suppressed.c core/queue/suppressed-private.h \
    core/queue/slab.c core/queue/slab-private.h \
    core/queue/terms.c core/queue/terms-private.h \
    core/queue/verbs.c core/queue/verbs-private.h \
    core/queue/wheel.c core/queue/wheel-private.h

FAKE_SUPPRESSION = tests/queue/fake-suppression.c tests/queue/fake-suppression.h
QUEUE_FIXTURE = tests/queue/fixture.c tests/queue/fixture.h tests/queue/sink.c tests/queue/sink.h \
    $(FAKE_SUPPRESSION)
QUEUE_SCENE = $(QUEUE_FIXTURE) tests/queue/scene.c tests/queue/scene.h
# With a module in it; the others have a host of their own making.
QUEUE_GUEST = $(QUEUE_SCENE) tests/queue/guest.c tests/queue/guest.h

check_PROGRAMS += tests/queue/test-queue
TESTS += tests/queue/test-queue
tests_queue_test_queue_SOURCES = tests/queue/test-queue.c $(QUEUE_SCENE)
tests_queue_test_queue_CPPFLAGS = $(CORE_CPPFLAGS) -I$(top_srcdir)/tests/queue
tests_queue_test_queue_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/queue/test-queue-intake
TESTS += tests/queue/test-queue-intake
tests_queue_test_queue_intake_SOURCES = tests/queue/test-queue-intake.c $(QUEUE_GUEST)
tests_queue_test_queue_intake_CPPFLAGS = $(CORE_CPPFLAGS) -I$(top_srcdir)/tests/queue
tests_queue_test_queue_intake_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/queue/test-records
TESTS += tests/queue/test-records
tests_queue_test_records_SOURCES = tests/queue/test-records.c
tests_queue_test_records_CPPFLAGS = $(CORE_CPPFLAGS)
tests_queue_test_records_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/queue/test-lane
TESTS += tests/queue/test-lane
tests_queue_test_lane_SOURCES = tests/queue/test-lane.c $(QUEUE_FIXTURE)
tests_queue_test_lane_CPPFLAGS = $(CORE_CPPFLAGS) -I$(top_srcdir)/tests/queue
tests_queue_test_lane_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/queue/test-queue-schedules
TESTS += tests/queue/test-queue-schedules
tests_queue_test_queue_schedules_SOURCES = tests/queue/test-queue-schedules.c $(QUEUE_SCENE)
tests_queue_test_queue_schedules_CPPFLAGS = $(CORE_CPPFLAGS) -I$(top_srcdir)/tests/queue
tests_queue_test_queue_schedules_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/queue/test-queue-verbs
TESTS += tests/queue/test-queue-verbs
tests_queue_test_queue_verbs_SOURCES = tests/queue/test-queue-verbs.c $(QUEUE_SCENE)
tests_queue_test_queue_verbs_CPPFLAGS = $(CORE_CPPFLAGS) -I$(top_srcdir)/tests/queue
tests_queue_test_queue_verbs_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/queue/test-queue-tls
TESTS += tests/queue/test-queue-tls
tests_queue_test_queue_tls_SOURCES = tests/queue/test-queue-tls.c $(QUEUE_SCENE)
tests_queue_test_queue_tls_CPPFLAGS = $(CORE_CPPFLAGS) -I$(top_srcdir)/tests/queue
tests_queue_test_queue_tls_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/queue/test-queue-hooks
TESTS += tests/queue/test-queue-hooks
tests_queue_test_queue_hooks_SOURCES = tests/queue/test-queue-hooks.c $(QUEUE_SCENE)
tests_queue_test_queue_hooks_CPPFLAGS = $(CORE_CPPFLAGS) -I$(top_srcdir)/tests/queue
tests_queue_test_queue_hooks_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/queue/test-queue-sources
TESTS += tests/queue/test-queue-sources
tests_queue_test_queue_sources_SOURCES = tests/queue/test-queue-sources.c $(QUEUE_SCENE)
tests_queue_test_queue_sources_CPPFLAGS = $(CORE_CPPFLAGS) -I$(top_srcdir)/tests/queue
tests_queue_test_queue_sources_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/queue/test-queue-quarantine
TESTS += tests/queue/test-queue-quarantine
tests_queue_test_queue_quarantine_SOURCES = tests/queue/test-queue-quarantine.c $(QUEUE_SCENE)
tests_queue_test_queue_quarantine_CPPFLAGS = $(CORE_CPPFLAGS) -I$(top_srcdir)/tests/queue
tests_queue_test_queue_quarantine_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/queue/test-queue-reload
TESTS += tests/queue/test-queue-reload
tests_queue_test_queue_reload_SOURCES = tests/queue/test-queue-reload.c $(QUEUE_SCENE)
tests_queue_test_queue_reload_CPPFLAGS = $(CORE_CPPFLAGS) -I$(top_srcdir)/tests/queue
tests_queue_test_queue_reload_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/queue/test-queue-reroute
TESTS += tests/queue/test-queue-reroute
tests_queue_test_queue_reroute_SOURCES = tests/queue/test-queue-reroute.c $(QUEUE_SCENE)
tests_queue_test_queue_reroute_CPPFLAGS = $(CORE_CPPFLAGS) -I$(top_srcdir)/tests/queue
tests_queue_test_queue_reroute_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/queue/test-queue-shaping
TESTS += tests/queue/test-queue-shaping
tests_queue_test_queue_shaping_SOURCES = tests/queue/test-queue-shaping.c $(QUEUE_GUEST)
tests_queue_test_queue_shaping_CPPFLAGS = $(CORE_CPPFLAGS) -I$(top_srcdir)/tests/queue
tests_queue_test_queue_shaping_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/queue/test-queue-limits
TESTS += tests/queue/test-queue-limits
tests_queue_test_queue_limits_SOURCES = tests/queue/test-queue-limits.c $(QUEUE_SCENE)
tests_queue_test_queue_limits_CPPFLAGS = $(CORE_CPPFLAGS) -I$(top_srcdir)/tests/queue
tests_queue_test_queue_limits_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/queue/test-queue-commands
TESTS += tests/queue/test-queue-commands
tests_queue_test_queue_commands_SOURCES = tests/queue/test-queue-commands.c $(QUEUE_SCENE)
tests_queue_test_queue_commands_CPPFLAGS = $(CORE_CPPFLAGS) -I$(top_srcdir)/tests/queue
tests_queue_test_queue_commands_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/queue/test-queue-suppress
TESTS += tests/queue/test-queue-suppress
tests_queue_test_queue_suppress_SOURCES = tests/queue/test-queue-suppress.c $(QUEUE_SCENE)
tests_queue_test_queue_suppress_CPPFLAGS = $(CORE_CPPFLAGS) -I$(top_srcdir)/tests/queue
tests_queue_test_queue_suppress_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/queue/test-queue-evidence
TESTS += tests/queue/test-queue-evidence
tests_queue_test_queue_evidence_SOURCES = tests/queue/test-queue-evidence.c $(QUEUE_GUEST)
tests_queue_test_queue_evidence_CPPFLAGS = $(CORE_CPPFLAGS) -I$(top_srcdir)/tests/queue
tests_queue_test_queue_evidence_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/queue/test-queue-states
TESTS += tests/queue/test-queue-states
tests_queue_test_queue_states_SOURCES = tests/queue/test-queue-states.c $(QUEUE_SCENE)
tests_queue_test_queue_states_CPPFLAGS = $(CORE_CPPFLAGS) -I$(top_srcdir)/tests/queue
tests_queue_test_queue_states_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/queue/test-queue-trouble
TESTS += tests/queue/test-queue-trouble
tests_queue_test_queue_trouble_SOURCES = tests/queue/test-queue-trouble.c $(QUEUE_SCENE)
tests_queue_test_queue_trouble_CPPFLAGS = $(CORE_CPPFLAGS) -I$(top_srcdir)/tests/queue
tests_queue_test_queue_trouble_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/queue/test-tally
TESTS += tests/queue/test-tally
tests_queue_test_tally_SOURCES = tests/queue/test-tally.c
tests_queue_test_tally_CPPFLAGS = $(CORE_CPPFLAGS)
tests_queue_test_tally_LDADD = $(CORE_TEST_LDADD)
