/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `relaisctl dkim test`: are the keys of a domain published as they must be? `relaisctl dkim verify`: what
 * would be said of a message, and what did the DNS say? Both in the daemon, with its resolver, on its loop.
 */
#include "verify.h"

#include <glib/gi18n-lib.h>
#include <string.h>

/* --- dkim test: one key ------------------------------------------------------------------------------ */

typedef struct Test Test;

typedef struct {
    Test *test;
    char *selector, *section; /* section: of the key that is ours; NULL if none is */
    EVP_PKEY *pkey;
    bool ed25519;
    DkimAnswer *answer;
} TestedKey;

struct Test {
    RelaisCommandCall *call;
    char *domain;
    GPtrArray *keys; /* TestedKey */
    guint n_open, n_bad;
};

static void
tested_key_free (gpointer data)
{
    TestedKey *key = data;

    g_free (key->selector);
    g_free (key->section);
    EVP_PKEY_free (key->pkey);
    dkim_answer_free (key->answer);
    g_free (key);
}

static void
test_free (Test *test)
{
    g_ptr_array_unref (test->keys);
    g_free (test->domain);
    g_free (test);
}

static void
add_key (Test *test, const char *selector, const DkimKey *ours)
{
    TestedKey *key = g_new0 (TestedKey, 1);

    key->test = test;
    key->selector = g_ascii_strdown (selector, -1);
    key->answer = dkim_answer_new (g_strconcat (key->selector, "._domainkey.", test->domain, NULL));
    if (ours != NULL) {
        key->section = g_strdup (ours->name);
        key->ed25519 = ours->ed25519;
        EVP_PKEY_up_ref (ours->pkey);
        key->pkey = ours->pkey;
    }
    g_ptr_array_add (test->keys, key);
}

/* What the records at a selector come to: the first that is ours, else the first that is a key. */
typedef struct {
    const char *problem; /* NULL: there is a key */
    bool ours, ed25519, testing;
    guint bits;
} Found;

