/* SPDX-License-Identifier: Apache-2.0 */

/* The idle workload of the benchmarks: linked statically, so that it costs its container almost nothing. */

#include <unistd.h>

int main(void)
{
        for (;;)
                pause();
}
