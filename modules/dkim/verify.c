/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * libopendkim as verifier (RFC 6376 section 6): one handle a signature and key record, fed with the fields
 * that the signature names, and with the body for those whose header is good. Worker threads; the
 * library's own handle is shared by all of them, a message's handles are not.
 *
 * What it gets is chosen so that its weak sides stay out of reach: it never asks DNS, it reads no record
 * but one that was written here, no signature that was not understood here first, no field with octets that
 * it would pass over; and one field more than a signature can name, for it writes behind its list of fields
 * when all are named.
 */
#include "verify.h"

#include <opendkim/dkim.h>
#include <openssl/err.h>
#include <string.h>

enum { READ_BYTES = 64 * 1024, HEADER_BYTES = 32 * 1024 * 1024 };

struct DkimVerifier {
    DKIM_LIB *library;
};

typedef struct {
    const char *bytes;
    gsize size; /* without the final CRLF */
    const char *name;
    gsize name_size;
    guint64 offset;
    bool taken;
} Field;

/* A signature with one of its keys. */
typedef struct {
    DKIM *handle;
    DKIM_SIGINFO *info;
    DkimVerdict *verdict;
    char *record;
    bool failed;         /* the body could not be fed */
    DkimBody *counter;   /* with l=: counts the body's canonical octets */
    guint64 body_octets; /* what it counted */
} Attempt;

/* --- The library ---------------------------------------------------------------------------------- */

static DKIM_CBSTAT
find_key (DKIM *handle, DKIM_SIGINFO *info, u_char *buffer, size_t size)
{
    const Attempt *attempt = dkim_get_user_context (handle);

    if (attempt == NULL || attempt->record == NULL)
        return DKIM_CBSTAT_TRYAGAIN;
    return g_strlcpy ((char *)buffer, attempt->record, size) < size ? DKIM_CBSTAT_CONTINUE
                                                                    : DKIM_CBSTAT_ERROR;
}

/* The first is the one in question; others are there because it signs them. */
static DKIM_CBSTAT
choose_signature (DKIM *handle, DKIM_SIGINFO **infos, int n)
{
    for (int i = 1; i < n; i++)
        dkim_sig_ignore (infos[i]);
    return DKIM_CBSTAT_CONTINUE;
}

DkimVerifier *
dkim_verifier_new (void)
{
    DkimVerifier *verifier;
    DKIM_LIB *library = dkim_init (NULL, NULL);
    unsigned int flags = DKIM_LIBFLAGS_STRICTHDRS;
    unsigned int bits = DKIM_VERIFY_LEAST_BITS;

    if (library == NULL)
        return NULL;
    if (dkim_options (library, DKIM_OP_SETOPT, DKIM_OPTS_FLAGS, &flags, sizeof flags) !=
            DKIM_STAT_OK ||
        dkim_options (library, DKIM_OP_SETOPT, DKIM_OPTS_MINKEYBITS, &bits, sizeof bits) !=
            DKIM_STAT_OK ||
        dkim_set_key_lookup (library, find_key) != DKIM_STAT_OK ||
        dkim_set_prescreen (library, choose_signature) != DKIM_STAT_OK) {
        dkim_close (library);
        return NULL;
    }
    verifier = g_new0 (DkimVerifier, 1);
    verifier->library = library;
    return verifier;
}

void
dkim_verifier_free (DkimVerifier *verifier)
{
    if (verifier == NULL)
        return;
    dkim_close (verifier->library);
    g_free (verifier);
}

/* --- The header ------------------------------------------------------------------------------------ */

/* Where the empty line ends, from `from` on; 0 if it is not there. */
static guint
find_end (const GByteArray *header, guint from)
{
    for (guint i = from; i + 4 <= header->len; i++)
        if (memcmp (header->data + i, "\r\n\r\n", 4) == 0)
            return i + 4;
    return header->len >= 2 && memcmp (header->data, "\r\n", 2) == 0 ? 2 : 0;
}

