# include/relais: the public API, installed as it is.
relaisincludedir = $(includedir)/relais
relaisinclude_HEADERS = \
    include/relais/bounce.h \
    include/relais/channel.h \
    include/relais/command.h \
    include/relais/counter.h \
    include/relais/cursor.h \
    include/relais/delivery.h \
    include/relais/dns.h \
    include/relais/edit.h \
    include/relais/event.h \
    include/relais/fetch.h \
    include/relais/helper.h \
    include/relais/hook.h \
    include/relais/http.h \
    include/relais/log.h \
    include/relais/message.h \
    include/relais/module.h \
    include/relais/option.h \
    include/relais/queued.h \
    include/relais/service.h \
    include/relais/shaping.h \
    include/relais/store.h \
    include/relais/submit.h \
    include/relais/suppress.h \
    include/relais/test.h \
    include/relais/text.h \
    include/relais/timer.h \
    include/relais/token.h \
    include/relais/translate.h \
    include/relais/types.h \
    include/relais/version.h
