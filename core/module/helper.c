/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Helper processes, the daemon's side (include/relais/helper.h): starts the program, hands it one request at a time
 * over a socket, kills it when it is late and buries it when it is dead. Starting and burying wait for
 * the system and are done by workers; all else is on the loop.
 *
 *   NONE -> STARTING -> READY -> BURYING -> NONE
 *
 * A frame is a RelaisHelperHead and so many octets as it says; a reply has the number of its request, so that
 * no stray one is ever taken for another.
 */
#include "config.h"

#include "module/helper-private.h"
#include "module/module-private.h"

#include <relais/helper.h>

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    HEAD_BYTES = sizeof (RelaisHelperHead),
    STEP_BYTES = 16 * 1024,
    MAX_WAITING = 1024,
    QUICK_DEATHS = 3
};
static const guint64 MEMORY_BYTES = 256u << 20;
static const gint64 RETRY_US = 100 * 1000, FIRST_PAUSE_US = RELAIS_USEC_PER_SEC,
                    LONGEST_PAUSE_US = 60 * RELAIS_USEC_PER_SEC;

typedef enum { HELPER_NONE, HELPER_STARTING, HELPER_READY, HELPER_BURYING } HelperState;

typedef struct {
    GBytes *request;
    gint64 timeout_us;
    RelaisHelperFunc done;
    gpointer data;
    RelaisHelperOutcome outcome;
    GBytes *reply; /* of a program of the test's; or NULL */
    RelaisHost *host;
    RelaisModule *module;
    guint64 id; /* of the message that it is made for, or 0 */
} Call;

struct RelaisHelper {
    RelaisModule *module;
    char *path;
    bool fake;    /* the harness answers, and there is no process */
    char *memory; /* "RELAIS_HELPER_MEMORY=N" */
    guint max_waiting;
    bool freed; /* by the module; goes when the worker is done with it */
    HelperState state;
    GQueue waiting; /* Call */
    Call *current;
    pid_t pid;
    int fd;
    RelaisIo *io;
    guint32 number;   /* of the current call */
    gsize sent;       /* octets of the current frame, head included */
    GByteArray *read; /* of its reply */
    RelaisTimer deadline, pause, retry;
    RelaisLoopFunc work, worked; /* of the job that a worker has, or will get */
    guint quick_deaths;          /* in a row, without a reply between start and end */
    bool answered;               /* this process, once at least */
    gint64 pause_us;
    int status;      /* of the last one, as waitpid () says */
    int start_error; /* errno, or 0 */
};

static void pump (RelaisHelper *helper);

/* --- Calls ------------------------------------------------------------------------------------ */

static void
tell (gpointer data)
{
    Call *call = data;
    RelaisGuard outer;

    relais_guard_enter (&outer, call->module, "helper", call->id);
    call->done (call->outcome, call->reply, call->data);
    relais_guard_leave (&outer);
    g_clear_pointer (&call->reply, g_bytes_unref);
    g_bytes_unref (call->request);
    g_atomic_int_add (&call->host->jobs, -1);
    g_free (call);
}

/* Ends a call without reply, from a later turn. */
static void
fail_call (Call *call, RelaisHelperOutcome outcome)
{
    call->outcome = outcome;
    relais_loop_post (call->host->loop, tell, call);
}

static void
fail_waiting (RelaisHelper *helper, RelaisHelperOutcome outcome)
{
    Call *call;

    while ((call = g_queue_pop_head (&helper->waiting)) != NULL)
        fail_call (call, outcome);
}

static void
fail_current (RelaisHelper *helper, RelaisHelperOutcome outcome)
{
    if (helper->current != NULL)
        fail_call (g_steal_pointer (&helper->current), outcome);
}

void
relais_helper_call (RelaisHelper *helper, GBytes *request, gint64 timeout_us, RelaisHelperFunc done,
                    gpointer data)
{
    RelaisHost *host = helper->module->host;
    Call *call;

    g_return_if_fail (request != NULL && timeout_us > 0 && done != NULL);
    relais_loop_assert_owner (host->loop);
    call = g_new (Call, 1);
    *call = (Call){.request = g_bytes_ref (request),
                   .timeout_us = timeout_us,
                   .done = done,
                   .data = data,
                   .host = host,
                   .module = helper->module,
                   .id = relais_guard_id ()};
    g_atomic_int_inc (&host->jobs);
    if (relais_timer_is_set (&helper->pause)) {
        fail_call (call, RELAIS_HELPER_FAILED);
        return;
    }
    if (helper->waiting.length >= helper->max_waiting ||
        g_bytes_get_size (request) > RELAIS_HELPER_BYTES) {
        fail_call (call, RELAIS_HELPER_BUSY);
        return;
    }
    if (helper->fake) {
        g_autofree char *program = g_path_get_basename (helper->path);

        fail_call (call,
                   host->helper_peer (host->helper_peer_data, program, request, &call->reply));
        return;
    }
    g_queue_push_tail (&helper->waiting, call);
    pump (helper);
}

