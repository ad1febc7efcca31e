# core/message: what this room compiles, and its unit tests (tests/message).
libcore_la_SOURCES += \
    core/message/address.c core/message/address-private.h \
    core/message/body.c core/message/charset.c core/message/codec.c \
    core/message/domain-set.c core/message/domain-set-private.h \
    core/message/dsn.c core/message/dsn-private.h \
    core/message/edits.c core/message/edits-private.h \
    core/message/header.c core/message/header-private.h \
    core/message/header-edits.c core/message/header-edits-private.h \
    core/message/html.c core/message/html-entities-private.h core/message/html-private.h \
    core/message/html-value.c core/message/hygiene.c core/message/id-table-private.h \
    core/message/leaf.c core/message/leaf-base64.c core/message/leaf-qp.c \
    core/message/leaf-codec-private.h core/message/leaf-private.h \
    core/message/lines.c core/message/lines-private.h \
    core/message/local-text.c core/message/local-text-private.h core/message/mailbox.c \
    core/message/mime.c core/message/mime-fields.c core/message/mime-private.h \
    core/message/outgoing.c core/message/outgoing-private.h \
    core/message/qp-private.h \
    core/message/sink.c core/message/sink-private.h \
    core/message/message.c core/message/message-private.h \
    core/message/release.c core/message/release-private.h \
    core/message/rope.c core/message/rope-private.h \
    core/message/text.c \
    core/message/trace.c core/message/trace-private.h

check_PROGRAMS += tests/message/test-address
TESTS += tests/message/test-address
tests_message_test_address_SOURCES = tests/message/test-address.c
tests_message_test_address_CPPFLAGS = $(CORE_CPPFLAGS)
tests_message_test_address_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/message/test-edits
TESTS += tests/message/test-edits
tests_message_test_edits_SOURCES = tests/message/test-edits.c
tests_message_test_edits_CPPFLAGS = $(CORE_CPPFLAGS)
tests_message_test_edits_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/message/test-header
TESTS += tests/message/test-header
tests_message_test_header_SOURCES = tests/message/test-header.c
tests_message_test_header_CPPFLAGS = $(CORE_CPPFLAGS)
tests_message_test_header_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/message/test-header-edits
TESTS += tests/message/test-header-edits
tests_message_test_header_edits_SOURCES = tests/message/test-header-edits.c
tests_message_test_header_edits_CPPFLAGS = $(CORE_CPPFLAGS)
tests_message_test_header_edits_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/message/test-text
TESTS += tests/message/test-text
tests_message_test_text_SOURCES = tests/message/test-text.c
tests_message_test_text_CPPFLAGS = $(CORE_CPPFLAGS)
tests_message_test_text_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/message/test-trace
TESTS += tests/message/test-trace
tests_message_test_trace_SOURCES = tests/message/test-trace.c
tests_message_test_trace_CPPFLAGS = $(CORE_CPPFLAGS)
tests_message_test_trace_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/message/test-html
TESTS += tests/message/test-html
tests_message_test_html_SOURCES = tests/message/test-html.c
tests_message_test_html_CPPFLAGS = $(CORE_CPPFLAGS)
tests_message_test_html_LDADD = $(CORE_TEST_LDADD)

# Python knows the same named references.
TESTS += tests/message/test-html-entities.py
EXTRA_DIST += tests/message/test-html-entities.py

leaf_check = tests/message/leaf-check.c tests/message/leaf-check.h
check_PROGRAMS += tests/message/test-leaf
TESTS += tests/message/test-leaf
tests_message_test_leaf_SOURCES = tests/message/test-leaf.c $(leaf_check)
tests_message_test_leaf_CPPFLAGS = $(CORE_CPPFLAGS) -I$(srcdir)/tests/message
tests_message_test_leaf_LDADD = $(CORE_TEST_LDADD)

# Python's email package says whether it reads what was edited as it is meant.
check_PROGRAMS += tests/message/edit-leaf
tests_message_edit_leaf_SOURCES = tests/message/edit-leaf.c $(leaf_check)
tests_message_edit_leaf_CPPFLAGS = $(CORE_CPPFLAGS) -I$(srcdir)/tests/message
tests_message_edit_leaf_LDADD = $(CORE_TEST_LDADD)
TESTS += tests/message/test-leaf.py
EXTRA_DIST += tests/message/test-leaf.py

check_PROGRAMS += tests/message/test-lines
TESTS += tests/message/test-lines
tests_message_test_lines_SOURCES = tests/message/test-lines.c
tests_message_test_lines_CPPFLAGS = $(CORE_CPPFLAGS)
tests_message_test_lines_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/message/test-message
TESTS += tests/message/test-message
tests_message_test_message_SOURCES = tests/message/test-message.c
tests_message_test_message_CPPFLAGS = $(CORE_CPPFLAGS)
tests_message_test_message_LDADD = $(CORE_TEST_LDADD)

# Python's email package says whether what relais_outgoing_fit () made still says the same.
check_PROGRAMS += tests/message/fit
tests_message_fit_SOURCES = tests/message/fit.c
tests_message_fit_CPPFLAGS = $(CORE_CPPFLAGS)
tests_message_fit_LDADD = $(CORE_TEST_LDADD)
TESTS += tests/message/test-outgoing.py
EXTRA_DIST += tests/message/test-outgoing.py tests/message/tap.py

check_PROGRAMS += tests/message/report
tests_message_report_SOURCES = tests/message/report.c
tests_message_report_CPPFLAGS = $(CORE_CPPFLAGS)
tests_message_report_LDADD = $(CORE_TEST_LDADD)
TESTS += tests/message/test-dsn.py
EXTRA_DIST += tests/message/test-dsn.py
