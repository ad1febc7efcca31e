/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Requests and replies as octets: numbers of 32 bits in the machine's order, texts with their size before them.
 * Both ends are on one machine and of one build; what is out of form is refused all the same, since the other
 * side may have gone mad. Pure; any thread.
 */
#include "wire.h"

#include <string.h>

typedef struct {
    const guint8 *at;
    gsize left;
    bool bad;
} Reader;

/* --- Answers ---------------------------------------------------------------------------------- */

static SpfWireAnswer *
answer_new (char *name, SpfDnsType type, SpfDnsOutcome outcome)
{
    SpfWireAnswer *answer = g_new (SpfWireAnswer, 1);

    *answer = (SpfWireAnswer){name, type, outcome,
                              g_ptr_array_new_with_free_func ((GDestroyNotify)g_bytes_unref)};
    return answer;
}

SpfWireAnswer *
spf_wire_answer_new (const char *name, SpfDnsType type, const SpfAnswer *from)
{
    SpfWireAnswer *answer = answer_new (g_strdup (name), type, from->outcome);
    const bool data = from->outcome == SPF_DNS_DATA && from->records != NULL;

    for (guint i = 0; data && i < MIN (from->records->len, SPF_WIRE_RECORDS); i++)
        g_ptr_array_add (answer->records, g_bytes_ref (g_ptr_array_index (from->records, i)));
    return answer;
}

void
spf_wire_answer_free (gpointer data)
{
    SpfWireAnswer *answer = data;

    g_free (answer->name);
    g_ptr_array_unref (answer->records);
    g_free (answer);
}

const SpfWireAnswer *
spf_wire_find (const GPtrArray *answers, const char *name, SpfDnsType type)
{
    for (guint i = 0; i < answers->len; i++) {
        const SpfWireAnswer *answer = g_ptr_array_index (answers, i);

        if (answer->type == type && g_ascii_strcasecmp (answer->name, name) == 0)
            return answer;
    }
    return NULL;
}

/* --- Writing ---------------------------------------------------------------------------------- */

static void
put_number (GByteArray *to, gsize value)
{
    const guint32 number = (guint32)value;

    g_byte_array_append (to, (const guint8 *)&number, sizeof number);
}

static void
put_text (GByteArray *to, gconstpointer bytes, gsize size)
{
    put_number (to, size);
    if (size > 0)
        g_byte_array_append (to, bytes, (guint)size);
}

static void
put_answers (GByteArray *to, const GPtrArray *answers)
{
    put_number (to, answers->len);
    for (guint i = 0; i < answers->len; i++) {
        const SpfWireAnswer *answer = g_ptr_array_index (answers, i);

        put_text (to, answer->name, strlen (answer->name));
        put_number (to, answer->type);
        put_number (to, answer->outcome);
        put_number (to, answer->records->len);
        for (guint n = 0; n < answer->records->len; n++) {
            gsize size;
            gconstpointer bytes = g_bytes_get_data (g_ptr_array_index (answer->records, n), &size);

            put_text (to, bytes, size);
        }
    }
}

GBytes *
spf_wire_pack_request (const SpfWireRequest *request)
{
    GByteArray *to = g_byte_array_new ();

    put_text (to, request->ip, strlen (request->ip));
    put_text (to, request->sender, strlen (request->sender));
    put_text (to, request->helo, strlen (request->helo));
    put_answers (to, request->answers);
    return g_byte_array_free_to_bytes (to);
}

GBytes *
spf_wire_pack_reply (const SpfWireReply *reply)
{
    const char *problem = reply->problem != NULL ? reply->problem : "";
    GByteArray *to = g_byte_array_new ();

    put_number (to, reply->result);
    put_text (to, problem, strlen (problem));
    put_answers (to, reply->questions);
    return g_byte_array_free_to_bytes (to);
}

/* --- Reading ---------------------------------------------------------------------------------- */

static guint32
take_number (Reader *reader, guint32 most)
{
    guint32 number = 0;

    if (reader->bad || reader->left < sizeof number) {
        reader->bad = true;
        return 0;
    }
    memcpy (&number, reader->at, sizeof number);
    reader->at += sizeof number;
    reader->left -= sizeof number;
    reader->bad = number > most;
    return reader->bad ? 0 : number;
}

static GBytes *
take_bytes (Reader *reader)
{
    const gsize size = take_number (reader, SPF_WIRE_TEXT);
    const guint8 *at = reader->at;

    if (reader->bad || size > reader->left) {
        reader->bad = true;
        return g_bytes_new (NULL, 0);
    }
    reader->at += size;
    reader->left -= size;
    return g_bytes_new (at, size);
}

/* Without NUL octets. */
static char *
take_text (Reader *reader)
{
    g_autoptr (GBytes) bytes = take_bytes (reader);
    gsize size;
    const char *text = g_bytes_get_data (bytes, &size);

    if (size > 0 && memchr (text, '\0', size) != NULL) {
        reader->bad = true;
        size = 0;
    }
    return size > 0 ? g_strndup (text, size) : g_strdup ("");
}

static GPtrArray *
take_answers (Reader *reader, guint32 most)
{
    GPtrArray *answers = g_ptr_array_new_with_free_func (spf_wire_answer_free);
    const guint32 n = take_number (reader, most);

    for (guint32 i = 0; i < n && !reader->bad; i++) {
        SpfWireAnswer *answer = answer_new (take_text (reader), 0, 0);
        guint32 records;

        g_ptr_array_add (answers, answer);
        answer->type = (SpfDnsType)take_number (reader, G_MAXUINT16);
        answer->outcome = (SpfDnsOutcome)take_number (reader, SPF_DNS_ERROR);
        records = take_number (reader, SPF_WIRE_RECORDS);
        for (guint32 k = 0; k < records && !reader->bad; k++)
            g_ptr_array_add (answer->records, take_bytes (reader));
    }
    return answers;
}

static Reader
reader_of (GBytes *bytes)
{
    Reader reader = {NULL, 0, false};

    reader.at = g_bytes_get_data (bytes, &reader.left);
    return reader;
}

bool
spf_wire_unpack_request (GBytes *bytes, SpfWireRequest *request)
{
    Reader reader = reader_of (bytes);

    request->ip = take_text (&reader);
    request->sender = take_text (&reader);
    request->helo = take_text (&reader);
    request->answers = take_answers (&reader, SPF_WIRE_ANSWERS);
    return !reader.bad && reader.left == 0;
}

bool
spf_wire_unpack_reply (GBytes *bytes, SpfWireReply *reply)
{
    Reader reader = reader_of (bytes);

    reply->result = (SpfResult)take_number (&reader, SPF_RESULTS - 1);
    reply->problem = take_text (&reader);
    reply->questions = take_answers (&reader, SPF_WIRE_QUESTIONS);
    if (reply->problem[0] == '\0')
        g_clear_pointer (&reply->problem, g_free);
    return !reader.bad && reader.left == 0;
}

void
spf_wire_request_clear (SpfWireRequest *request)
{
    g_free (request->ip);
    g_free (request->sender);
    g_free (request->helo);
    g_clear_pointer (&request->answers, g_ptr_array_unref);
}

void
spf_wire_reply_clear (SpfWireReply *reply)
{
    g_free (reply->problem);
    g_clear_pointer (&reply->questions, g_ptr_array_unref);
}
