/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Answers in wire form (RFC 1035 section 4) read with bounds on everything: sizes, names, pointers,
 * CNAMEs, records. Pure; what it cannot read is a temporary failure, never an absence.
 */
#include "config.h"

#include "dns/answer-private.h"

#include <string.h>

enum { TYPE_SOA = 6, CLASS_IN = 1, HEADER_SIZE = 12, MAX_POINTERS = 32 };
enum { FLAG_RESPONSE = 0x8000, FLAG_TRUNCATED = 0x0200, RCODE_MASK = 15, RCODE_NXDOMAIN = 3 };

typedef struct {
    const guint8 *packet;
    gsize size;
    gsize at;
} Reader;

typedef struct {
    RelaisDnsName owner;
    guint16 type;
    guint16 class;
    guint32 ttl;
    gsize data; /* place of the rdata in the packet */
    gsize data_size;
} Record;

/* --- Names ------------------------------------------------------------------------------------ */

/* The octet at `*text`, which may be written in decimal, as "\ddd"; goes past it. -1 if there is none. */
static int
take_octet (const char **text)
{
    const char *at = *text;
    int octet = 0;

    if (!g_ascii_isgraph (*at))
        return -1;
    if (*at != '\\') {
        *text = at + 1;
        return *at;
    }
    for (int i = 1; i <= 3; i++) {
        if (!g_ascii_isdigit (at[i]))
            return -1;
        octet = octet * 10 + at[i] - '0';
    }
    *text = at + 4;
    return octet <= 255 ? octet : -1;
}

bool
relais_dns_name_from_text (const char *text, RelaisDnsName *name)
{
    gsize at = 0;

    if (strcmp (text, ".") == 0)
        text = "";
    while (*text != '\0') {
        const gsize start = at++;

        while (*text != '\0' && *text != '.') {
            const int octet = take_octet (&text);

            if (octet < 0 || at - start > 63 || at + 1 >= DNS_MAX_NAME)
                return false;
            name->bytes[at++] = (guint8)g_ascii_tolower ((char)octet);
        }
        if (at - start == 1)
            return false;
        name->bytes[start] = (guint8)(at - start - 1);
        if (*text == '.')
            text++;
    }
    name->bytes[at++] = 0;
    name->size = at;
    return true;
}

char *
relais_dns_name_to_text (const RelaisDnsName *name)
{
    g_autoptr (GString) text = g_string_sized_new (name->size);

    for (gsize at = 0; name->bytes[at] != 0; at += name->bytes[at] + 1u) {
        if (at > 0)
            g_string_append_c (text, '.');
        for (gsize i = 1; i <= name->bytes[at]; i++) {
            char c = (char)name->bytes[at + i];

            if (!g_ascii_isalnum (c) && c != '-' && c != '_')
                return NULL;
            g_string_append_c (text, c);
        }
    }
    return g_string_free (g_steal_pointer (&text), FALSE);
}

static bool
names_equal (const RelaisDnsName *a, const RelaisDnsName *b)
{
    return a->size == b->size && memcmp (a->bytes, b->bytes, a->size) == 0;
}

/* --- Reading ---------------------------------------------------------------------------------- */

static bool
read_u16 (Reader *reader, guint16 *value)
{
    const guint8 *p = reader->packet + reader->at;

    if (reader->size - reader->at < 2)
        return false;
    *value = (guint16)(p[0] << 8 | p[1]);
    reader->at += 2;
    return true;
}

static bool
read_u32 (Reader *reader, guint32 *value)
{
    guint16 high, low;

    if (!read_u16 (reader, &high) || !read_u16 (reader, &low))
        return false;
    *value = (guint32)high << 16 | low;
    return true;
}

/* Reads a name that may be compressed. A pointer must point before the place it stands at and the
 * number of pointers is bounded, so that a name ends whatever is sent. */
