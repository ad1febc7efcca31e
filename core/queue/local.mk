# core/queue: what this room compiles, and its unit tests (tests/queue).
libcore_la_SOURCES += \
    core/queue/queue-private.h core/queue/types-private.h core/queue/state-private.h \
    core/queue/attempt.c core/queue/attempt-private.h \
    core/queue/check.c \
    core/queue/commands.c \
    core/queue/commands-why.c core/queue/commands-private.h \
    core/queue/connection.c core/queue/connection-private.h \
    core/queue/delivery.c core/queue/delivery-private.h \
    core/queue/destination.c core/queue/destination-private.h \
    core/queue/flow.c core/queue/flow-private.h \
    core/queue/lane.c core/queue/lane-private.h \
    core/queue/live.c core/queue/live-private.h \
    core/queue/local.c core/queue/local-private.h \
    core/queue/outcome.c core/queue/outcome-private.h \
    core/queue/prepare.c \
    core/queue/queue.c \
    core/queue/report.c core/queue/report-private.h \
    core/queue/route.c core/queue/route-private.h \
    core/queue/schedule.c core/queue/schedule-private.h \
    core/queue/settings.c core/queue/settings-private.h \
    core/queue/slab.c core/queue/slab-private.h \
    core/queue/verbs.c core/queue/verbs-private.h \
    core/queue/wheel.c core/queue/wheel-private.h
