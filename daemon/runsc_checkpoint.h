/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A checkpoint that ends its sandbox, by the control socket: the helper makes the file, where that may hang, and gives
 * it to us, and the sandbox writes itself to it. One after which the sandbox is to go on is runsc's, of the releases
 * whose sandbox can: earlier ones (2022 is one) end it, make another one from the image, and wait for that one's end.
 * Which release it is, is asked for by a method that came later than that.
 */

#include "daemon/runtime.h"

/* CHECKPOINT. False: this one is for runsc's command line. */
bool runsc_checkpoint_begin(struct op *op);
