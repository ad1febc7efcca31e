# modules/dkim: the module, and its tests (tests/modules/dkim).
dkim_parsers = modules/dkim/dkim.h modules/dkim/names.c modules/dkim/record.c modules/dkim/scan.c \
    modules/dkim/signature.c modules/dkim/tags.c modules/dkim/verify.h
dkim_sources = $(dkim_parsers) modules/dkim/answer.c modules/dkim/canon.c modules/dkim/check.c \
    modules/dkim/inbound.c modules/dkim/inspect.c modules/dkim/keygen.c modules/dkim/keys.c \
    modules/dkim/sign.c modules/dkim/verify.c

module_LTLIBRARIES += modules/dkim/dkim.la
modules_dkim_dkim_la_SOURCES = modules/dkim/dkim.c $(dkim_sources)
modules_dkim_dkim_la_CPPFLAGS = $(RELAIS_MODULE_CPPFLAGS) $(OPENSSL_CFLAGS) \
    -DGETTEXT_PACKAGE=\"relais\" -DDKIM_KEY_DIR=\"$(sysconfdir)/relais/dkim\"
modules_dkim_dkim_la_LDFLAGS = $(RELAIS_MODULE_LDFLAGS)
modules_dkim_dkim_la_LIBADD = librelais.la $(GLIB_LIBS) $(OPENSSL_LIBS) $(OPENDKIM_LIBS)

# Its internals are tested by compiling its sources; what it is as a module, through the harness.
check_PROGRAMS += tests/modules/dkim/test-dkim tests/modules/dkim/test-parse \
    tests/modules/dkim/test-verifier tests/modules/dkim/sign tests/modules/dkim/verify
TESTS += tests/modules/dkim/test-dkim tests/modules/dkim/test-parse tests/modules/dkim/test-verifier \
    tests/modules/dkim/test-foreign.py tests/modules/dkim/test-verify.py
tests_modules_dkim_test_dkim_SOURCES = tests/modules/dkim/test-dkim.c $(dkim_sources)
tests_modules_dkim_test_dkim_CPPFLAGS = -DRELAIS_STATIC -I$(top_srcdir)/modules/dkim \
    $(modules_dkim_dkim_la_CPPFLAGS)
tests_modules_dkim_test_dkim_LDADD = librelais.la $(GLIB_LIBS) $(OPENSSL_LIBS) $(OPENDKIM_LIBS)
tests_modules_dkim_test_parse_SOURCES = tests/modules/dkim/test-parse.c $(dkim_parsers)
tests_modules_dkim_test_parse_CPPFLAGS = $(tests_modules_dkim_test_dkim_CPPFLAGS)
tests_modules_dkim_test_parse_LDADD = librelais.la $(GLIB_LIBS) $(OPENSSL_LIBS)
tests_modules_dkim_test_verifier_SOURCES = tests/modules/dkim/test-verifier.c $(dkim_sources)
tests_modules_dkim_test_verifier_CPPFLAGS = $(tests_modules_dkim_test_dkim_CPPFLAGS)
tests_modules_dkim_test_verifier_LDADD = $(tests_modules_dkim_test_dkim_LDADD)
tests_modules_dkim_verify_SOURCES = tests/modules/dkim/verify.c
tests_modules_dkim_verify_CPPFLAGS = $(RELAIS_MODULE_CPPFLAGS)
tests_modules_dkim_verify_LDADD = librelais.la $(GLIB_LIBS)
tests_modules_dkim_sign_SOURCES = tests/modules/dkim/sign.c
tests_modules_dkim_sign_CPPFLAGS = $(RELAIS_MODULE_CPPFLAGS)
tests_modules_dkim_sign_LDADD = librelais.la $(GLIB_LIBS)
EXTRA_DIST += tests/modules/dkim/corpus.py tests/modules/dkim/mail-dkim.pl tests/modules/dkim/rules.py \
    tests/modules/dkim/test-foreign.py tests/modules/dkim/test-verify.py
