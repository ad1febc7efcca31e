# modules/throttle: the module.
module_LTLIBRARIES += modules/throttle/throttle.la
modules_throttle_throttle_la_SOURCES = modules/throttle/module.c $(throttle_rules_sources) \
    $(throttle_offline_sources)
modules_throttle_throttle_la_CPPFLAGS = $(RELAIS_MODULE_CPPFLAGS) $(PCRE2_CFLAGS) \
    -DGETTEXT_PACKAGE=\"relais\"
modules_throttle_throttle_la_LDFLAGS = $(RELAIS_MODULE_LDFLAGS)
modules_throttle_throttle_la_LIBADD = librelais.la $(GLIB_LIBS) $(PCRE2_LIBS)