static Found
look_at_records (const TestedKey *key)
{
    Found found = {.problem =
                       key->answer->reason != NULL ? key->answer->reason : "there is no key"};

    for (guint i = 0; i < key->answer->records->len && !found.ours; i++) {
        GBytes *bytes = g_ptr_array_index (key->answer->records, i);
        DkimRecord record;
        const char *problem =
            dkim_record_parse (&record, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
        bool ours =
            problem == NULL && key->pkey != NULL && EVP_PKEY_eq (key->pkey, record.pkey) == 1;

        if (i == 0 || ours || (problem == NULL && found.problem != NULL))
            found = (Found){problem, ours, record.ed25519, record.testing, record.bits};
        dkim_record_clear (&record);
    }
    return found;
}

static const char *
state_of (const TestedKey *key, const Found *found)
{
    if (key->answer->temporary)
        return "unknown";
    if (found->problem != NULL)
        return key->answer->records->len > 0 ? "unusable" : "missing";
    if (key->pkey == NULL)
        return "published";
    if (!found->ours)
        return "different";
    if (!found->ed25519 && found->bits < DKIM_VERIFY_LEAST_BITS)
        return "weak";
    return key->answer->n_records > 1 ? "ambiguous" : "good";
}

static bool
state_is_good (const char *state)
{
    return g_str_equal (state, "good") || g_str_equal (state, "published");
}

static const char *
reason_of (const Found *found, const char *state)
{
    if (found->problem != NULL)
        return found->problem;
    if (g_str_equal (state, "different"))
        return "the record is of another key than ours";
    if (g_str_equal (state, "ambiguous"))
        return "there are several records at this name";
    if (g_str_equal (state, "weak"))
        return "the key has fewer than 1024 bits";
    return found->testing ? "the key is marked as a test (t=y)" : NULL;
}

static char *
wanted_record (const TestedKey *key)
{
    g_autofree char *p = key->pkey != NULL ? dkim_public_text (key->pkey, key->ed25519) : NULL;

    return p != NULL ? g_strdup_printf ("v=DKIM1; k=%s; p=%s", key->ed25519 ? "ed25519" : "rsa", p)
                     : NULL;
}

static void
put_key (Test *test, const TestedKey *key)
{
    RelaisCommandCall *call = test->call;
    Found found = look_at_records (key);
    const char *state = state_of (key, &found);
    g_autofree char *wanted = wanted_record (key);

    relais_command_put (call, "selector", key->selector);
    relais_command_put (call, "key", key->section);
    relais_command_put (call, "state", state);
    relais_command_put (call, "type", found.bits == 0 ? NULL : found.ed25519 ? "ed25519" : "rsa");
    relais_command_put_int (call, "bits", found.bits);
    relais_command_put_bool (call, "dnssec", key->answer->secure);
    relais_command_put_int (call, "ttl", key->answer->ttl);
    relais_command_put (call, "name", key->answer->name);
    relais_command_put (call, "reason", reason_of (&found, state));
    relais_command_put (call, "publish", state_is_good (state) ? NULL : wanted);
    relais_command_end_row (call);
    if (state_is_good (state))
        return;
    test->n_bad++;
    if (wanted != NULL && !key->answer->temporary) {
        g_autofree char *note =
            g_strdup_printf (_ ("Publish at %s as TXT:\n%s"), key->answer->name, wanted);

        relais_command_note (call, note);
    }
}

static void
end_test (Test *test)
{
    for (guint i = 0; i < test->keys->len; i++)
        put_key (test, g_ptr_array_index (test->keys, i));
    if (test->n_bad == 0) {
        relais_command_finish (test->call);
    } else {
        g_autofree char *text = g_strdup_printf (
            _ ("%u of %u keys are not published as they should be"), test->n_bad, test->keys->len);

        relais_command_fail (test->call, RELAIS_EXIT_REFUSED, text);
    }
    test_free (test);
}

static void
take_key (const RelaisDnsAnswer *found, gpointer data)
{
    TestedKey *key = data;

    dkim_answer_take (key->answer, found);
    if (--key->test->n_open == 0)
        end_test (key->test);
}

/* --- dkim test: the command ---------------------------------------------------------------------------- */

static void
choose_keys (Test *test, const DkimConfig *config, const char *selector)
{
    const GPtrArray *same = g_hash_table_lookup (config->by_domain, test->domain);

    for (guint i = 0; same != NULL && i < same->len; i++) {
        const DkimKey *key = g_ptr_array_index (same, i);

        if (selector == NULL || g_ascii_strcasecmp (key->selector, selector) == 0)
            add_key (test, key->selector, key);
    }
    if (test->keys->len == 0 && selector != NULL)
        add_key (test, selector, NULL);
}

void
dkim_command_test (RelaisCommandCall *call, gpointer data)
{
    RelaisModule *module = data;
    const char *selector = relais_command_option (call, "selector");
    Test *test;

    if (relais_command_n_args (call) != 1 || !dkim_domain_is_good (relais_command_arg (call, 0)) ||
        (selector != NULL && !dkim_selector_is_good (selector))) {
        relais_command_fail (
            call, RELAIS_EXIT_USAGE,
            _ ("wanted one DOMAIN, in ASCII (A-labels), and at most a --selector"));
        return;
    }
    test = g_new0 (Test, 1);
    test->call = call;
    test->domain = g_ascii_strdown (relais_command_arg (call, 0), -1);
    test->keys = g_ptr_array_new_with_free_func (tested_key_free);
    choose_keys (test, relais_module_get_config (module), selector);
    if (test->keys->len == 0) {
        relais_command_fail (call, RELAIS_EXIT_REFUSED,
                             _ ("no [dkim-key] is of this domain; name a --selector to look at "
                                "someone else's"));
        test_free (test);
        return;
    }
    test->n_open = test->keys->len;
    for (guint i = 0; i < test->keys->len; i++) {
        TestedKey *key = g_ptr_array_index (test->keys, i);

        relais_lookup (module, key->answer->name, RELAIS_DNS_TXT, take_key, key);
    }
}

/* --- dkim verify ------------------------------------------------------------------------------------- */

static gint64
read_bytes (gpointer data, guint64 offset, gpointer buffer, guint64 size, GError **error)
{
    gsize all;
    const guint8 *bytes = g_bytes_get_data (data, &all);

    if (offset >= all)
        return 0;
    size = MIN (size, all - offset);
    memcpy (buffer, bytes + offset, (gsize)size);
    return (gint64)size;
}

/* Files have the line ends of their system: where none is CRLF, all become that. */
static GBytes *
with_crlf (GBytes *file)
{
    gsize size;
    const guint8 *bytes = g_bytes_get_data (file, &size);
    GByteArray *out;

    for (gsize i = 1; i < size; i++)
        if (bytes[i] == '\n' && bytes[i - 1] == '\r')
            return g_bytes_ref (file);
    out = g_byte_array_sized_new ((guint)size);
    for (gsize i = 0; i < size; i++) {
        if (bytes[i] == '\n')
            g_byte_array_append (out, (const guint8 *)"\r", 1);
        g_byte_array_append (out, bytes + i, 1);
    }
    return g_byte_array_free_to_bytes (out);
}

static void
put_verdict (RelaisCommandCall *call, const DkimVerdict *verdict)
{
    const DkimSignature *signature = &verdict->signature;

    relais_command_put_int (call, "signature", verdict->number);
    relais_command_put (call, "result", verdict->result);
    relais_command_put (call, "domain", signature->domain);
    relais_command_put (call, "selector", signature->selector);
    relais_command_put (call, "identity", signature->identity);
    relais_command_put (call, "algorithm", signature->algorithm_name);
    relais_command_put_int (call, "bits", verdict->bits);
    relais_command_put (call, "b", signature->b);
    relais_command_put (call, "reason", verdict->reason);
    relais_command_end_row (call);
}

static void
put_answer (RelaisCommandCall *call, const DkimAnswer *answer)
{
    for (guint i = 0; i == 0 || i < answer->records->len; i++) {
        GBytes *bytes = i < answer->records->len ? g_ptr_array_index (answer->records, i) : NULL;
        g_autofree char *text = bytes != NULL ? g_utf8_make_valid (g_bytes_get_data (bytes, NULL),
                                                                   (gssize)g_bytes_get_size (bytes))
                                              : NULL;

        relais_command_put (call, "lookup", answer->name);
        relais_command_put (call, "type", "TXT");
        relais_command_put_bool (call, "dnssec", answer->secure);
        relais_command_put_int (call, "ttl", answer->ttl);
        relais_command_put (call, "answer", text != NULL ? text : answer->reason);
        relais_command_end_row (call);
    }
}

static void
verified (DkimScan *scan, const GPtrArray *answers, gpointer data)
{
    RelaisCommandCall *call = data;
    bool any_pass = false;

    for (guint i = 0; i < scan->verdicts->len; i++) {
        const DkimVerdict *verdict = g_ptr_array_index (scan->verdicts, i);

        any_pass |= g_str_equal (verdict->result, "pass");
        put_verdict (call, verdict);
    }
    for (guint i = 0; i < answers->len; i++)
        put_answer (call, g_ptr_array_index (answers, i));
    if (scan->n_ignored > 0) {
        g_autofree char *note =
            g_strdup_printf (_ ("%u signatures more were not looked at."), scan->n_ignored);

        relais_command_note (call, note);
    }
    if (any_pass)
        relais_command_finish (call);
    else if (scan->failure != NULL)
        relais_command_fail (call, RELAIS_EXIT_REFUSED, scan->failure);
    else
        relais_command_fail (call, RELAIS_EXIT_REFUSED,
                             scan->verdicts->len > 0 ? _ ("no signature passes")
                                                     : _ ("the message is not signed"));
}

void
dkim_command_verify (RelaisCommandCall *call, gpointer data)
{
    DkimModule *dkim = relais_module_get_data (data);
    const DkimConfig *config = relais_module_get_config (data);
    GBytes *file = relais_command_file (call, "");

    if (file == NULL || relais_command_n_args (call) != 1)
        relais_command_fail (call, RELAIS_EXIT_USAGE, _ ("wanted one FILE"));
    else
        dkim_check_start (dkim->checks, read_bytes, with_crlf (file), (GDestroyNotify)g_bytes_unref,
                          config->verify_timeout_us, verified, call);
}
