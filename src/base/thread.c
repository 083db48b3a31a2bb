/* SPDX-License-Identifier: MIT
 * Threads over pthreads.
 */
#include "base/thread.h"

#include "base/log.h"

#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static atomic_uint last_number;
static _Thread_local unsigned own_number;

static void *thread_main(void *arg)
{
    struct sg_thread *thread = arg;

    sg_thread_name_set(thread->name);
    thread->run(thread->arg);
    return NULL;
}

int sg_thread_start(struct sg_thread *thread, void (*run)(void *arg), void *arg, struct sg_error *err,
                    const char *name_format, ...)
{
    sigset_t all, before;
    va_list args;
    int code;

    va_start(args, name_format);
    vsnprintf(thread->name, sizeof(thread->name), name_format, args);
    va_end(args);
    thread->run = run;
    thread->arg = arg;
    thread->started = false;
    /* The mask is inherited, so that the new thread has it from its first instruction. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    code = pthread_create(&thread->handle, NULL, thread_main, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code != 0)
        return sg_error_set(err, SG_E_NOMEM, "cannot start thread \"%s\": %s", thread->name, strerror(code));
    thread->started = true;
    return 0;
}

void sg_thread_join(struct sg_thread *thread)
{
    if (!thread->started)
        return;
    pthread_join(thread->handle, NULL);
    thread->started = false;
}

void sg_thread_name_set(const char *name)
{
    pthread_setname_np(pthread_self(), name);
}

unsigned sg_thread_self(void)
{
    if (own_number == 0)
        own_number = atomic_fetch_add_explicit(&last_number, 1, memory_order_relaxed) + 1;
    return own_number;
}

void sg_thread_check(unsigned owner, const char *what)
{
    if (owner == 0 || owner == sg_thread_self())
        return;
    sg_log(SG_LOG_ERROR, "called on the wrong thread", "function=%s thread=%u owner=%u", what,
           sg_thread_self(), owner);
    abort();
}
