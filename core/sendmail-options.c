/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The options of `sendmail`, as other MTAs read them; see sendmail-private.h. Pure; one thread.
 */
#include "config.h"

#include "sendmail-private.h"

#include <glib/gi18n-lib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

/* Those that take a value, even where it counts for nothing here. */
static const char letters[] = "A:B:C:F:GL:N:O:R:UV:X:b:e:f:h:imno:p:q:r:tv";

/* Options that become one of `inject`, with their value. */
static const struct {
    char letter;
    const char *name;
} named[] = {{'f', "from"},   {'r', "from"}, {'F', "name"},
             {'N', "notify"}, {'R', "ret"},  {'V', "envid"}};

typedef struct {
    RelaisSendmail *sendmail;
    bool from_header, dot_is_text, lists_queue;
    char *problem;
} Reading;

static int
take_mode (Reading *reading, const char *mode)
{
    reading->lists_queue = g_str_equal (mode, "p");
    if (reading->lists_queue || g_str_equal (mode, "m"))
        return EX_OK;
    reading->problem = g_strdup_printf (
        _ ("-b%s is not for this program; it sends (-bm) and lists the queue (-bp)"), mode);
    return EX_UNAVAILABLE;
}

static void
take_named (Reading *reading, int letter, const char *value)
{
    for (gsize i = 0; i < G_N_ELEMENTS (named); i++)
        if (named[i].letter == letter)
            g_ptr_array_add (reading->sendmail->words,
                             g_strdup_printf ("--%s=%s", named[i].name, value));
}

static int
take_option (Reading *reading, int letter, const char *value)
{
    switch (letter) {
    case 'b': return take_mode (reading, value);
    case 'q':
        reading->problem = g_strdup (_ ("-q is not for this program; see relaisctl queue retry"));
        return EX_UNAVAILABLE;
    case 'C':
        g_free (reading->sendmail->conf_dir);
        reading->sendmail->conf_dir = g_strdup (value);
        return EX_OK;
    case 'i': reading->dot_is_text = true; return EX_OK;
    case 'o': reading->dot_is_text |= g_str_equal (value, "i"); return EX_OK;
    case 't': reading->from_header = true; return EX_OK;
    case '?':
        reading->problem =
            g_strdup_printf (_ ("option -%c is unknown, or its value is missing"), optopt);
        return EX_USAGE;
    default: take_named (reading, letter, value); return EX_OK;
    }
}

static int
take_recipients (Reading *reading, int n, char **recipients)
{
    GPtrArray *words = reading->sendmail->words;

    if (n == 0 && !reading->from_header) {
        reading->problem = g_strdup (_ ("no recipient is named; -t takes them from the header"));
        return EX_USAGE;
    }
    if (reading->from_header)
        g_ptr_array_add (words, g_strdup ("--t"));
    if (!reading->dot_is_text)
        g_ptr_array_add (words, g_strdup ("--dot"));
    g_ptr_array_add (words, g_strdup ("--"));
    for (int i = 0; i < n; i++)
        g_ptr_array_add (words, g_strdup (recipients[i]));
    return EX_OK;
}

static void
list_queue (Reading *reading)
{
    g_ptr_array_set_size (reading->sendmail->words, 0);
    g_ptr_array_add (reading->sendmail->words, g_strdup ("queue"));
    g_ptr_array_add (reading->sendmail->words, g_strdup ("list"));
}

int
relais_sendmail_read (int argc, char **argv, RelaisSendmail *sendmail, char **problem)
{
    Reading reading = {.sendmail = sendmail};
    int status = EX_OK, letter;

    *sendmail = (RelaisSendmail){.words = g_ptr_array_new_with_free_func (g_free)};
    g_ptr_array_add (sendmail->words, g_strdup ("inject"));
    opterr = 0;
    optind = 0; /* glibc: begin anew */
    while (status == EX_OK && (letter = getopt (argc, argv, letters)) != -1)
        status = take_option (&reading, letter, optarg);
    if (status == EX_OK && reading.lists_queue)
        list_queue (&reading);
    else if (status == EX_OK)
        status = take_recipients (&reading, argc - optind, argv + optind);
    g_ptr_array_add (sendmail->words, NULL);
    if (status != EX_OK) {
        relais_sendmail_clear (sendmail);
        *problem = reading.problem;
    }
    return status;
}

void
relais_sendmail_clear (RelaisSendmail *sendmail)
{
    g_clear_pointer (&sendmail->words, g_ptr_array_unref);
    g_clear_pointer (&sendmail->conf_dir, g_free);
}
