/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The validator of descriptors (core/module/check.c). An input is lines of "FIELD VALUE", from which a descriptor and
 * all it points to are made, each in memory of exactly the size that it claims. Properties: nothing outside of that
 * is read; a refusal names what is wrong and what to do; what is taken has a name, the API's number, arrays of whole
 * items, and none of what this Relais does not know.
 *
 * Parsers: core/module/check.c.
 */
#include "config.h"

#include "fuzz.h"
#include "module/module-private.h"

static const char *const words[] = {"\nname guest\n",
                                    "\nversion 1\n",
                                    "\nsummary s\n",
                                    "\nsize 144\n",
                                    "\nsize 152\n",
                                    "\ntail 144\n",
                                    "\nmajor 1\n",
                                    "\nbuilt 2\n",
                                    "\nrequired 0\n",
                                    "\nrequires other\n",
                                    "\nconflicts other\n",
                                    "\noption guest a 5\n",
                                    "\noption tenant a 4\n",
                                    "\noptionsize 72\n",
                                    "\noptionsize 8\n",
                                    "\ncommand guest list 0\n",
                                    "\ncommandsize 56\n",
                                    "\nops 64\n",
                                    "\nops 72\n",
                                    "\nop 8\n",
                                    NULL};
const FuzzTarget fuzz_target = {20000, words};

enum { NAMES = 8, ITEMS = 20, SIZE_BYTES = 5000, HEAD_BYTES = 24 };

typedef struct {
    RelaisModuleDescriptor descriptor;
    RelaisModuleOps ops;
    const char *names[3][NAMES + 1];
    RelaisOption options[ITEMS];
    RelaisCommand commands[ITEMS];
    guint32 ops_size, tail;
    bool has_ops;
    char **lines;
} Made;

static void
operation (RelaisModule *module)
{
}

static void
command (RelaisCommandCall *call, gpointer data)
{
}

/* --- Making ----------------------------------------------------------------------------------- */

static void
add_name (const char **names, const char *value)
{
    guint n = 0;

    while (names[n] != NULL)
        n++;
    if (n < NAMES)
        names[n] = value;
}

/* Cuts `*text` at the next blank. */
static const char *
word (char **text)
{
    char *at = *text, *blank = strchr (at, ' ');

    if (blank != NULL)
        *blank++ = '\0';
    *text = blank != NULL ? blank : at + strlen (at);
    return *at != '\0' ? at : NULL;
}

static void
add_option (Made *made, char *value)
{
    RelaisOption *option = &made->options[made->descriptor.n_options];

    if (made->descriptor.n_options == ITEMS)
        return;
    made->descriptor.n_options++;
    option->section = word (&value);
    option->key = word (&value);
    option->type = (RelaisOptionType)strtoul (value, &value, 10);
    option->choices = *value != '\0' ? value : NULL;
    option->doc = "D.";
}

static void
add_command (Made *made, char *value)
{
    RelaisCommand *added = &made->commands[made->descriptor.n_commands];

    if (made->descriptor.n_commands == ITEMS)
        return;
    made->descriptor.n_commands++;
    added->word = word (&value);
    added->verb = word (&value);
    added->kind = (RelaisCommandKind)strtoul (value, &value, 10);
    added->doc = *value == '\0' ? "D." : NULL;
    added->func = command;
}

static void
set_number (Made *made, const char *field, guint64 n)
{
    RelaisModuleDescriptor *descriptor = &made->descriptor;

    if (g_str_equal (field, "magic"))
        descriptor->magic = (guint32)n;
    else if (g_str_equal (field, "size"))
        descriptor->struct_size = (guint32)n;
    else if (g_str_equal (field, "major"))
        descriptor->api_major = (guint16)n;
    else if (g_str_equal (field, "built"))
        descriptor->minor_built = (guint16)n;
    else if (g_str_equal (field, "required"))
        descriptor->minor_required = (guint16)n;
    else if (g_str_equal (field, "flags"))
        descriptor->flags = n;
    else if (g_str_equal (field, "optionsize"))
        descriptor->option_size = (guint32)n;
    else if (g_str_equal (field, "commandsize"))
        descriptor->command_size = (guint32)n;
    else if (g_str_equal (field, "tail"))
        made->tail = (guint32)n;
    else if (g_str_equal (field, "ops")) {
        made->has_ops = true;
        made->ops_size = (guint32)n;
    } else if (g_str_equal (field, "op") && n >= 8 && n % 8 == 0 && n < sizeof made->ops) {
        void (*func) (RelaisModule *) = operation;

        memcpy ((guint8 *)&made->ops + n, &func, sizeof func);
    }
}

