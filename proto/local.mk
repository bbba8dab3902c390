# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += libproto.la
libproto_la_SOURCES = \
	proto/arena.c \
	proto/codec.c proto/codec.h \
	proto/desc.h \
	proto/errors.def \
	proto/events.def \
	proto/field.c proto/field.h \
	proto/front.h \
	proto/ids.c \
	proto/limits.h \
	proto/messages.def \
	proto/methods.def \
	proto/proto.h \
	proto/shape.c proto/shape.h \
	proto/states.def \
	proto/tables.c
libproto_la_CFLAGS = $(AM_CFLAGS) $(MSGPACK_CFLAGS)
libproto_la_LIBADD = libbase.la $(MSGPACK_LIBS)
