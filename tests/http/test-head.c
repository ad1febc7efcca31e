/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/http/head.c: what is taken and what is refused, the same at every split of the octets; limits at
 * their boundaries. That a refusal closes the connection and that no handler runs is test-smuggle's.
 */
#include "config.h"

#include "cases.h"
#include "http/head-private.h"

#include <string.h>

enum { LIMIT = 4096 };

static RelaisHttpHeadResult
parse_in_pieces (RelaisHttpHead *head, const char *bytes, gsize size, gsize piece)
{
    RelaisHttpHeadResult result = RELAIS_HTTP_HEAD_MORE;
    gsize shown = 0;

    relais_http_head_init (head, LIMIT);
    while (result == RELAIS_HTTP_HEAD_MORE && shown < size) {
        g_autofree guint8 *exact = NULL;

        shown = MIN (size, shown + piece);
        exact = g_memdup2 (bytes, shown);
        result = relais_http_head_parse (head, exact, shown);
    }
    return result;
}

static void
assert_same (const RelaisHttpHead *a, const RelaisHttpHead *b)
{
    g_assert_cmpuint (a->status, ==, b->status);
    g_assert_cmpuint (a->size, ==, b->size);
    g_assert_cmpuint (a->n_fields, ==, b->n_fields);
    g_assert_cmpuint (a->content_length, ==, b->content_length);
    g_assert_cmpmem (a, offsetof (RelaisHttpHead, fields), b, offsetof (RelaisHttpHead, fields));
}

static void
check_splits (const char *bytes, gsize size, const RelaisHttpHead *whole)
{
    g_autofree RelaisHttpHead *head = g_new (RelaisHttpHead, 1);

    for (gsize cut = 1; cut < size; cut++) {
        RelaisHttpHeadResult result;

        relais_http_head_init (head, LIMIT);
        result = relais_http_head_parse (head, (const guint8 *)bytes, cut);
        if (result != RELAIS_HTTP_HEAD_BAD)
            result = relais_http_head_parse (head, (const guint8 *)bytes, size);
        assert_same (whole, head);
    }
    parse_in_pieces (head, bytes, size, 1);
    assert_same (whole, head);
}

static void
test_refused (void)
{
    for (guint i = 0; i < n_bad_cases; i++) {
        const BadCase *bad = &bad_cases[i];
        const gsize size = bad->size > 0 ? bad->size : strlen (bad->bytes);
        g_autofree RelaisHttpHead *head = g_new (RelaisHttpHead, 1);

        g_test_message ("%s", bad->name);
        g_assert_cmpint (parse_in_pieces (head, bad->bytes, size, size), ==, RELAIS_HTTP_HEAD_BAD);
        g_assert_cmpuint (head->status, ==, bad->status);
        g_assert_nonnull (head->text);
        check_splits (bad->bytes, size, head);
    }
}

static void
test_taken (void)
{
    for (guint i = 0; i < n_good_cases; i++) {
        const char *bytes = good_cases[i];
        const gsize head_size = (gsize)(strstr (bytes, "\r\n\r\n") - bytes) + 4;
        g_autofree RelaisHttpHead *head = g_new (RelaisHttpHead, 1);

        g_test_message ("%s", bytes);
        g_assert_cmpint (parse_in_pieces (head, bytes, strlen (bytes), strlen (bytes)), ==,
                         RELAIS_HTTP_HEAD_WHOLE);
        g_assert_cmpuint (head->size, ==, head_size);
        check_splits (bytes, head_size, head);
        for (gsize n = 0; n < head_size; n++) {
            relais_http_head_init (head, LIMIT);
            g_assert_cmpint (relais_http_head_parse (head, (const guint8 *)bytes, n), ==,
                             RELAIS_HTTP_HEAD_MORE);
        }
    }
}

static void
assert_span (const char *bytes, RelaisHttpSpan span, const char *expected)
{
    g_autofree char *found = g_strndup (bytes + span.at, span.size);

    g_assert_cmpstr (found, ==, expected);
}

