# include/relais: the public API, installed as it is.
relaisincludedir = $(includedir)/relais
relaisinclude_HEADERS = include/relais/version.h
