/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <limits.h>
#include "base/error.h"

/*
 * An absolute path, split at its last slash: the directory is opened (O_PATH) and its canonical name told, the last
 * component is left as it is, so that a symbolic link there is never followed.
 */
struct split_path {
        int dir_fd; /* -1: the directory is not there */
        char name[NAME_MAX + 1];
        char full[PATH_MAX]; /* canonical directory and name */
};
#define SPLIT_PATH_NULL { .dir_fd = -1 }

/* 0, also when the directory is not there; -1 for a path that is not absolute, is "/", or ends in "." or "..". */
int split_path_open(struct split_path *ret, const char *path, struct error *err);
void split_path_close(struct split_path *p);