static void
test_parts (void)
{
    static const char bytes[] = "POST /u/x%20y?a=b?c HTTP/1.1\r\nhOST: Track.Example:8080\r\n"
                                "X-Empty:\r\nX-Blank: \t \r\nContent-Length:\t12 \r\n"
                                "Connection: upgrade ,CLOSE\r\nExpect: 100-Continue\r\n\r\n";
    g_autofree RelaisHttpHead *head = g_new (RelaisHttpHead, 1);

    g_assert_cmpint (parse_in_pieces (head, bytes, strlen (bytes), 7), ==, RELAIS_HTTP_HEAD_WHOLE);
    g_assert_cmpint (head->method, ==, RELAIS_HTTP_METHOD_POST);
    g_assert_cmpuint (head->minor, ==, 1);
    assert_span (bytes, head->path, "/u/x%20y");
    assert_span (bytes, head->query, "a=b?c");
    assert_span (bytes, head->host, "Track.Example");
    g_assert_cmpuint (head->content_length, ==, 12);
    g_assert_true (head->close && head->expects_continue && !head->keep_alive);
    g_assert_cmpuint (head->n_fields, ==, 6);
    assert_span (bytes, head->fields[1].name, "X-Empty");
    assert_span (bytes, head->fields[1].value, "");
    assert_span (bytes, head->fields[2].value, "");
    assert_span (bytes, head->fields[4].value, "upgrade ,CLOSE");
}

static guint
status_of (const char *format, ...)
{
    g_autofree RelaisHttpHead *head = g_new (RelaisHttpHead, 1);
    g_autofree char *bytes = NULL;
    va_list args;

    va_start (args, format);
    bytes = g_strdup_vprintf (format, args);
    va_end (args);
    parse_in_pieces (head, bytes, strlen (bytes), 100);
    return head->status;
}

static void
test_size_limits (void)
{
    g_autofree char *target = g_strnfill (LIMIT, 'a');
    const gsize rest = strlen ("GET / HTTP/1.1\r\nHost: x\r\nX: \r\n\r\n");
    g_autofree char *value = g_strnfill (LIMIT - rest, 'v');

    g_assert_cmpuint (status_of ("GET /%s HTTP/1.1\r\nHost: x\r\n\r\n", target), ==, 414);
    g_assert_cmpuint (status_of ("GET / HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n", value), ==, 0);
    g_assert_cmpuint (status_of ("GET / HTTP/1.1\r\nHost: x\r\nX: %sv\r\n\r\n", value), ==, 431);
    g_assert_cmpuint (status_of ("GET / HTTP/1.1\r\nHost: x\r\nX: %sv", value), ==, 0);
    g_assert_cmpuint (status_of ("GET / HTTP/1.1\r\nHost: x\r\nX: %svvvvv", value), ==, 431);
}

static void
test_field_limit (void)
{
    GString *fields = g_string_new (NULL);

    for (guint i = 0; i < RELAIS_HTTP_FIELDS - 1; i++)
        g_string_append (fields, "A: b\r\n");
    g_assert_cmpuint (status_of ("GET / HTTP/1.1\r\nHost: x\r\n%s\r\n", fields->str), ==, 0);
    g_assert_cmpuint (status_of ("GET / HTTP/1.1\r\nHost: x\r\nC: d\r\n%s\r\n", fields->str), ==,
                      431);
    g_string_free (fields, TRUE);
}

static void
test_length_limit (void)
{
    const char *request = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %s\r\n\r\n";

    g_assert_cmpuint (status_of (request, "999999999999999999"), ==, 0);
    g_assert_cmpuint (status_of (request, "1000000000000000000"), ==, 400);
    g_assert_cmpuint (status_of (request, "18446744073709551617"), ==, 400);
}

static void
test_host_limit (void)
{
    g_autofree char *name = g_strnfill (255, 'h');
    const char *request = "GET / HTTP/1.1\r\nHost: %s%s\r\n\r\n";

    g_assert_cmpuint (status_of (request, name, ":65535"), ==, 0);
    g_assert_cmpuint (status_of (request, name, ":65536"), ==, 400);
    g_assert_cmpuint (status_of (request, name, "h"), ==, 400);
}

/* Each octet is looked at a bounded number of times, however many calls bring them: counted by how far
 * the parser came. */
static void
test_resumes (void)
{
    static const char bytes[] = "GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: a\r\n\r\n";
    g_autofree RelaisHttpHead *head = g_new (RelaisHttpHead, 1);

    relais_http_head_init (head, LIMIT);
    for (gsize n = 1; n <= strlen (bytes); n++) {
        relais_http_head_parse (head, (const guint8 *)bytes, n);
        g_assert_cmpuint (head->scanned, ==, n);
    }
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/head/refused", test_refused);
    g_test_add_func ("/head/taken", test_taken);
    g_test_add_func ("/head/parts", test_parts);
    g_test_add_func ("/head/size-limits", test_size_limits);
    g_test_add_func ("/head/field-limit", test_field_limit);
    g_test_add_func ("/head/length-limit", test_length_limit);
    g_test_add_func ("/head/host-limit", test_host_limit);
    g_test_add_func ("/head/resumes", test_resumes);
    return g_test_run ();
}
