# SPDX-License-Identifier: Apache-2.0

# --- generators of documents: tools/docs.h ---
noinst_PROGRAMS += tools/gen-docs
tools_gen_docs_SOURCES = tools/gen-docs.c tools/docs.c tools/docs.h
tools_gen_docs_LDADD = libproto.la
EXTRA_DIST += tools/install-deps tools/check-includes tools/wrap
noinst_PROGRAMS += tools/gen-states
tools_gen_states_SOURCES = tools/gen-states.c tools/docs.c tools/docs.h
tools_gen_states_LDADD = libdaemon.la
