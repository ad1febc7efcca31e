/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a DKIM-Signature says (RFC 6376 section 3.5), and whether it is one. Stricter than libopendkim where
 * that reads on after what it does not understand. Pure.
 */
#include "verify.h"

#include <string.h>

/* Reads a number of at most `most` digits; saturates. */
static bool
read_number (const DkimTag *tag, gsize most, guint64 *number)
{
    if (tag->value_size == 0 || tag->value_size > most)
        return false;
    *number = 0;
    for (gsize i = 0; i < tag->value_size; i++) {
        if (!g_ascii_isdigit (tag->value[i]))
            return false;
        if (*number > (G_MAXINT64 - 9) / 10)
            *number = G_MAXINT64;
        else
            *number = *number * 10 + (guint64)(tag->value[i] - '0');
    }
    return true;
}

/* --- Who signs -------------------------------------------------------------------------------- */

static const char *
read_domain (DkimSignature *signature, const DkimTags *tags)
{
    const DkimTag *d = dkim_tags_find (tags, "d"), *s = dkim_tags_find (tags, "s");
    g_autofree char *domain = d != NULL ? g_ascii_strdown (d->value, (gssize)d->value_size) : NULL;
    g_autofree char *selector =
        s != NULL ? g_ascii_strdown (s->value, (gssize)s->value_size) : NULL;

    if (domain == NULL)
        return "the signature has no d=";
    if (!dkim_domain_is_good (domain))
        return "d= is no domain name";
    signature->domain = g_steal_pointer (&domain);
    signature->identity = g_strconcat ("@", signature->domain, NULL);
    if (selector == NULL)
        return "the signature has no s=";
    if (!dkim_is_made_of_labels (selector, 253) ||
        strlen (selector) + strlen ("._domainkey.") + strlen (signature->domain) > 253)
        return "s= is no selector";
    signature->selector = g_steal_pointer (&selector);
    return NULL;
}

/* Whether a value may stand in a header field of ours as it is. */
static bool
can_be_shown (const char *text)
{
    if (strlen (text) > 320)
        return false;
    for (; *text != '\0'; text++)
        if (*text <= ' ' || *text >= 127 || strchr ("\"\\();,<>", *text) != NULL)
            return false;
    return true;
}

/* An = begins two digits (RFC 6376 section 2.11); libopendkim reads on behind the end for one that does not. */
static bool
is_quoted_printable (const char *text)
{
    static const char digits[] = "0123456789ABCDEF";

    for (; *text != '\0'; text++)
        if (*text == '=' && (text[1] == '\0' || strchr (digits, text[1]) == NULL ||
                             text[2] == '\0' || strchr (digits, text[2]) == NULL))
            return false;
    return true;
}

static const char *
read_identity (DkimSignature *signature, const DkimTags *tags)
{
    const DkimTag *i = dkim_tags_find (tags, "i");
    g_autofree char *text = i != NULL ? dkim_tag_dup_solid (i) : NULL;
    const char *at = text != NULL ? strrchr (text, '@') : NULL;
    gsize size, domain_size = strlen (signature->domain);

    if (text == NULL)
        return NULL;
    if (!is_quoted_printable (text))
        return "i= is not well-formed";
    if (at == NULL)
        return "i= has no domain";
    size = strlen (++at);
    if (size < domain_size ||
        g_ascii_strcasecmp (at + size - domain_size, signature->domain) != 0 ||
        (size > domain_size && at[size - domain_size - 1] != '.'))
        return "i= is of another domain than d=";
    signature->of_subdomain = size > domain_size;
    if (can_be_shown (text)) {
        g_free (signature->identity);
        signature->identity = g_steal_pointer (&text);
    }
    return NULL;
}

/* --- How -------------------------------------------------------------------------------------- */

static const char *
read_algorithm (DkimSignature *signature, const DkimTags *tags)
{
    static const char *const names[] = {"rsa-sha1", "rsa-sha256", "ed25519-sha256"};
    const DkimTag *a = dkim_tags_find (tags, "a");

    if (a == NULL)
        return "the signature has no a=";
    for (guint i = 0; i < G_N_ELEMENTS (names); i++)
        if (dkim_tag_is (a, names[i])) {
            signature->algorithm = (DkimAlgorithm)i;
            signature->algorithm_name = g_strdup (names[i]);
            return NULL;
        }
    return "a= is no algorithm that is known here";
}

static bool
read_canon (const char *text, gsize size, DkimCanon *canon)
{
    if (size == 6 && memcmp (text, "simple", 6) == 0)
        *canon = DKIM_SIMPLE;
    else if (size == 7 && memcmp (text, "relaxed", 7) == 0)
        *canon = DKIM_RELAXED;
    else
        return false;
    return true;
}

static const char *
read_canons (DkimSignature *signature, const DkimTags *tags)
{
    const DkimTag *c = dkim_tags_find (tags, "c");
    const char *slash;

    signature->header = signature->body = DKIM_SIMPLE;
    if (c == NULL)
        return NULL;
    slash = memchr (c->value, '/', c->value_size);
    if (!read_canon (c->value, slash != NULL ? (gsize)(slash - c->value) : c->value_size,
                     &signature->header) ||
        (slash != NULL &&
         !read_canon (slash + 1, c->value_size - (gsize)(slash - c->value) - 1, &signature->body)))
        return "c= is no canonicalization";
    return NULL;
}

static const char *
read_query (const DkimTags *tags)
{
    const DkimTag *q = dkim_tags_find (tags, "q");
    gsize position = 0, size;
    const char *item;

    while (q != NULL && dkim_tag_next_item (q, &position, &item, &size))
        if (size == 7 && memcmp (item, "dns/txt", 7) == 0)
            return NULL;
    return q == NULL ? NULL : "q= names no way to the key that is known here";
}

