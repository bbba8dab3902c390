/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The front reads what others send it, and needs nothing of root for that but root's name: it gives all capabilities
 * back (confine_capabilities.c), and all system calls that it does not make (confine_calls.c), before it reads the
 * first byte. Nothing that it could execute would get more.
 */

int confine_capabilities(void); /* 0 or -errno */
/* A call that is not allowed fails with EPERM: the front is not to die of one that a new C library makes. 0 or -errno.
 */
int confine_calls(void);
