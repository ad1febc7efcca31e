# modules/bounce/reports.mk: the reader of messages that came back, which the module (modules/bounce/local.mk) compiles
# in; its tests (tests/modules/bounce).
bounce_report_sources = modules/bounce/report.c modules/bounce/report.h modules/bounce/report-charset.c \
    modules/bounce/report-feedback.c modules/bounce/report-free.c modules/bounce/report-kind.c \
    modules/bounce/report-mail.c modules/bounce/report-mail.h modules/bounce/report-notice.c \
    modules/bounce/report-original.c modules/bounce/report-phase.c modules/bounce/report-phrases.c modules/bounce/report-reading.h \
    modules/bounce/report-status.c modules/bounce/report-words.c modules/bounce/report-words.h
bounce_report_test_sources = $(bounce_report_sources) $(replies_json_sources)
bounce_parse_sources = modules/bounce/parse.c modules/bounce/parse.h modules/bounce/report-judge.c \
    modules/bounce/report-judge.h

# The reader is tested by compiling it; the command as it is called.
bounce_report_cppflags = -DRELAIS_STATIC -DGETTEXT_PACKAGE=\"relais\" -I$(top_srcdir)/modules/bounce $(REPLIES_CPPFLAGS) \
    $(RELAIS_MODULE_CPPFLAGS)
check_PROGRAMS += tests/modules/bounce/test-reports
TESTS += tests/modules/bounce/test-reports tests/modules/bounce/test-parse.py
tests_modules_bounce_test_reports_SOURCES = tests/modules/bounce/test-reports.c $(bounce_report_test_sources)
tests_modules_bounce_test_reports_CPPFLAGS = $(bounce_report_cppflags)
tests_modules_bounce_test_reports_LDADD = librelais.la $(GLIB_LIBS) $(JSON_LIBS)
EXTRA_DIST += tests/modules/bounce/disputed.tsv tests/modules/bounce/forms tests/modules/bounce/reports \
    tests/modules/bounce/test-parse.py