static bool
read_name (Reader *reader, RelaisDnsName *name)
{
    gsize at = reader->at, out = 0;
    int pointers = 0;

    for (;;) {
        guint8 length;

        if (at >= reader->size)
            return false;
        length = reader->packet[at];
        if (length >= 0xc0) {
            gsize target;

            if (at + 1 >= reader->size || ++pointers > MAX_POINTERS)
                return false;
            target = (gsize)(length & 0x3f) << 8 | reader->packet[at + 1];
            if (target >= at)
                return false;
            if (pointers == 1)
                reader->at = at + 2;
            at = target;
            continue;
        }
        if (length > 63 || length >= reader->size - at || out + length + 1u > DNS_MAX_NAME)
            return false;
        name->bytes[out++] = length;
        for (gsize i = 1; i <= length; i++)
            name->bytes[out++] = (guint8)g_ascii_tolower ((char)reader->packet[at + i]);
        at += length + 1u;
        if (length == 0)
            break;
    }
    if (pointers == 0)
        reader->at = at;
    name->size = out;
    return true;
}

static bool
read_record (Reader *reader, Record *record)
{
    guint16 size;

    if (!read_name (reader, &record->owner) || !read_u16 (reader, &record->type) ||
        !read_u16 (reader, &record->class) || !read_u32 (reader, &record->ttl) ||
        !read_u16 (reader, &size) || size > reader->size - reader->at)
        return false;
    if (record->ttl > G_MAXINT32)
        record->ttl = 0; /* RFC 2181 section 8 */
    record->data = reader->at;
    record->data_size = size;
    reader->at += size;
    return true;
}

/* A name that must fill its rdata from `skip` on. */
static bool
read_data_name (const Reader *reader, const Record *record, gsize skip, RelaisDnsName *name)
{
    Reader data = {reader->packet, record->data + record->data_size, record->data + skip};

    return record->data_size > skip && read_name (&data, name) && data.at == data.size;
}

/* --- Records ---------------------------------------------------------------------------------- */

static void
record_clear (gpointer data)
{
    RelaisDnsRecord *record = data;

    g_free (record->name);
    g_free (record->bytes);
}

static bool
take_bytes (const Reader *reader, const Record *from, gsize size, RelaisDnsRecord *to)
{
    if (from->data_size != size)
        return false;
    to->bytes = g_memdup2 (reader->packet + from->data, size);
    to->size = size;
    return true;
}

/* RFC 1035 section 3.3.14: strings with a length each; joined as SPF, DKIM and DMARC want them. */
static bool
take_text (const Reader *reader, const Record *from, RelaisDnsRecord *to)
{
    const guint8 *p = reader->packet + from->data;
    gsize at = 0;

    to->bytes = g_malloc (from->data_size + 1); /* a NUL behind it, for who reads it as a string */
    while (at < from->data_size) {
        gsize length = p[at];

        if (length >= from->data_size - at)
            return false;
        memcpy (to->bytes + to->size, p + at + 1, length);
        to->size += length;
        at += length + 1;
    }
    to->bytes[to->size] = 0;
    return at > 0;
}

static bool
take_record (const Reader *reader, const Record *from, RelaisDnsType type, RelaisDnsRecord *to)
{
    RelaisDnsName name;

    switch (type) {
    case RELAIS_DNS_A: return take_bytes (reader, from, 4, to);
    case RELAIS_DNS_AAAA: return take_bytes (reader, from, 16, to);
    case RELAIS_DNS_TLSA:
        return from->data_size >= 4 && take_bytes (reader, from, from->data_size, to);
    case RELAIS_DNS_TXT: return take_text (reader, from, to);
    case RELAIS_DNS_MX:
        if (!read_data_name (reader, from, 2, &name))
            return false;
        to->preference =
            (guint16)(reader->packet[from->data] << 8 | reader->packet[from->data + 1]);
        to->name = relais_dns_name_to_text (&name);
        return to->name != NULL;
    case RELAIS_DNS_PTR:
    case RELAIS_DNS_CNAME:
        if (!read_data_name (reader, from, 0, &name))
            return false;
        to->name = relais_dns_name_to_text (&name);
        return to->name != NULL;
    }
    return false;
}

