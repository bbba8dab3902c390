# SPDX-License-Identifier: Apache-2.0
# `make bench` measures; nothing here is part of `make check`.
BENCHES = tests/bench/bench tests/bench/pause
EXTRA_PROGRAMS += $(BENCHES)
tests_bench_bench_SOURCES = \
	tests/bench/bench.h \
	tests/bench/fifo.c \
	tests/bench/fleet.c \
	tests/bench/gvisor.c \
	tests/bench/life.c \
	tests/bench/main.c \
	tests/bench/ops.c \
	tests/bench/rpc.c \
	tests/bench/util.c
nodist_tests_bench_bench_SOURCES = client/methods.h
tests_bench_bench_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/client
tests_bench_bench_LDADD = libclient.la libproto.la libbase.la $(MSGPACK_LIBS)
tests_bench_pause_SOURCES = tests/bench/pause.c
tests_bench_pause_CFLAGS = -O2
tests_bench_pause_LDFLAGS = -all-static
EXTRA_DIST += tests/bench/containerd.py tests/bench/containerd.sh tests/bench/run.sh
CLEANFILES += $(BENCHES)

bench: all $(BENCHES)
	top_builddir='$(abs_top_builddir)' bash $(srcdir)/tests/bench/run.sh
# gVisor: its control socket, the first byte, memory of many sandboxes.
bench-gvisor: all $(BENCHES)
	top_builddir='$(abs_top_builddir)' BENCH_PARTS=gvisor BENCH_RUNTIMES=runsc BENCH_FLEET="$${BENCH_FLEET:-100}" bash $(srcdir)/tests/bench/run.sh
# Beside containerd's own shim.
bench-containerd: all
	top_srcdir='$(srcdir)' top_builddir='$(abs_top_builddir)' bash $(srcdir)/tests/bench/containerd.sh $(BENCH_CONTAINERD)
.PHONY: bench bench-gvisor bench-containerd