/* --- Burying ---------------------------------------------------------------------------------- */

static void
destroy (RelaisHelper *helper)
{
    g_byte_array_unref (helper->read);
    g_free (helper->path);
    g_free (helper->memory);
    g_free (helper);
}

/* Gives a worker something to do, or tries again soon where too many jobs wait. */
static void
run_job (gpointer data)
{
    RelaisHelper *helper = data;

    if (!relais_pool_run (helper->module->host->pool, helper->work, helper->worked, helper))
        relais_timer_set (&helper->retry, RETRY_US);
}

static void
begin_job (RelaisHelper *helper, RelaisLoopFunc work, RelaisLoopFunc done)
{
    helper->work = work;
    helper->worked = done;
    g_atomic_int_inc (&helper->module->host->jobs);
    run_job (helper);
}

static void
end_job (RelaisHelper *helper)
{
    g_atomic_int_add (&helper->module->host->jobs, -1);
    if (!helper->freed)
        pump (helper);
    else if (helper->state == HELPER_NONE)
        destroy (helper);
}

/* Worker. */
static void
wait_for_end (gpointer data)
{
    RelaisHelper *helper = data;

    while (waitpid (helper->pid, &helper->status, 0) < 0 && errno == EINTR)
        ;
}

static void
log_end (const RelaisHelper *helper)
{
    if (WIFSIGNALED (helper->status))
        relais_log (helper->module, RELAIS_LOG_WARNING, "%s: ended by signal %d (%s)", helper->path,
                    WTERMSIG (helper->status), g_strsignal (WTERMSIG (helper->status)));
    else
        relais_log (helper->module, RELAIS_LOG_WARNING, "%s: ended with status %d", helper->path,
                    WEXITSTATUS (helper->status));
}

/* A program that never gets as far as an answer is not started over and over at full speed. */
static void
note_death (RelaisHelper *helper)
{
    helper->quick_deaths = helper->answered ? 0 : helper->quick_deaths + 1;
    if (helper->quick_deaths < QUICK_DEATHS) {
        helper->pause_us = 0;
        return;
    }
    helper->pause_us = CLAMP (2 * helper->pause_us, FIRST_PAUSE_US, LONGEST_PAUSE_US);
    relais_timer_set (&helper->pause, helper->pause_us);
    fail_waiting (helper, RELAIS_HELPER_FAILED);
}

static void
buried (gpointer data)
{
    RelaisHelper *helper = data;

    helper->state = HELPER_NONE;
    if (!helper->freed) {
        log_end (helper);
        note_death (helper);
    }
    end_job (helper);
}

/* The process is of no use any more, whether it knows or not. */
static void
bury (RelaisHelper *helper)
{
    relais_timer_stop (&helper->deadline);
    g_clear_pointer (&helper->io, relais_io_free);
    close (helper->fd);
    kill (helper->pid, SIGKILL);
    helper->state = HELPER_BURYING;
    begin_job (helper, wait_for_end, buried);
}

/* --- Talking ---------------------------------------------------------------------------------- */

static void
on_deadline (gpointer data)
{
    RelaisHelper *helper = data;

    fail_current (helper, RELAIS_HELPER_TIMEOUT);
    bury (helper);
}

static void
died (RelaisHelper *helper)
{
    fail_current (helper, RELAIS_HELPER_DIED);
    bury (helper);
}

