# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += libbase.la
libbase_la_SOURCES = \
	base/atomicfile.c base/atomicfile.h \
	base/buf.c base/buf.h \
	base/cleanup.h \
	base/clock.c base/clock.h \
	base/crash.c base/crash.h \
	base/error.c base/error.h \
	base/fd.c base/fd.h \
	base/log.c base/log.h \
	base/loop.c base/loop.h \
	base/pidref.c base/pidref.h \
	base/reaper.c base/reaper.h \
	base/sdnotify.c base/sdnotify.h \
	base/spawn.c base/spawn.h \
	base/spawn_child.c base/spawn_child.h
libbase_la_LIBADD = $(EV_LIBS)
