/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * For builds with --enable-tsan alone: GLib's locks and counted containers as ThreadSanitizer can see
 * them. Debian's GLib is not instrumented and makes its mutexes of futexes, so that without this file
 * everything that a GMutex guards would count as a race. Each function does what GLib's does and tells
 * of the order that it makes: what a thread did before it let go of a lock, or of its reference,
 * happened before what the next one does. It hides no race but on the object let go of.
 *
 * Owns nothing. Any thread.
 */
#include "config.h"

#include <dlfcn.h>
#include <glib.h>

void __tsan_acquire (void *address);
void __tsan_release (void *address);

/* GLib's own function. */
static void (*find (const char *name, gpointer *cache)) (void)
{
    gpointer found = __atomic_load_n (cache, __ATOMIC_ACQUIRE);

    if (found == NULL) {
        found = dlsym (RTLD_NEXT, name);
        if (found == NULL)
            __builtin_trap ();
        __atomic_store_n (cache, found, __ATOMIC_RELEASE);
    }
    return (void (*) (void))found;
}

/* --- Locks -------------------------------------------------------------------------------------- */

#define LOCK(name, type)                                                                           \
    void (name) (type * lock)                                                                      \
    {                                                                                              \
        static gpointer real;                                                                      \
                                                                                                   \
        ((void (*) (type *))find (#name, &real)) (lock);                                           \
        __tsan_acquire (lock);                                                                     \
    }

#define UNLOCK(name, type)                                                                         \
    void (name) (type * lock)                                                                      \
    {                                                                                              \
        static gpointer real;                                                                      \
                                                                                                   \
        __tsan_release (lock);                                                                     \
        ((void (*) (type *))find (#name, &real)) (lock);                                           \
    }

#define TRY_LOCK(name, type)                                                                       \
    gboolean (name) (type * lock)                                                                  \
    {                                                                                              \
        static gpointer real;                                                                      \
        const gboolean taken = ((gboolean (*) (type *))find (#name, &real)) (lock);                \
                                                                                                   \
        if (taken)                                                                                 \
            __tsan_acquire (lock);                                                                 \
        return taken;                                                                              \
    }

LOCK (g_mutex_lock, GMutex)
TRY_LOCK (g_mutex_trylock, GMutex)
UNLOCK (g_mutex_unlock, GMutex)
LOCK (g_rec_mutex_lock, GRecMutex)
UNLOCK (g_rec_mutex_unlock, GRecMutex)
LOCK (g_rw_lock_reader_lock, GRWLock)
UNLOCK (g_rw_lock_reader_unlock, GRWLock)
LOCK (g_rw_lock_writer_lock, GRWLock)
UNLOCK (g_rw_lock_writer_unlock, GRWLock)

void (g_cond_wait) (GCond *cond, GMutex *mutex)
{
    static gpointer real;

    __tsan_release (mutex);
    ((void (*) (GCond *, GMutex *))find ("g_cond_wait", &real)) (cond, mutex);
    __tsan_acquire (mutex);
}

gboolean (g_cond_wait_until) (GCond *cond, GMutex *mutex, gint64 until)
{
    static gpointer real;
    gboolean signalled;

    __tsan_release (mutex);
    signalled = ((gboolean (*) (GCond *, GMutex *, gint64))find ("g_cond_wait_until", &real)) (
        cond, mutex, until);
    __tsan_acquire (mutex);
    return signalled;
}

/* Who finds the value set reads it by an atomic load, which acquires. */
void (g_once_init_leave) (volatile void *location, gsize result)
{
    static gpointer real;

    __tsan_release ((void *)location);
    ((void (*) (volatile void *, gsize))find ("g_once_init_leave", &real)) (location, result);
}

/* --- References --------------------------------------------------------------------------------- */

/* The last one to let go frees: all that others did with the object came before. */
#define UNREF(name, type)                                                                          \
    void (name) (type * object)                                                                    \
    {                                                                                              \
        static gpointer real;                                                                      \
                                                                                                   \
        if (object != NULL) {                                                                      \
            __tsan_release (object);                                                               \
            __tsan_acquire (object);                                                               \
        }                                                                                          \
        ((void (*) (type *))find (#name, &real)) (object);                                         \
    }

UNREF (g_bytes_unref, GBytes)
UNREF (g_array_unref, GArray)
UNREF (g_ptr_array_unref, GPtrArray)
UNREF (g_byte_array_unref, GByteArray)
UNREF (g_hash_table_unref, GHashTable)

gboolean (g_atomic_ref_count_dec) (gatomicrefcount *refs)
{
    static gpointer real;
    gboolean last;

    __tsan_release (refs);
    last = ((gboolean (*) (gatomicrefcount *))find ("g_atomic_ref_count_dec", &real)) (refs);
    if (last)
        __tsan_acquire (refs);
    return last;
}
