# core/module: what this room compiles, and its unit tests (tests/module).
libcore_la_SOURCES += \
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
    core/module/ticket.c