GByteArray *
dkim_read_header (const DkimSource *source, GError **error)
{
    g_autoptr (GByteArray) header = g_byte_array_new ();

    while (header->len < HEADER_BYTES) {
        guint old = header->len, end;
        gint64 n;

        g_byte_array_set_size (header, old + READ_BYTES);
        n = source->read (source->data, old, header->data + old, READ_BYTES, error);
        if (n < 0)
            return NULL;
        g_byte_array_set_size (header, old + (guint)n);
        end = find_end (header, old >= 3 ? old - 3 : 0);
        if (end > 0)
            g_byte_array_set_size (header, end);
        if (end > 0 || n == 0)
            return g_steal_pointer (&header);
    }
    g_set_error_literal (error, DKIM_ERROR, DKIM_ERROR_SIGN, "the header does not end");
    return NULL;
}

static GArray *
split_header (const GByteArray *header)
{
    GArray *fields = g_array_new (FALSE, FALSE, sizeof (Field));
    RelaisHeaderField found;
    guint64 position = 0;

    while (relais_header_next_field (header->data, header->len, &position, &found)) {
        Field field = {.bytes = (const char *)header->data + found.offset,
                       .size = (gsize)found.size,
                       .name = found.name,
                       .name_size = (gsize)found.name_size,
                       .offset = found.offset};

        if (field.size >= 2 && memcmp (field.bytes + field.size - 2, "\r\n", 2) == 0)
            field.size -= 2;
        if (field.name_size > 0 && field.size > 0)
            g_array_append_val (fields, field);
    }
    return fields;
}

static bool
is_named (const Field *field, const char *name, gsize size)
{
    return field->name_size == size && g_ascii_strncasecmp (field->name, name, size) == 0;
}

/* Each mention of a name takes the lowest field that is left (RFC 6376 section 5.4.2). */
static void
take_fields (GArray *fields, const DkimVerdict *verdict)
{
    for (guint i = 0; i < fields->len; i++)
        g_array_index (fields, Field, i).taken = false;
    for (char **name = verdict->signature.names; *name != NULL; name++) {
        gsize size = strlen (*name);

        for (guint i = fields->len; i > 0; i--) {
            Field *field = &g_array_index (fields, Field, i - 1);

            if (field->taken || field->offset == verdict->offset || !is_named (field, *name, size))
                continue;
            field->taken = true;
            break;
        }
    }
}

/* Octets that libopendkim would pass over or take for blanks, and line ends that are none. */
static bool
is_odd (const Field *field)
{
    for (gsize i = 0; i < field->size; i++) {
        char c = field->bytes[i];

        if (c == '\r') {
            if (i + 1 == field->size || field->bytes[++i] != '\n')
                return true;
        } else if (c == '\0' || c == '\n' || c == '\v' || c == '\f') {
            return true;
        }
    }
    return false;
}

/* What libopendkim reads of a signature, even if it is there for another's sake. */
static bool
is_signature (const Field *field)
{
    DkimSignature signature;
    bool good = dkim_signature_parse (&signature, field->name + field->name_size + 1,
                                      field->size - field->name_size - 1) == NULL;

    dkim_signature_clear (&signature);
    return good;
}

static bool
give_field (DKIM *handle, const Field *field)
{
    return dkim_header (handle, (u_char *)field->bytes, field->size) == DKIM_STAT_OK;
}

/* Date stands there for libopendkim's sake, signed or not. NULL, or what is wrong. */
static const char *
give_header (DKIM *handle, const GArray *fields, const DkimVerdict *verdict)
{
    static const u_char beyond[] = "relais beyond: h=";

    for (guint i = 0; i < fields->len; i++) {
        const Field *field = &g_array_index (fields, Field, i);

        if (field->offset == verdict->offset && (is_odd (field) || !give_field (handle, field)))
            return "libopendkim does not understand the signature";
    }
    for (guint i = 0; i < fields->len; i++) {
        const Field *field = &g_array_index (fields, Field, i);

        if (field->offset == verdict->offset || (!field->taken && !is_named (field, "Date", 4)))
            continue;
        if (is_odd (field))
            return "a signed field has octets that must not stand in a header";
        if (is_named (field, "DKIM-Signature", 14) && !is_signature (field))
            return "it signs a signature that is none";
        if (!give_field (handle, field))
            return "libopendkim does not understand a signed field";
    }
    dkim_header (handle, (u_char *)beyond, sizeof beyond - 1);
    return NULL;
}

