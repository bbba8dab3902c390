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
	proto/keeper.h \
	proto/limits.h \
	proto/messages.def \
	proto/methods.def \
	proto/openmetrics.c proto/openmetrics.h \
	proto/proto.h \
	proto/shape.c proto/shape.h \
	proto/states.def \
	proto/tables.c
libproto_la_CFLAGS = $(AM_CFLAGS) $(MSGPACK_CFLAGS)
libproto_la_LIBADD = libbase.la $(MSGPACK_LIBS)

# --- option files: the daemon's own, and those that containerd hands to a shim ---
noinst_LTLIBRARIES += libtoml.la
libtoml_la_SOURCES = \
	proto/toml.c proto/toml.h \
	proto/toml_get.c \
	proto/toml_tree.h
libtoml_la_LIBADD = libproto.la

# --- what is spoken with containerd: messages compiled from proto/shim/*.proto, and ttrpc ---
SHIM_PROTOS = \
	proto/shim/bootstrap.proto \
	proto/shim/common.proto \
	proto/shim/events.proto \
	proto/shim/metrics.proto \
	proto/shim/metrics_v1.proto \
	proto/shim/metrics_v2.proto \
	proto/shim/options.proto \
	proto/shim/task.proto \
	proto/shim/ttrpc.proto
SHIM_PB_C = $(SHIM_PROTOS:.proto=.pb-c.c)
SHIM_PB_H = $(SHIM_PROTOS:.proto=.pb-c.h)
EXTRA_DIST += $(SHIM_PROTOS)
BUILT_SOURCES += $(SHIM_PB_H)
CLEANFILES += $(SHIM_PB_C) $(SHIM_PB_H)
proto/shim/%.pb-c.c proto/shim/%.pb-c.h: proto/shim/%.proto
	$(AM_V_GEN)$(MKDIR_P) proto/shim && $(PROTOC_C) --proto_path=$(srcdir) --c_out=. $(srcdir)/proto/shim/$*.proto

noinst_LTLIBRARIES += libshimproto.la
libshimproto_la_SOURCES = \
	proto/shim.c proto/shim.h \
	proto/ttrpc.c proto/ttrpc.h
nodist_libshimproto_la_SOURCES = \
	proto/shim/bootstrap.pb-c.c proto/shim/bootstrap.pb-c.h \
	proto/shim/common.pb-c.c proto/shim/common.pb-c.h \
	proto/shim/events.pb-c.c proto/shim/events.pb-c.h \
	proto/shim/metrics.pb-c.c proto/shim/metrics.pb-c.h \
	proto/shim/metrics_v1.pb-c.c proto/shim/metrics_v1.pb-c.h \
	proto/shim/metrics_v2.pb-c.c proto/shim/metrics_v2.pb-c.h \
	proto/shim/options.pb-c.c proto/shim/options.pb-c.h \
	proto/shim/task.pb-c.c proto/shim/task.pb-c.h \
	proto/shim/ttrpc.pb-c.c proto/shim/ttrpc.pb-c.h
libshimproto_la_CFLAGS = $(AM_CFLAGS) $(PROTOBUF_C_CFLAGS)
libshimproto_la_LIBADD = libbase.la $(PROTOBUF_C_LIBS)
