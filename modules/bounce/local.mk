# modules/bounce: the module, and its tests (tests/modules/bounce).
bounce_rule_sources = modules/bounce/codes.c modules/bounce/codes.h modules/bounce/reasons.c modules/bounce/reasons.h \
    modules/bounce/rule.c modules/bounce/rule.h modules/bounce/verdict.c modules/bounce/verdict.h \
    modules/bounce/words.c modules/bounce/words.h $(replies_sources) $(replies_offline_sources)
bounce_offline_sources = modules/bounce/lint.c modules/bounce/offline.c modules/bounce/offline.h

module_LTLIBRARIES += modules/bounce/bounce.la
modules_bounce_bounce_la_SOURCES = modules/bounce/bounce.h modules/bounce/module.c modules/bounce/result.c \
    $(bounce_rule_sources) $(bounce_offline_sources) $(bounce_report_sources) $(bounce_parse_sources)
modules_bounce_bounce_la_CPPFLAGS = $(RELAIS_MODULE_CPPFLAGS) $(REPLIES_CPPFLAGS) -DGETTEXT_PACKAGE=\"relais\"
modules_bounce_bounce_la_LDFLAGS = $(RELAIS_MODULE_LDFLAGS)
modules_bounce_bounce_la_LIBADD = librelais.la $(GLIB_LIBS) $(PCRE2_LIBS)
