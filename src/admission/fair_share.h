/* SPDX-License-Identifier: MIT
 * Who holds how much of the gate, so that nobody takes all of it. Loop thread only.
 *
 * A bound that moves instead of a quota: a connection may hold at most SG_SHARE_CONNECTION times as much as
 * is still free, all connections of one address together SG_SHARE_ADDRESS times. Alone, a client may so use
 * most of the gate; several greedy ones get equal parts, and always leave room for one that has just come
 * (Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory packet switches", 1998).
 */
#ifndef SG_ADMISSION_FAIR_SHARE_H
#define SG_ADMISSION_FAIR_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SG_SHARE_CONNECTION 2
#define SG_SHARE_ADDRESS    32
#define SG_SHARE_KEY_BYTES  16 /* an IPv6 address, or what else tells clients apart */

struct sg_share_held {
    int jobs;
    size_t bytes;
};

/* All connections of one address. */
struct sg_share_address {
    uint8_t key[SG_SHARE_KEY_BYTES];
    int members;
    struct sg_share_held held;
};

/* One connection, and those of its jobs that outlive it. */
struct sg_share_member {
    int refs;
    struct sg_share_held held;
    struct sg_share_address *address;
};

/* Addresses that have members, as tsearch(3) keeps them; NULL at first and when the last member has gone. */
typedef void *sg_share_tree;

/* A member with one reference; NULL when memory ran out. */
struct sg_share_member *sg_share_join(sg_share_tree *tree, const uint8_t key[SG_SHARE_KEY_BYTES]);
/* NULL is nobody: nothing is counted, nothing is over. */
struct sg_share_member *sg_share_ref(struct sg_share_member *member);
void sg_share_unref(sg_share_tree *tree, struct sg_share_member **member);
void sg_share_count(struct sg_share_member *member, int jobs, int64_t bytes);
/* Whether the member, or its address, holds as many jobs (bytes) as it may beside what is free. Who holds
 * none never does. */
bool sg_share_over_jobs(const struct sg_share_member *member, int free_jobs);
bool sg_share_over_bytes(const struct sg_share_member *member, size_t free_bytes);

#endif
