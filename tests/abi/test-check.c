/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The validator of descriptors: each way to be wrong, with its exact message; a descriptor that is
 * longer than ours is good as long as what we do not know of it is zero.
 */
#include "config.h"

#include "module/module-private.h"

#include <string.h>

static void
command (RelaisCommandCall *call, gpointer data)
{
}

/* A descriptor and all it points to, for a row to spoil; the tails are what a newer module has. */
typedef struct {
    struct {
        RelaisModuleDescriptor descriptor;
        guint64 tail;
    } head;
    struct {
        RelaisModuleOps ops;
        gpointer tail;
    } ops;
    struct {
        RelaisOption option;
        guint64 tail;
    } options[2];
    RelaisCommand commands[2];
    const char *names[3];
} Fixture;

static void
fill (Fixture *fixture)
{
    memset (fixture, 0, sizeof *fixture);
    fixture->head.descriptor = (RelaisModuleDescriptor){
        .magic = RELAIS_MODULE_MAGIC,
        .struct_size = sizeof (RelaisModuleDescriptor),
        .api_major = RELAIS_API_MAJOR,
        .minor_built = RELAIS_API_MINOR,
        .minor_required = RELAIS_API_MINOR,
        .name = "guest",
        .version = "1",
        .summary = "a fixture",
        .options = &fixture->options[0].option,
        .n_options = 2,
        .option_size = sizeof fixture->options[0],
        .commands = fixture->commands,
        .n_commands = 2,
        .command_size = sizeof fixture->commands[0],
        .ops = &fixture->ops.ops,
    };
    fixture->ops.ops.struct_size = sizeof fixture->ops;
    fixture->options[0].option =
        (RelaisOption){.section = "guest", .key = "a", .type = RELAIS_OPTION_STRING, .doc = "A."};
    fixture->options[1].option = (RelaisOption){
        .section = "guest-thing", .key = "a", .type = RELAIS_OPTION_STRING, .doc = "A."};
    fixture->commands[0] =
        (RelaisCommand){.word = "guest", .verb = "a", .doc = "A.", .func = command};
    fixture->commands[1] =
        (RelaisCommand){.word = "guest", .verb = "b", .doc = "B.", .func = command};
}

typedef void (*Spoil) (Fixture *fixture);

#define SPOIL(name, statement)                                                                     \
    static void name (Fixture *f)                                                                  \
    {                                                                                              \
        RelaisModuleDescriptor *d = &f->head.descriptor;                                           \
        (void)d;                                                                                   \
        statement;                                                                                 \
    }

SPOIL (nothing, (void)0)
SPOIL (longer, d->struct_size = sizeof f->head)
SPOIL (magic, d->magic = 7)
SPOIL (major, d->api_major = 1; d->struct_size = 4000)
SPOIL (minor, d->minor_built = 2)
SPOIL (required, d->minor_required = 2)
SPOIL (short_head, d->struct_size = 16)
SPOIL (short_size, d->struct_size -= 8)
SPOIL (tail, d->struct_size = sizeof f->head; f->head.tail = 1)
SPOIL (flags, d->flags = 1)
SPOIL (no_name, d->name = NULL)
SPOIL (bad_name, d->name = "../guest")
SPOIL (core_name, d->name = "core")
SPOIL (no_version, d->version = NULL)
SPOIL (self, f->names[0] = "guest"; d->requires_modules = f->names)
SPOIL (twice, f->names[0] = f->names[1] = "other"; d->conflicts = f->names)
SPOIL (option_stride, d->option_size = 8)
SPOIL (option_tail, f->options[1].tail = 1)
SPOIL (option_section, f->options[0].option.section = "queue")
SPOIL (option_key, f->options[0].option.key = "A-B")
SPOIL (option_type, f->options[0].option.type = 99)
SPOIL (option_twice, f->options[1].option.section = "guest")
SPOIL (option_array, d->options = NULL)
SPOIL (command_func, f->commands[1].func = NULL)
SPOIL (command_twice, f->commands[1].verb = "a")
SPOIL (ops_short, f->ops.ops.struct_size = 16)
SPOIL (ops_tail, f->ops.tail = f)