/* Hands over what the socket takes now; false when it is broken. */
static bool
write_some (RelaisHelper *helper)
{
    gsize size;
    const guint8 *bytes = g_bytes_get_data (helper->current->request, &size);
    const RelaisHelperHead head = {(guint32)size, helper->number};

    while (helper->sent < HEAD_BYTES + size) {
        const guint8 *from = helper->sent < HEAD_BYTES ? (const guint8 *)&head + helper->sent
                                                       : bytes + helper->sent - HEAD_BYTES;
        const gsize n = helper->sent < HEAD_BYTES ? HEAD_BYTES - helper->sent
                                                  : HEAD_BYTES + size - helper->sent;
        const gssize done = send (helper->fd, from, n, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0 && errno != EAGAIN)
            return false;
        if (done < 0) {
            relais_io_set_events (helper->io, EPOLLIN | EPOLLOUT);
            return true;
        }
        helper->sent += (gsize)done;
    }
    relais_io_set_events (helper->io, EPOLLIN);
    return true;
}

static void
begin_call (RelaisHelper *helper)
{
    helper->current = g_queue_pop_head (&helper->waiting);
    helper->sent = 0;
    helper->number++;
    g_byte_array_set_size (helper->read, 0);
    relais_timer_set (&helper->deadline, helper->current->timeout_us);
    if (!write_some (helper))
        died (helper);
}

static RelaisHelperHead
reply_head (const RelaisHelper *helper)
{
    RelaisHelperHead head;

    memcpy (&head, helper->read->data, sizeof head);
    return head;
}

static void
finish_call (RelaisHelper *helper)
{
    Call *call = g_steal_pointer (&helper->current);
    g_autoptr (GBytes) reply =
        g_bytes_new (helper->read->data + HEAD_BYTES, helper->read->len - HEAD_BYTES);

    RelaisGuard outer;

    relais_timer_stop (&helper->deadline);
    helper->answered = true;
    relais_guard_enter (&outer, call->module, "helper", call->id);
    call->done (RELAIS_HELPER_OK, reply, call->data);
    relais_guard_leave (&outer);
    g_bytes_unref (call->request);
    g_atomic_int_add (&call->host->jobs, -1);
    g_free (call);
    /* Still there: if the module freed it, it is only being buried. */
    if (!helper->freed)
        pump (helper);
}

/* True when the reply is whole; `*broken` when it never will be. */
static bool
read_some (RelaisHelper *helper, bool *broken)
{
    const guint old = helper->read->len;
    RelaisHelperHead head;
    gssize n;

    g_byte_array_set_size (helper->read, old + STEP_BYTES);
    n = recv (helper->fd, helper->read->data + old, STEP_BYTES, MSG_DONTWAIT);
    g_byte_array_set_size (helper->read, old + (n > 0 ? (guint)n : 0));
    *broken = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
    if (helper->read->len < HEAD_BYTES)
        return false;
    head = reply_head (helper);
    *broken |= head.size > RELAIS_HELPER_BYTES || helper->read->len > HEAD_BYTES + head.size ||
               helper->current == NULL || head.number != helper->number;
    return !*broken && helper->read->len == HEAD_BYTES + head.size;
}

static void
on_io (gpointer data, guint32 events)
{
    RelaisHelper *helper = data;
    bool broken = false;

    if ((events & EPOLLOUT) != 0 && helper->current != NULL && !write_some (helper)) {
        died (helper);
        return;
    }
    if ((events & ~(guint32)EPOLLOUT) == 0)
        return;
    if (read_some (helper, &broken))
        finish_call (helper);
    else if (broken)
        died (helper);
}

/* --- Starting --------------------------------------------------------------------------------- */

