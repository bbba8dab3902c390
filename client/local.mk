# SPDX-License-Identifier: Apache-2.0
# Programs of this tree link libclient.la; others the library, which holds what it needs of base/ and proto/.
noinst_LTLIBRARIES += libclient.la
libclient_la_SOURCES = \
	client/client.c client/client.h \
	client/frame.c client/frame.h \
	client/link.c client/link.h
