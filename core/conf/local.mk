# core/conf: what this room compiles, and its unit tests (tests/conf).
libcore_la_SOURCES += \
    core/conf/conf-private.h core/conf/limits.h core/conf/net-private.h \
    core/conf/schema.c core/conf/schema-private.h
