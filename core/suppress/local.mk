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
