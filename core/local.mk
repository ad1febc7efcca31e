# libcore.la holds every room; librelais.la is libcore and the public API; the mains are thin.
noinst_LTLIBRARIES += libcore.la
libcore_la_SOURCES =
libcore_la_CPPFLAGS = $(CORE_CPPFLAGS)
libcore_la_LIBADD = $(CORE_LIBS)

# What a core unit test links. It loads no module: with modules there would be two cores.
CORE_TEST_LDADD = libcore.la $(CORE_LIBS)