/* --- One signature --------------------------------------------------------------------------------- */

static void
attempt_clear (Attempt *attempt)
{
    if (attempt->handle != NULL)
        dkim_free (attempt->handle);
    g_free (attempt->record);
    g_free (attempt->counter);
    memset (attempt, 0, sizeof *attempt);
}

static void
settle_testing (DkimVerdict *verdict, const char *result, const char *reason)
{
    g_autofree char *both = NULL;

    if (verdict->testing)
        both = g_strconcat (reason != NULL ? reason : "", reason != NULL ? "; " : "",
                            "the key is marked as a test", NULL);
    dkim_verdict_settle (verdict, result, both != NULL ? both : reason);
}

/* NULL, or why the record is no key for the signature; `result` says what that makes of it. */
static const char *
check_record (const DkimSignature *signature, const DkimRecord *record, const char **result)
{
    *result = "permerror";
    if (record->ed25519 != (signature->algorithm == DKIM_ED25519_SHA256))
        return "the key is of another type than the signature";
    if (record->strict && signature->of_subdomain)
        return "i= is of a subdomain, for which the key is not";
    *result = "policy";
    if (!record->ed25519 && record->bits < DKIM_VERIFY_LEAST_BITS)
        return "the key has fewer than 1024 bits";
    if (!record->ed25519 && record->bits > DKIM_VERIFY_MOST_BITS)
        return "the key has more than 4096 bits";
    return NULL;
}

/* Whether the header is signed with this key; else `result` and `reason` say what there is instead. */
static bool
try_key (DkimVerifier *verifier, const GArray *fields, Attempt *attempt, const DkimRecord *record,
         const char **result, const char **reason)
{
    DKIM_SIGINFO **infos = NULL;
    DKIM_STAT status;
    int n = 0, error;

    attempt->record = g_strdup_printf ("v=DKIM1; k=%s; p=%s", record->ed25519 ? "ed25519" : "rsa",
                                       record->public_64);
    attempt->handle = dkim_verify (verifier->library, (const u_char *)"relais", NULL, &status);
    *result = "temperror";
    *reason = "libopendkim has no memory";
    if (attempt->handle == NULL || dkim_set_user_context (attempt->handle, attempt) != DKIM_STAT_OK)
        return false;
    *result = "permerror";
    *reason = give_header (attempt->handle, fields, attempt->verdict);
    if (*reason != NULL)
        return false;
    status = dkim_eoh (attempt->handle);
    *reason = status == DKIM_STAT_SYNTAX ? "From cannot be understood" : dkim_getresultstr (status);
    if (status != DKIM_STAT_OK || dkim_getsiglist (attempt->handle, &infos, &n) != DKIM_STAT_OK ||
        n < 1)
        return false;
    attempt->info = infos[0];
    error = dkim_sig_geterror (attempt->info);
    if ((dkim_sig_getflags (attempt->info) & DKIM_SIGFLAG_PASSED) != 0 &&
        (error == DKIM_SIGERROR_OK || error == DKIM_SIGERROR_UNKNOWN))
        return true;
    *result = error == DKIM_SIGERROR_BADSIG ? "fail" : "permerror";
    *reason = error == DKIM_SIGERROR_BADSIG ? "the signature does not fit the header"
                                            : dkim_sig_geterrorstr (error);
    return false;
}

static void
count_body (gpointer data, const guint8 *bytes, gsize size)
{
    ((Attempt *)data)->body_octets += size;
}

