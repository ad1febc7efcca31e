# include/relais: the public API, installed as it is.
relaisincludedir = $(includedir)/relais
relaisinclude_HEADERS = \
    include/relais/command.h \
    include/relais/option.h \
    include/relais/types.h \
    include/relais/version.h