/* --- The answer ------------------------------------------------------------------------------- */

RelaisDnsAnswer *
relais_dns_answer_new (void)
{
    RelaisDnsAnswer *answer = g_new0 (RelaisDnsAnswer, 1);

    answer->records = g_array_new (FALSE, FALSE, sizeof (RelaisDnsRecord));
    g_array_set_clear_func (answer->records, record_clear);
    relais_dns_answer_fail (answer, "no answer");
    return answer;
}

void
relais_dns_answer_free (RelaisDnsAnswer *answer)
{
    if (answer == NULL)
        return;
    g_array_unref (answer->records);
    g_free (answer->canonical);
    g_free (answer);
}

void
relais_dns_answer_fail (RelaisDnsAnswer *answer, const char *reason)
{
    answer->outcome = RELAIS_DNS_TEMPORARY;
    answer->reason = reason;
    answer->ttl_s = 0;
    g_clear_pointer (&answer->canonical, g_free);
    g_array_set_size (answer->records, 0);
}

const RelaisDnsRecord *
relais_dns_answer_find_only (const RelaisDnsAnswer *answer,
                             bool (*is_meant) (const guint8 *bytes, gsize size))
{
    const RelaisDnsRecord *found = NULL;

    for (guint i = 0; answer->outcome == RELAIS_DNS_DATA && i < answer->records->len; i++) {
        const RelaisDnsRecord *record = &g_array_index (answer->records, RelaisDnsRecord, i);

        if (!is_meant (record->bytes, record->size))
            continue;
        if (found != NULL)
            return NULL;
        found = record;
    }
    return found;
}

static const char *
rcode_name (guint rcode)
{
    static const char *const names[] = {"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN",
                                        "NOTIMP",  "REFUSED", "YXDOMAIN", "YXRRSET",
                                        "NXRRSET", "NOTAUTH", "NOTZONE"};

    return rcode < G_N_ELEMENTS (names) ? names[rcode] : "unknown response code";
}

static bool
read_question (Reader *reader, const RelaisDnsName *name, RelaisDnsType type)
{
    RelaisDnsName asked;
    guint16 asked_type, asked_class;

    return read_name (reader, &asked) && read_u16 (reader, &asked_type) &&
           read_u16 (reader, &asked_class) && names_equal (&asked, name) && asked_type == type &&
           asked_class == CLASS_IN;
}

/* Reads `count` records, keeping the first DNS_MAX_RECORDS of class IN. NULL if one is malformed. */
static GArray *
read_section (Reader *reader, guint count)
{
    g_autoptr (GArray) records = g_array_new (FALSE, FALSE, sizeof (Record));

    for (guint i = 0; i < count; i++) {
        Record record;

        if (!read_record (reader, &record))
            return NULL;
        if (record.class == CLASS_IN && records->len < DNS_MAX_RECORDS)
            g_array_append_val (records, record);
    }
    return g_steal_pointer (&records);
}

static const Record *
find_record (const GArray *records, const RelaisDnsName *owner, guint16 type)
{
    for (guint i = 0; i < records->len; i++) {
        const Record *record = &g_array_index (records, Record, i);

        if (record->type == type && names_equal (&record->owner, owner))
            return record;
    }
    return NULL;
}

/* Follows CNAMEs from `name` to the owner of the records. */
static const char *
follow_cnames (const Reader *reader, const GArray *records, RelaisDnsName *name, guint32 *ttl)
{
    const Record *cname;

    for (int n = 0; (cname = find_record (records, name, RELAIS_DNS_CNAME)) != NULL; n++) {
        if (n == DNS_MAX_CNAMES)
            return "too many CNAMEs";
        *ttl = MIN (*ttl, cname->ttl);
        if (!read_data_name (reader, cname, 0, name))
            return "malformed CNAME";
    }
    return NULL;
}

