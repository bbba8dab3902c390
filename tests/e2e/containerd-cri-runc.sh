#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Pods of Kubernetes on runc: containerd's CRI plugin above sandboxd.

. "${top_srcdir:-.}/tests/e2e/cri-lib.sh"
. "$top_srcdir/tests/e2e/cri-cases.sh"

the_life_on_oci runc