static void
set (Made *made, char *line)
{
    const char *field = word (&line);

    if (field == NULL)
        return;
    if (g_str_equal (field, "name"))
        made->descriptor.name = line;
    else if (g_str_equal (field, "version"))
        made->descriptor.version = line;
    else if (g_str_equal (field, "summary"))
        made->descriptor.summary = line;
    else if (g_str_equal (field, "requires"))
        add_name (made->names[0], line);
    else if (g_str_equal (field, "wants"))
        add_name (made->names[1], line);
    else if (g_str_equal (field, "conflicts"))
        add_name (made->names[2], line);
    else if (g_str_equal (field, "option"))
        add_option (made, line);
    else if (g_str_equal (field, "command"))
        add_command (made, line);
    else
        set_number (made, field, strtoull (line, NULL, 10));
}

static void
make (Made *made, const guint8 *bytes, gsize size)
{
    g_autofree char *text = g_strndup ((const char *)bytes, size);

    *made = (Made){.descriptor = {.magic = RELAIS_MODULE_MAGIC,
                                  .struct_size = sizeof made->descriptor,
                                  .api_major = RELAIS_API_MAJOR,
                                  .minor_built = RELAIS_API_MINOR,
                                  .minor_required = RELAIS_API_MINOR,
                                  .option_size = sizeof (RelaisOption),
                                  .command_size = sizeof (RelaisCommand)},
                   .lines = g_strsplit (text, "\n", 200)};
    for (char **line = made->lines; *line != NULL; line++)
        set (made, *line);
    made->descriptor.requires_modules = made->names[0];
    made->descriptor.wants_modules = made->names[1];
    made->descriptor.conflicts = made->names[2];
}

/* `n` items in memory of just their size; NULL for a size that must be refused before it is looked at. */
static gpointer
spread (gconstpointer items, guint n, gsize item_size, gsize size)
{
    guint8 *to = size <= SIZE_BYTES ? calloc (n, MAX (size, 1)) : NULL;

    for (guint i = 0; to != NULL && i < n; i++)
        memcpy (to + i * size, (const guint8 *)items + i * item_size, MIN (item_size, size));
    return to;
}

/* --- Properties ------------------------------------------------------------------------------- */

static void
check_taken (const Made *made)
{
    const RelaisModuleDescriptor *descriptor = &made->descriptor;

    g_assert_true (relais_module_name_is_good (descriptor->name));
    g_assert_nonnull (descriptor->version);
    g_assert_nonnull (descriptor->summary);
    g_assert_cmpuint (descriptor->api_major, ==, RELAIS_API_MAJOR);
    g_assert_cmpuint (descriptor->minor_built, ==, RELAIS_API_MINOR);
    g_assert_cmpuint (descriptor->struct_size, >=, sizeof *descriptor);
    g_assert_true (descriptor->n_options == 0 || descriptor->option_size >= sizeof (RelaisOption));
    g_assert_true (made->tail < sizeof *descriptor || made->tail >= descriptor->struct_size);
    for (guint i = 0; i < descriptor->n_options; i++)
        g_assert_true (made->options[i].key != NULL && made->options[i].section != NULL);
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    g_autoptr (GError) error = NULL;
    RelaisModuleDescriptor *exact;
    gsize exact_size;
    Made made;

    make (&made, bytes, size);
    made.ops.struct_size = made.ops_size;
    made.descriptor.options = spread (made.options, made.descriptor.n_options,
                                      sizeof made.options[0], made.descriptor.option_size);
    made.descriptor.commands = spread (made.commands, made.descriptor.n_commands,
                                       sizeof made.commands[0], made.descriptor.command_size);
    if (made.has_ops) /* its size must be there to be read */
        made.descriptor.ops =
            spread (&made.ops, 1, sizeof made.ops, MAX (MIN (made.ops_size, SIZE_BYTES), 4u));
    exact_size = MAX (MIN (made.descriptor.struct_size, SIZE_BYTES), HEAD_BYTES);
    exact = spread (&made.descriptor, 1, sizeof made.descriptor, exact_size);
    if (made.tail >= sizeof made.descriptor && made.tail < exact_size)
        ((guint8 *)exact)[made.tail] = 1;
    if (relais_module_check (exact, &error))
        check_taken (&made);
    else {
        g_assert_nonnull (strstr (error->message, ": found "));
        g_assert_nonnull (strstr (error->message, "; "));
    }
    free (exact);
    free ((gpointer)made.descriptor.options);
    free ((gpointer)made.descriptor.commands);
    free ((gpointer)made.descriptor.ops);
    g_strfreev (made.lines);
    return 0;
}