/* Worker. */
static int
spawn (RelaisHelper *helper, int fd)
{
    char *const argv[] = {helper->path, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    g_auto (GStrv) environment =
        g_environ_setenv (g_get_environ (), "RELAIS_HELPER_MEMORY", helper->memory, TRUE);
    sigset_t none;
    int error;

    sigemptyset (&none);
    posix_spawn_file_actions_init (&actions);
    posix_spawn_file_actions_adddup2 (&actions, fd, STDIN_FILENO);
    posix_spawn_file_actions_addopen (&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    /* Libraries open files and sockets that a program started meanwhile would inherit. */
    posix_spawn_file_actions_addclosefrom_np (&actions, STDERR_FILENO + 1);
    posix_spawnattr_init (&attributes);
    posix_spawnattr_setsigmask (&attributes, &none);
    posix_spawnattr_setflags (&attributes, POSIX_SPAWN_SETSIGMASK);
    error = posix_spawn (&helper->pid, helper->path, &actions, &attributes, argv, environment);
    posix_spawnattr_destroy (&attributes);
    posix_spawn_file_actions_destroy (&actions);
    return error;
}

/* Worker. */
static void
start (gpointer data)
{
    RelaisHelper *helper = data;
    int pair[2];

    if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        helper->start_error = errno;
        return;
    }
    helper->start_error = spawn (helper, pair[1]);
    close (pair[1]);
    helper->fd = pair[0];
    if (helper->start_error != 0)
        close (pair[0]);
}

static void
not_started (RelaisHelper *helper, const char *why)
{
    relais_log (helper->module, RELAIS_LOG_ERROR, "%s cannot be started: %s", helper->path, why);
    helper->answered = false;
    helper->quick_deaths = QUICK_DEATHS;
    note_death (helper);
}

static void
started (gpointer data)
{
    RelaisHelper *helper = data;
    g_autoptr (GError) error = NULL;

    helper->state = HELPER_NONE;
    helper->answered = false;
    if (helper->start_error != 0) {
        if (!helper->freed)
            not_started (helper, g_strerror (helper->start_error));
    } else {
        helper->state = HELPER_READY;
        helper->io =
            relais_io_new (helper->module->host->loop, helper->fd, EPOLLIN, on_io, helper, &error);
        if (helper->io == NULL)
            relais_log (helper->module, RELAIS_LOG_ERROR, "%s: %s", helper->path, error->message);
        if (helper->io == NULL || helper->freed)
            bury (helper); /* a job of its own */
    }
    end_job (helper);
}

/* Does what has to be done next. */
static void
pump (RelaisHelper *helper)
{
    if (helper->waiting.length == 0 || helper->current != NULL ||
        relais_timer_is_set (&helper->pause))
        return;
    if (helper->state == HELPER_READY)
        begin_call (helper);
    else if (helper->state == HELPER_NONE) {
        helper->state = HELPER_STARTING;
        begin_job (helper, start, started);
    }
}

/* --- Life ------------------------------------------------------------------------------------- */

static void
on_pause_over (gpointer data)
{
    pump (data);
}

RelaisHelper *
relais_helper_new (RelaisModule *module, const RelaisHelperInfo *info, GError **error)
{
    RelaisHost *host = module->host;
    RelaisHelperInfo known;
    g_autofree char *path = NULL;
    RelaisHelper *helper;
    bool fake;

    g_return_val_if_fail (info != NULL, NULL);
    if (!relais_copy_known (&known, sizeof known, info, info->struct_size) ||
        known.program == NULL || !relais_module_name_is_good (known.program) ||
        host->pool == NULL) {
        g_set_error (error, RELAIS_MODULE_ERROR, RELAIS_MODULE_ERROR_FILE,
                     _ ("%s: a helper's program is named [a-z0-9-]+"), module->descriptor.name);
        return NULL;
    }
    path = g_build_filename (host->module_dir, known.program, NULL);
    fake = host->helper_peer != NULL && host->helper_peer (host->helper_peer_data, known.program,
                                                           NULL, NULL) == RELAIS_HELPER_OK;
    if (!fake && !relais_module_check_file (host, path, error))
        return NULL;
    helper = g_new (RelaisHelper, 1);
    *helper = (RelaisHelper){
        .module = module,
        .path = g_steal_pointer (&path),
        .fake = fake,
        .memory = g_strdup_printf ("%" G_GUINT64_FORMAT,
                                   known.memory_bytes > 0 ? known.memory_bytes : MEMORY_BYTES),
        .max_waiting = known.max_waiting > 0 ? known.max_waiting : MAX_WAITING,
        .state = HELPER_NONE,
        .read = g_byte_array_new ()};
    relais_timer_init (&helper->deadline, host->loop, on_deadline, helper);
    relais_timer_init (&helper->pause, host->loop, on_pause_over, helper);
    relais_timer_init (&helper->retry, host->loop, run_job, helper);
    return helper;
}

pid_t
relais_helper_pid (const RelaisHelper *helper)
{
    return helper->state == HELPER_READY ? helper->pid : -1;
}

void
relais_helper_free (RelaisHelper *helper)
{
    if (helper == NULL)
        return;
    helper->freed = true;
    relais_timer_stop (&helper->pause);
    fail_current (helper, RELAIS_HELPER_STOPPED);
    fail_waiting (helper, RELAIS_HELPER_STOPPED);
    if (helper->state == HELPER_READY)
        bury (helper);
    else if (helper->state == HELPER_NONE)
        destroy (helper);
}
