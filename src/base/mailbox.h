/* SPDX-License-Identifier: MIT
 * A mailbox: many threads push intrusive nodes, one thread takes all of them at once. Pushing moves the
 * ownership of what the node is part of. No lock, no allocation, a push cannot fail.
 */
#ifndef SG_BASE_MAILBOX_H
#define SG_BASE_MAILBOX_H

#include <stdatomic.h>
#include <stddef.h>

/* Embedded in what is sent; in one mailbox or list at a time. */
struct sg_mail_node {
    struct sg_mail_node *next;
};

/* The struct that `node` is the member `member` of. */
#define sg_container_of(node, type, member) ((type *)(void *)((char *)(node) - offsetof(type, member)))

struct sg_mailbox {
    _Atomic(struct sg_mail_node *) newest;
    void (*wake)(void *arg); /* any thread; called by the push that found the mailbox empty */
    void *wake_arg;
};

/* wake may be NULL for a reader that polls. */
void sg_mailbox_init(struct sg_mailbox *box, void (*wake)(void *arg), void *wake_arg);
/* Any thread. What was written to the node's owner before is seen by the thread that takes it. */
void sg_mailbox_push(struct sg_mailbox *box, struct sg_mail_node *node);
/* The reading thread: everything pushed so far as a chain linked by next, oldest first; NULL when empty. */
struct sg_mail_node *sg_mailbox_take_all(struct sg_mailbox *box);

#endif
