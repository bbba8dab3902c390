# SPDX-License-Identifier: Apache-2.0
sbin_PROGRAMS += sandboxd-keeper
noinst_LTLIBRARIES += libkeeper.la
libkeeper_la_SOURCES = \
	keeper/child.c keeper/child.h \
	keeper/handover.c keeper/handover.h \
	keeper/loop.c keeper/loop.h \
	keeper/notify.c keeper/notify.h \
	keeper/statuses.c keeper/statuses.h \
	keeper/store.c keeper/store.h \
	keeper/upstream.c keeper/upstream.h \
	keeper/watchdog.c keeper/watchdog.h
sandboxd_keeper_SOURCES = keeper/main.c
sandboxd_keeper_LDFLAGS = $(AM_LDFLAGS) -Wl,--as-needed
sandboxd_keeper_LDADD = libkeeper.la libbase.la
