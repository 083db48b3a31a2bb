/* SPDX-License-Identifier: MIT
 * Threads over pthreads.
 */
#include "base/thread.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define THREAD_PROMPT_NS     100000 /* the least that the kernel takes for a slice */
#define THREAD_RESET_ON_FORK 1      /* SCHED_FLAG_RESET_ON_FORK */

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

int sg_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t until_us)
{
    const struct timespec until = {.tv_sec = until_us / 1000000, .tv_nsec = until_us % 1000000 * 1000};

    return pthread_cond_clockwait(cond, lock, CLOCK_MONOTONIC, &until) == ETIMEDOUT ? SG_E_TIMEOUT : 0;
}

void sg_thread_prompt(void)
{
    /* struct sched_attr of sched_setattr(2), first version; Debian 12's C library has no name for it. */
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime_ns, deadline_ns, period_ns;
    } attributes = {.size = sizeof(attributes),
                    .policy = SCHED_OTHER,
                    .flags = THREAD_RESET_ON_FORK,
                    .nice = getpriority(PRIO_PROCESS, 0),
                    .runtime_ns = THREAD_PROMPT_NS};

    /* A short slice is an early virtual deadline: EEVDF picks the thread as soon as it is runnable. */
    syscall(SYS_sched_setattr, 0, &attributes, 0);
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
    /* Not through the log, which has a thread of its own. */
    dprintf(STDERR_FILENO, "level=error msg=\"called on the wrong thread\" function=%s thread=%u owner=%u\n",
            what, sg_thread_self(), owner);
    abort();
}