/* RFC 2308 section 5: the smaller of the SOA's TTL and its last field. Told to keep no absences,
 * libunbound hands the SOA on with a TTL of 0; then the field alone counts. */
static guint32
negative_ttl (const Reader *reader, const GArray *authority)
{
    for (guint i = 0; i < authority->len; i++) {
        const Record *soa = &g_array_index (authority, Record, i);
        Reader data = {reader->packet, soa->data + soa->data_size, 0};
        guint32 minimum;

        if (soa->type != TYPE_SOA || soa->data_size < 22)
            continue;
        data.at = data.size - 4;
        if (read_u32 (&data, &minimum))
            return soa->ttl > 0 ? MIN (soa->ttl, minimum) : minimum;
    }
    return 0;
}

static void
take_records (RelaisDnsAnswer *answer, const Reader *reader, const GArray *records,
              const RelaisDnsName *owner, RelaisDnsType type)
{
    bool malformed = false;

    for (guint i = 0; i < records->len; i++) {
        const Record *from = &g_array_index (records, Record, i);
        RelaisDnsRecord record = {0};

        if (from->type != type || !names_equal (&from->owner, owner))
            continue;
        if (take_record (reader, from, type, &record)) {
            g_array_append_val (answer->records, record);
            answer->ttl_s = MIN (answer->ttl_s, from->ttl);
        } else {
            malformed = true;
            record_clear (&record);
        }
    }
    /* Bad records beside good ones are skipped; bad ones alone must not look like an absence. */
    if (answer->records->len > 0)
        answer->outcome = RELAIS_DNS_DATA;
    else if (malformed)
        relais_dns_answer_fail (answer, "malformed record");
    else
        answer->outcome = RELAIS_DNS_NODATA;
}

void
relais_dns_answer_parse (RelaisDnsAnswer *answer, const guint8 *packet, gsize size,
                         const RelaisDnsName *name, RelaisDnsType type)
{
    Reader reader = {packet, size, 2};
    RelaisDnsName owner = *name;
    g_autoptr (GArray) records = NULL;
    g_autoptr (GArray) authority = NULL;
    guint16 flags, n_questions, n_answers, n_authority, n_additional;
    const char *problem;

    relais_dns_answer_fail (answer, "malformed answer");
    if (size < HEADER_SIZE || !read_u16 (&reader, &flags) || !read_u16 (&reader, &n_questions) ||
        !read_u16 (&reader, &n_answers) || !read_u16 (&reader, &n_authority) ||
        !read_u16 (&reader, &n_additional) || (flags & FLAG_RESPONSE) == 0)
        return;
    if ((flags & RCODE_MASK) != 0 && (flags & RCODE_MASK) != RCODE_NXDOMAIN) {
        relais_dns_answer_fail (answer, rcode_name (flags & RCODE_MASK));
        return;
    }
    if ((flags & FLAG_TRUNCATED) != 0) {
        relais_dns_answer_fail (answer, "truncated answer");
        return;
    }
    if (n_questions != 1 || !read_question (&reader, name, type) ||
        (records = read_section (&reader, n_answers)) == NULL ||
        (authority = read_section (&reader, n_authority)) == NULL)
        return;
    answer->ttl_s = G_MAXUINT32;
    problem =
        type == RELAIS_DNS_CNAME ? NULL : follow_cnames (&reader, records, &owner, &answer->ttl_s);
    if (problem != NULL) {
        relais_dns_answer_fail (answer, problem);
        return;
    }
    answer->reason = NULL;
    if (!names_equal (&owner, name))
        answer->canonical = relais_dns_name_to_text (&owner);
    if ((flags & RCODE_MASK) == RCODE_NXDOMAIN)
        answer->outcome = RELAIS_DNS_NXDOMAIN;
    else
        take_records (answer, &reader, records, &owner, type);
    if (answer->outcome == RELAIS_DNS_NODATA || answer->outcome == RELAIS_DNS_NXDOMAIN)
        answer->ttl_s = MIN (answer->ttl_s, negative_ttl (&reader, authority));
}
