/* SPDX-License-Identifier: MIT
 * Named threads, and assertions that a function runs on the thread it belongs to.
 */
#ifndef SG_BASE_THREAD_H
#define SG_BASE_THREAD_H

#include "base/error.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define SG_THREAD_NAME_MAX 16 /* with the NUL; the kernel's limit */

struct sg_thread {
    pthread_t handle;
    bool started;
    char name[SG_THREAD_NAME_MAX];
    void (*run)(void *arg);
    void *arg;
};

/* Starts run(arg) on a thread of that name with every signal blocked, so that signals reach the loop thread.
 * `thread` must stay where it is until joined. SG_E_NOMEM when the system refuses another thread. */
int sg_thread_start(struct sg_thread *thread, void (*run)(void *arg), void *arg, struct sg_error *err,
                    const char *name_format, ...) __attribute__((format(printf, 5, 6)));
/* Waits for its end; nothing happens when it was never started. */
void sg_thread_join(struct sg_thread *thread);
/* Names the calling thread (the loop names itself). */
void sg_thread_name_set(const char *name);

/* Waits under the lock for a signal or until that moment of sg_clock_us, whatever happens to the wall clock.
 * SG_E_TIMEOUT when the moment has come; 0 may also be for nothing, as with every condition. */
int sg_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t until_us);

/* Asks the system to let the calling thread run soon after it wakes up, for threads that work little and
 * often beside others that compute. Costs them nothing; where the system cannot (Linux before 6.12), nothing
 * happens. Threads started later do not inherit it. */
void sg_thread_prompt(void);

/* A number of the calling thread, above 0, never reused in this process. */
unsigned sg_thread_self(void);
/* Ends the process with a message when the caller is not thread `owner` (a number from sg_thread_self;
 * 0 = not bound yet, anyone may call). `what` names the function. */
void sg_thread_check(unsigned owner, const char *what);

#define SG_ASSERT_THREAD(owner) sg_thread_check((owner), __func__)

#endif
