/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* For tests that want memory of an arena: a new one for each. */

#include "tests/unit/unit.h"

#include "proto/codec.h"

static struct arena *arena;

static int setup(void **state)
{
        arena = arena_new();
        return arena ? 0 : -1;
}

static int teardown(void **state)
{
        arena = arena_free(arena);
        return 0;
}
