# core/http: what this room compiles, and its unit tests (tests/http).
libcore_la_SOURCES += \
    core/http/curl.c core/http/curl-private.h \
    core/http/fetch.c core/http/fetch-private.h \
    core/http/fetch-module.c \
    core/http/fetch-url.c core/http/fetch-url-private.h \
    core/http/transfer.c core/http/transfer-private.h