/* Goes through the records until one fits. True if the body is to be looked at. */
static bool
try_records (DkimVerifier *verifier, const GArray *fields, Attempt *attempt)
{
    DkimVerdict *verdict = attempt->verdict;
    const GPtrArray *records = verdict->answer->records;
    const char *result = "permerror", *reason = "there is no key";
    bool good = false, tried = false;

    for (guint i = 0; !good && i < records->len; i++) {
        GBytes *bytes = g_ptr_array_index (records, i);
        const char *this_result = "permerror", *problem;
        DkimRecord record;

        problem =
            dkim_record_parse (&record, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
        if (problem == NULL)
            problem = check_record (&verdict->signature, &record, &this_result);
        if (record.bits > 0)
            verdict->bits = record.bits;
        if (problem == NULL) {
            attempt_clear (attempt);
            attempt->verdict = verdict;
            verdict->testing = record.testing;
            good = try_key (verifier, fields, attempt, &record, &result, &reason);
            tried = true;
        } else if (!tried) {
            result = this_result;
            reason = problem;
        }
        dkim_record_clear (&record);
    }
    if (!good) {
        settle_testing (verdict, result, reason);
        attempt_clear (attempt);
    } else if (verdict->signature.has_length) {
        attempt->counter = g_new (DkimBody, 1);
    }
    return good;
}

/* --- The body -------------------------------------------------------------------------------------- */

/* Looks for CR and LF that are no line end. `*last` is the octet before. */
static bool
has_bare_line_end (const guint8 *bytes, gsize size, guint8 *last)
{
    const guint8 *end = bytes + size, *at = bytes;

    if (size == 0)
        return false;
    if ((*last == '\r') != (bytes[0] == '\n'))
        return true;
    while ((at = memchr (at, '\r', (gsize)(end - at))) != NULL) {
        at++;
        if (at == end)
            break;
        if (*at != '\n')
            return true;
    }
    for (at = bytes + 1; at < end && (at = memchr (at, '\n', (gsize)(end - at))) != NULL; at++)
        if (at[-1] != '\r')
            return true;
    *last = end[-1];
    return false;
}

static void
give_body (GArray *attempts, const guint8 *bytes, gsize size)
{
    for (guint i = 0; i < attempts->len; i++) {
        Attempt *attempt = &g_array_index (attempts, Attempt, i);

        if (dkim_body (attempt->handle, (u_char *)bytes, size) != DKIM_STAT_OK)
            attempt->failed = true;
        if (attempt->counter != NULL)
            dkim_body_feed (attempt->counter, bytes, size);
    }
}

static bool
shall_stop (const DkimSource *source)
{
    return g_atomic_int_get (source->stopped) != 0;
}

typedef struct {
    const char *result, *reason;
} Trouble;

/* A CR at the end of a piece waits for the next: libopendkim is never given half a line end. */
static bool
read_body (const DkimSource *source, guint64 offset, GArray *attempts, Trouble *trouble)
{
    g_autofree guint8 *buffer = g_malloc (READ_BYTES);
    guint8 last = 0;
    bool any = false;
    gint64 n;

    while ((n = source->read (source->data, offset, buffer, READ_BYTES, NULL)) > 0) {
        gsize size = (gsize)n;

        if (size > 1 && buffer[size - 1] == '\r')
            size--;
        if (has_bare_line_end (buffer, size, &last)) {
            *trouble = (Trouble){"permerror", "the body has a CR or LF that is no line end"};
            return false;
        }
        give_body (attempts, buffer, size);
        offset += size;
        any = true;
        if (shall_stop (source)) {
            *trouble = (Trouble){"temperror", "it took too long"};
            return false;
        }
    }
    if (n < 0) {
        *trouble = (Trouble){"temperror", "the message could not be read"};
        return false;
    }
    if (any && last == '\r') {
        *trouble = (Trouble){"permerror", "the body has a CR or LF that is no line end"};
        return false;
    }
    if (any && last != '\n') /* RFC 6376 section 3.4.3 and 3.4.4: a line end is added */
        give_body (attempts, (const guint8 *)"\r\n", 2);
    return true;
}

static void
settle_body (Attempt *attempt)
{
    DkimVerdict *verdict = attempt->verdict;
    const DkimSignature *signature = &verdict->signature;
    int error;

    (void)dkim_eom (attempt->handle, NULL); /* its answer is about one signature of many */
    error = dkim_sig_geterror (attempt->info);
    if (attempt->counter != NULL)
        dkim_body_end (attempt->counter);
    if (attempt->failed)
        dkim_verdict_settle (verdict, "temperror", "libopendkim could not take the body");
    else if (dkim_sig_getbh (attempt->info) == DKIM_SIGBH_MISMATCH)
        settle_testing (verdict, "fail", "the body is not the one that was signed");
    else if (error != DKIM_SIGERROR_OK)
        settle_testing (verdict, error == DKIM_SIGERROR_BADSIG ? "fail" : "permerror",
                        dkim_sig_geterrorstr (error));
    else if ((dkim_sig_getflags (attempt->info) & DKIM_SIGFLAG_PASSED) == 0 ||
             dkim_sig_getbh (attempt->info) != DKIM_SIGBH_MATCH)
        settle_testing (verdict, "fail", "the signature does not fit");
    else if (signature->has_length && signature->length < attempt->body_octets)
        settle_testing (verdict, "policy", "l= leaves a part of the body unsigned");
    else
        settle_testing (verdict, "pass", NULL);
}

/* --- The message ----------------------------------------------------------------------------------- */

/* Settles what is clear from the answer alone; true if keys are to be tried. */
static bool
has_records (DkimVerdict *verdict)
{
    const DkimAnswer *answer = verdict->answer;

    if (answer == NULL || !answer->answered || answer->temporary)
        dkim_verdict_settle (verdict, "temperror",
                             answer != NULL && answer->reason != NULL
                                 ? answer->reason
                                 : "the key was not looked up");
    else if (answer->records->len == 0)
        dkim_verdict_settle (verdict, "permerror",
                             answer->reason != NULL ? answer->reason : "there is no key");
    return verdict->result == NULL;
}

/* The attempts stay where they are once libopendkim has their address. */
static GArray *
try_all (DkimVerifier *verifier, const DkimSource *source, const GByteArray *header, DkimScan *scan)
{
    g_autoptr (GArray) fields = split_header (header);
    GArray *attempts = g_array_sized_new (FALSE, TRUE, sizeof (Attempt), DKIM_SIGNATURES);

    for (guint i = 0; i < scan->verdicts->len; i++) {
        DkimVerdict *verdict = g_ptr_array_index (scan->verdicts, i);
        Attempt *attempt;

        if (verdict->result != NULL)
            continue;
        if (shall_stop (source)) {
            dkim_verdict_settle (verdict, "temperror", "it took too long");
            continue;
        }
        if (!has_records (verdict))
            continue;
        g_array_set_size (attempts, attempts->len + 1);
        attempt = &g_array_index (attempts, Attempt, attempts->len - 1);
        attempt->verdict = verdict;
        take_fields (fields, verdict);
        if (!try_records (verifier, fields, attempt))
            g_array_set_size (attempts, attempts->len - 1);
        else if (attempt->counter != NULL)
            dkim_body_init (attempt->counter, verdict->signature.body, count_body, attempt);
    }
    return attempts;
}

static void
settle_rest (DkimScan *scan, const Trouble *trouble)
{
    for (guint i = 0; i < scan->verdicts->len; i++) {
        DkimVerdict *verdict = g_ptr_array_index (scan->verdicts, i);

        if (verdict->result == NULL)
            dkim_verdict_settle (verdict, trouble->result, trouble->reason);
    }
}

void
dkim_verifier_run (DkimVerifier *verifier, const DkimSource *source, DkimScan *scan)
{
    Trouble trouble = {"temperror", "the message could not be read"};
    g_autoptr (GByteArray) header = dkim_read_header (source, NULL);
    g_autoptr (GArray) attempts = header != NULL ? try_all (verifier, source, header, scan) : NULL;

    if (attempts != NULL && attempts->len > 0 &&
        read_body (source, header->len, attempts, &trouble))
        for (guint i = 0; i < attempts->len; i++)
            settle_body (&g_array_index (attempts, Attempt, i));
    settle_rest (scan, &trouble);
    for (guint i = 0; attempts != NULL && i < attempts->len; i++)
        attempt_clear (&g_array_index (attempts, Attempt, i));
    ERR_clear_error ();
}
