/* SPDX-License-Identifier: MIT
 * A stack of nodes that writers push with compare-and-swap and the reader swaps away whole, then reverses.
 * The reader never pops single nodes, so the ABA problem of lock-free stacks does not arise.
 */
#include "base/mailbox.h"

void sg_mailbox_init(struct sg_mailbox *box, void (*wake)(void *arg), void *wake_arg)
{
    atomic_init(&box->newest, NULL);
    box->wake = wake;
    box->wake_arg = wake_arg;
}

void sg_mailbox_push(struct sg_mailbox *box, struct sg_mail_node *node)
{
    struct sg_mail_node *newest = atomic_load_explicit(&box->newest, memory_order_relaxed);

    /* Release: the reader's acquire in take_all sees the node and all that came before. */
    do
        node->next = newest;
    while (!atomic_compare_exchange_weak_explicit(&box->newest, &newest, node, memory_order_release,
                                                  memory_order_relaxed));
    /* Only the first push wakes: the reader takes everything when it comes. The node may be gone already. */
    if (!newest && box->wake)
        box->wake(box->wake_arg);
}

struct sg_mail_node *sg_mailbox_take_all(struct sg_mailbox *box)
{
    struct sg_mail_node *node = atomic_exchange_explicit(&box->newest, NULL, memory_order_acquire);
    struct sg_mail_node *chain = NULL;

    while (node) {
        struct sg_mail_node *older = node->next;

        node->next = chain;
        chain = node;
        node = older;
    }
    return chain;
}
