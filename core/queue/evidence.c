/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Evidence. An item belongs to its dossier; while its report is under way to both the dossier and the list's
 * callback, and whoever is last frees it. Loop thread; nothing here waits.
 */
#include "config.h"

#include "queue/evidence-private.h"

typedef struct {
    RelaisDossier *dossier; /* NULL: it went */
    RelaisEvidence evidence;
    char *address, *tenant, *campaign, *reason, *text, *id; /* its strings */
    bool kept, under_way;
} Item;

struct RelaisDossier {
    RelaisSuppression *suppression;
    GPtrArray *items;
    guint under_way;
    RelaisLoopFunc done;
    gpointer data;
};

static void
item_free (Item *item)
{
    g_free (item->address);
    g_free (item->tenant);
    g_free (item->campaign);
    g_free (item->reason);
    g_free (item->text);
    g_free (item->id);
    g_free (item);
}

RelaisDossier *
relais_dossier_new (RelaisSuppression *suppression)
{
    RelaisDossier *dossier = g_new0 (RelaisDossier, 1);

    dossier->suppression = suppression;
    dossier->items = g_ptr_array_new ();
    return dossier;
}

void
relais_dossier_free (RelaisDossier *dossier)
{
    if (dossier == NULL)
        return;
    for (guint i = 0; i < dossier->items->len; i++) {
        Item *item = dossier->items->pdata[i];

        item->dossier = NULL;
        if (!item->under_way)
            item_free (item);
    }
    g_ptr_array_unref (dossier->items);
    g_free (dossier);
}

void
relais_dossier_add (RelaisDossier *dossier, const RelaisEvidence *evidence)
{
    Item *item = g_new (Item, 1);

    *item = (Item){.dossier = dossier,
                   .evidence = *evidence,
                   .address = g_strdup (evidence->address),
                   .tenant = g_strdup (evidence->tenant),
                   .campaign = g_strdup (evidence->campaign),
                   .reason = g_strdup (evidence->reason),
                   .text = g_strdup (evidence->text),
                   .id = g_strdup (evidence->id)};
    item->evidence.struct_size = sizeof item->evidence;
    item->evidence.address = item->address;
    item->evidence.tenant = item->tenant;
    item->evidence.campaign = item->campaign;
    item->evidence.reason = item->reason;
    item->evidence.text = item->text;
    item->evidence.id = item->id;
    g_ptr_array_add (dossier->items, item);
}

static void
on_answer (gpointer data, RelaisSuppressResult result)
{
    Item *item = data;
    RelaisDossier *dossier = item->dossier;

    item->under_way = false;
    if (dossier == NULL) {
        item_free (item);
        return;
    }
    item->kept = result != RELAIS_SUPPRESS_FAILED;
    if (--dossier->under_way == 0)
        dossier->done (dossier->data);
}

void
relais_dossier_report (RelaisDossier *dossier, RelaisLoopFunc done, gpointer data)
{
    g_assert (dossier->under_way == 0);
    dossier->done = done;
    dossier->data = data;
    for (guint i = 0; i < dossier->items->len; i++) {
        Item *item = dossier->items->pdata[i];

        if (item->kept)
            continue;
        item->under_way = true;
        dossier->under_way++;
        relais_suppression_report (dossier->suppression, &item->evidence, on_answer, item);
    }
    g_assert (dossier->under_way > 0);
}

bool
relais_dossier_is_kept (const RelaisDossier *dossier)
{
    for (guint i = 0; i < dossier->items->len; i++)
        if (!((const Item *)dossier->items->pdata[i])->kept)
            return false;
    return true;
}
