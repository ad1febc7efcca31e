# core/http: what this room compiles, and its unit tests (tests/http).
libcore_la_SOURCES += \
    core/http/backend.c core/http/backend-private.h \
    core/http/connection.c core/http/connection-private.h \
    core/http/exchange.c \
    core/http/forwarded.c core/http/forwarded-private.h \
    core/http/front.c core/http/front-private.h \
    core/http/head.c core/http/head-private.h \
    core/http/request.c core/http/request-private.h \
    core/http/server.c core/http/server-private.h \
    core/http/settings.c core/http/settings-private.h
