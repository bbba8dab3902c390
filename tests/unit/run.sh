#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs a test program and mends its TAP: cmocka says `not ok 3 # SKIP name` of a skipped test, which is a failure to
# automake's driver. It becomes `ok 3 - name # SKIP reason`, the reason being the comment that the test has just printed.
set -o pipefail
"$@" | awk '
        /^not ok [0-9]+ # SKIP / {
                name = $0
                sub(/^not ok [0-9]+ # SKIP */, "", name)
                print "ok " $3 " - " name " # SKIP " reason
                reason = ""
                next
        }
        { reason = "" }
        /^# / { reason = substr($0, 3) }
        { print }'
