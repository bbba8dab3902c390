# SPDX-License-Identifier: Apache-2.0

# --- sandboxd-helper: does what may block ---
pkglibexec_PROGRAMS += sandboxd-helper
sandboxd_helper_SOURCES = \
	daemon/helper/helper.h \
	daemon/helper/main.c \
	daemon/helper/mount.c \
	daemon/helper/mountinfo.c \
	daemon/helper/mountinfo.h \
	daemon/helper/netns.c \
	daemon/helper/path.c \
	daemon/helper/path.h \
	daemon/helper/rmtree.c \
	daemon/helper/umount.c
sandboxd_helper_CFLAGS = $(AM_CFLAGS) $(MOUNT_CFLAGS)
sandboxd_helper_LDFLAGS = $(AM_LDFLAGS) -Wl,--as-needed
sandboxd_helper_LDADD = libbase.la $(MOUNT_LIBS)