static const char *
read_times (DkimSignature *signature, const DkimTags *tags)
{
    const DkimTag *t = dkim_tags_find (tags, "t"), *x = dkim_tags_find (tags, "x");
    guint64 number;

    if (t != NULL) {
        if (!read_number (t, 12, &number))
            return "t= is no time";
        signature->has_time = true;
        signature->time = (gint64)number;
    }
    if (x != NULL) {
        if (!read_number (x, 12, &number))
            return "x= is no time";
        signature->has_expires = true;
        signature->expires = (gint64)number;
    }
    if (t != NULL && x != NULL && signature->expires <= signature->time)
        return "x= is not after t=";
    return NULL;
}

/* --- What ------------------------------------------------------------------------------------- */

static const char *
read_names (DkimSignature *signature, const DkimTags *tags)
{
    const DkimTag *h = dkim_tags_find (tags, "h");
    g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
    gsize position = 0, size, total = 0;
    const char *item;

    if (h == NULL)
        return "the signature has no h=";
    while (dkim_tag_next_item (h, &position, &item, &size)) {
        g_autofree char *name = g_ascii_strdown (item, (gssize)size);

        total += size + 1;
        if (names->len == DKIM_SIGNED_NAMES || total > DKIM_SIGNED_NAMES_BYTES)
            return "h= names too many fields";
        if (!dkim_field_name_is_good (name))
            return "h= is no list of field names";
        g_ptr_array_add (names, g_steal_pointer (&name));
    }
    g_ptr_array_add (names, NULL);
    signature->names = (char **)g_ptr_array_free (g_steal_pointer (&names), FALSE);
    return NULL;
}

static const char *
read_length (DkimSignature *signature, const DkimTags *tags)
{
    const DkimTag *l = dkim_tags_find (tags, "l");

    if (l == NULL)
        return NULL;
    if (!read_number (l, 76, &signature->length))
        return "l= is no number";
    signature->has_length = true;
    return NULL;
}

static const char *
read_hashes (DkimSignature *signature, const DkimTags *tags)
{
    const DkimTag *b = dkim_tags_find (tags, "b"), *bh = dkim_tags_find (tags, "bh");
    g_autofree guint8 *octets = NULL, *hash = NULL;
    gsize size;

    if (b == NULL || bh == NULL)
        return b == NULL ? "the signature has no b=" : "the signature has no bh=";
    octets = dkim_tag_decode (b, &size);
    if (octets == NULL)
        return "b= is not base64";
    signature->b = dkim_tag_dup_solid (b);
    if (strlen (signature->b) > 8)
        signature->b[8] = '\0';
    hash = dkim_tag_decode (bh, &size);
    if (hash == NULL || size != (signature->algorithm == DKIM_RSA_SHA1 ? 20 : 32))
        return "bh= is not the base64 of a hash";
    return NULL;
}

/* --- The whole -------------------------------------------------------------------------------- */

/* libopendkim takes the value of any tag whose name ends in b for that of b=, and no octets beyond ASCII. */
static const char *
check_tags (const DkimTags *tags)
{
    const DkimTag *v = dkim_tags_find (tags, "v");

    if (v == NULL || !dkim_tag_is (v, "1"))
        return v == NULL ? "the signature has no v=" : "v= is not 1";
    for (guint i = 0; i < tags->n; i++) {
        const DkimTag *tag = &tags->tags[i];

        if (tag->name_size > 1 && tag->name[tag->name_size - 1] == 'b')
            return "a tag of the signature is not known here";
        for (gsize k = 0; k < tag->value_size; k++)
            if ((guchar)tag->value[k] >= 128)
                return "the signature is not in ASCII";
    }
    return NULL;
}

const char *
dkim_signature_parse (DkimSignature *signature, const char *value, gsize size)
{
    DkimTags tags;
    const char *problem, *worst;

    memset (signature, 0, sizeof *signature);
    if (size > DKIM_SIGNATURE_BYTES)
        return "the signature is too large";
    if (!dkim_tags_parse (&tags, value, size))
        return "the signature is no list of tags";
    /* All that can be read is, so that a report has it. */
    worst = read_domain (signature, &tags);
    if ((problem = read_algorithm (signature, &tags)) != NULL && worst == NULL)
        worst = problem;
    if ((problem = read_hashes (signature, &tags)) != NULL && worst == NULL)
        worst = problem;
    if ((problem = check_tags (&tags)) != NULL)
        worst = problem;
    if (worst != NULL || (worst = read_identity (signature, &tags)) != NULL ||
        (worst = read_canons (signature, &tags)) != NULL ||
        (worst = read_names (signature, &tags)) != NULL ||
        (worst = read_length (signature, &tags)) != NULL || (worst = read_query (&tags)) != NULL ||
        (worst = read_times (signature, &tags)) != NULL)
        return worst;
    return NULL;
}

void
dkim_signature_clear (DkimSignature *signature)
{
    g_free (signature->domain);
    g_free (signature->selector);
    g_free (signature->identity);
    g_free (signature->algorithm_name);
    g_free (signature->b);
    g_strfreev (signature->names);
    memset (signature, 0, sizeof *signature);
}

guint
dkim_signature_count_name (const DkimSignature *signature, const char *name)
{
    guint n = 0;

    for (guint i = 0; signature->names != NULL && signature->names[i] != NULL; i++)
        n += g_str_equal (signature->names[i], name) ? 1 : 0;
    return n;
}

char *
dkim_signature_dup_key_name (const DkimSignature *signature)
{
    return g_strconcat (signature->selector, "._domainkey.", signature->domain, NULL);
}