static const struct {
    const char *name;
    Spoil spoil;
    const char *message; /* NULL: good */
} rows[] = {
    {"good", nothing, NULL},
    {"longer", longer, NULL},
    {"magic", magic,
     "magic: found 0x00000007, wanted 0x524c414d; define the descriptor with RELAIS_MODULE_DEFINE"},
    {"major", major, "api_major: found 1, wanted 0; install the module built for this Relais"},
    {"minor", minor,
     "minor_built: found 0.2, wanted 0.1; rebuild the module (before 1.0 every minor stands "
     "alone)"},
    {"required", required,
     "minor_required: found 2, wanted at most minor_built (1); this is a fault of the module"},
    {"short-head", short_head,
     "struct_size: found 16, wanted at least 24; rebuild the module with the headers of this "
     "Relais"},
    {"short-size", short_size,
     "struct_size: found 136, wanted at least 144; rebuild the module with the headers of this "
     "Relais"},
    {"tail", tail,
     "struct_size: found fields that this Relais does not know, wanted zero after the first 144 "
     "octets; upgrade Relais, or rebuild the module without it"},
    {"flags", flags,
     "flags: found a bit that is not known, wanted 0; rebuild the module with the headers of this "
     "Relais"},
    {"no-name", no_name, "name: found NULL, wanted [a-z0-9-]+; name the module"},
    {"bad-name", bad_name,
     "name: found '../guest', wanted [a-z0-9-]+; name the module as its file"},
    {"core-name", core_name,
     "name: found 'core', wanted a name that is not the core's own; give the module another name"},
    {"no-version", no_version, "version: found NULL, wanted text; this is a fault of the module"},
    {"self", self,
     "requires_modules: found the module itself, wanted others; this is a fault of the module"},
    {"twice", twice,
     "conflicts: found 'other' twice, wanted it once; this is a fault of the module"},
    {"option-stride", option_stride,
     "option_size: found 8, wanted at least 64; rebuild the module "
     "with the headers of this Relais"},
    {"option-tail", option_tail,
     "options: found item 1 with a part that this Relais does not know, wanted zero; upgrade "
     "Relais, or rebuild the module without it"},
    {"option-section", option_section,
     "options: found section 'queue', wanted 'guest', 'guest-...' or a shared one; this is a fault "
     "of the module"},
    {"option-key", option_key,
     "options: found key 'A-B', wanted [a-z0-9_]+; this is a fault of the module"},
    {"option-type", option_type,
     "options: found type 99 of 'a', wanted one that this Relais knows; upgrade Relais"},
    {"option-twice", option_twice,
     "options: found [guest] a twice, wanted it once; this is a fault of the module"},
    {"option-array", option_array,
     "options: found no array of 2, wanted one; this is a fault of the module"},
    {"command-func", command_func,
     "commands: found item 1 without word, func or doc, wanted all "
     "three; this is a fault of the module"},
    {"command-twice", command_twice,
     "commands: found 'guest a' twice, wanted it once; this is a fault of the module"},
    {"ops-short", ops_short,
     "ops.struct_size: found 16, wanted at least 64; rebuild the module "
     "with the headers of this Relais"},
    {"ops-tail", ops_tail,
     "ops: found an operation that this Relais does not know, wanted zero; upgrade Relais, or "
     "rebuild the module without it"},
};

static void
test_row (gconstpointer data)
{
    guint i = GPOINTER_TO_UINT (data);
    g_autoptr (GError) error = NULL;
    Fixture fixture;

    fill (&fixture);
    rows[i].spoil (&fixture);
    g_assert_true (relais_module_check (&fixture.head.descriptor, &error) ==
                   (rows[i].message == NULL));
    g_assert_cmpstr (error != NULL ? error->message : NULL, ==, rows[i].message);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
        g_autofree char *path = g_strdup_printf ("/abi/check/%s", rows[i].name);

        g_test_add_data_func (path, GUINT_TO_POINTER (i), test_row);
    }
    return g_test_run ();
}
