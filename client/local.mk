# SPDX-License-Identifier: Apache-2.0
# Programs of this tree link libclient.la; others the library, which holds what it needs of base/ and proto/.
noinst_LTLIBRARIES += libclient.la
libclient_la_SOURCES = \
	client/client.c client/client.h \
	client/frame.c client/frame.h \
	client/link.c client/link.h

lib_LTLIBRARIES += libsandboxd-client.la
libsandboxd_client_la_SOURCES = $(libclient_la_SOURCES) $(libproto_la_SOURCES) \
	base/buf.c base/buf.h \
	base/cleanup.h \
	base/clock.c base/clock.h \
	base/error.c base/error.h \
	base/fd.c base/fd.h
libsandboxd_client_la_CFLAGS = $(AM_CFLAGS) $(MSGPACK_CFLAGS)
libsandboxd_client_la_LDFLAGS = $(AM_LDFLAGS) -no-undefined -version-info 0:0:0 -export-symbols $(srcdir)/client/client.sym
libsandboxd_client_la_LIBADD = $(MSGPACK_LIBS)
libsandboxd_client_la_DEPENDENCIES = client/client.sym
EXTRA_DIST += client/client.sym
pkgconfig_DATA += client/sandboxd.pc

pkgincludedir = $(includedir)/sandboxd
pkginclude_HEADERS = client/client.h
nodist_pkginclude_HEADERS = client/methods.h
noinst_PROGRAMS += client/gen-methods
client_gen_methods_SOURCES = client/gen-methods.c
client_gen_methods_LDADD = libproto.la
client/methods.h: client/gen-methods$(EXEEXT)
	$(AM_V_GEN)client/gen-methods$(EXEEXT) > $@.tmp && mv $@.tmp $@
BUILT_SOURCES += client/methods.h
CLEANFILES += client/methods.h
