/* SPDX-License-Identifier: MIT
 * Counting what connections and addresses hold.
 */
#include "admission/fair_share.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
    const struct sg_share_address *first = a, *second = b;

    return memcmp(first->key, second->key, SG_SHARE_KEY_BYTES);
}

static struct sg_share_address *find_or_add(sg_share_tree *tree, const uint8_t key[SG_SHARE_KEY_BYTES])
{
    struct sg_share_address *address = calloc(1, sizeof(*address));
    struct sg_share_address **node;

    if (!address)
        return NULL;
    memcpy(address->key, key, SG_SHARE_KEY_BYTES);
    node = tsearch(address, tree, compare);
    if (!node || *node != address)
        free(address);
    return node ? *node : NULL;
}

struct sg_share_member *sg_share_join(sg_share_tree *tree, const uint8_t key[SG_SHARE_KEY_BYTES])
{
    struct sg_share_member *member = calloc(1, sizeof(*member));

    if (!member)
        return NULL;
    member->address = find_or_add(tree, key);
    if (!member->address) {
        free(member);
        return NULL;
    }
    member->refs = 1;
    member->address->members++;
    return member;
}

struct sg_share_member *sg_share_ref(struct sg_share_member *member)
{
    if (member)
        member->refs++;
    return member;
}

void sg_share_unref(sg_share_tree *tree, struct sg_share_member **member)
{
    struct sg_share_member *m = *member;

    *member = NULL;
    if (!m || --m->refs > 0)
        return;
    if (--m->address->members == 0) {
        tdelete(m->address, tree, compare);
        free(m->address);
    }
    free(m);
}

void sg_share_count(struct sg_share_member *member, int jobs, int64_t bytes)
{
    struct sg_share_held *held[2];
    int i;

    if (!member)
        return;
    held[0] = &member->held;
    held[1] = &member->address->held;
    for (i = 0; i < 2; i++) {
        held[i]->jobs += jobs;
        held[i]->bytes = (size_t)((int64_t)held[i]->bytes + bytes);
    }
}

bool sg_share_over_jobs(const struct sg_share_member *member, int free_jobs)
{
    const int own = member ? member->held.jobs : 0, all = member ? member->address->held.jobs : 0;

    return (own > 0 && own / SG_SHARE_CONNECTION >= free_jobs) ||
           (all > 0 && all / SG_SHARE_ADDRESS >= free_jobs);
}

bool sg_share_over_bytes(const struct sg_share_member *member, size_t free_bytes)
{
    const size_t own = member ? member->held.bytes : 0, all = member ? member->address->held.bytes : 0;

    return (own > 0 && own / SG_SHARE_CONNECTION >= free_bytes) ||
           (all > 0 && all / SG_SHARE_ADDRESS >= free_bytes);
}
