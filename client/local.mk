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

# --- sandboxctl: all but main, so that tests can link it ---
noinst_LTLIBRARIES += libctl.la
libctl_la_SOURCES = \
	client/ctl/cmd_attach.c \
	client/ctl/cmd_checkpoint.c \
	client/ctl/cmd_create.c \
	client/ctl/cmd_debug.c \
	client/ctl/cmd_delete.c \
	client/ctl/cmd_events.c \
	client/ctl/cmd_exec.c \
	client/ctl/cmd_help.c \
	client/ctl/cmd_info.c \
	client/ctl/cmd_kill.c \
	client/ctl/cmd_list.c \
	client/ctl/cmd_metrics.c \
	client/ctl/cmd_pause.c \
	client/ctl/cmd_ps.c \
	client/ctl/cmd_restore.c \
	client/ctl/cmd_resume.c \
	client/ctl/cmd_run.c \
	client/ctl/cmd_spec.c \
	client/ctl/cmd_start.c \
	client/ctl/cmd_state.c \
	client/ctl/cmd_stats.c \
	client/ctl/cmd_top.c \
	client/ctl/cmd_update.c \
	client/ctl/cmd_wait.c \
	client/ctl/commands.h \
	client/ctl/ctl.c client/ctl/ctl.h \
	client/ctl/ending.c client/ctl/ending.h \
	client/ctl/help.c \
	client/ctl/launch.c client/ctl/launch.h \
	client/ctl/launch_config.c \
	client/ctl/options.c client/ctl/options.h \
	client/ctl/output.c client/ctl/output.h \
	client/ctl/session.c client/ctl/session.h \
	client/ctl/spec.c client/ctl/spec.h client/ctl/spec_internal.h \
	client/ctl/spec_mounts.c \
	client/ctl/spec_process.c \
	client/ctl/spec_user.c \
	client/ctl/stats_pages.c client/ctl/stats_pages.h \
	client/ctl/stdio.c client/ctl/stdio.h \
	client/ctl/terminal.c client/ctl/terminal.h \
	client/ctl/units.c client/ctl/units.h \
	client/ctl/verbs.c
libctl_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(SMARTCOLS_CFLAGS)
libctl_la_LIBADD = libclient.la libproto.la $(JANSSON_LIBS) $(SMARTCOLS_LIBS) -lm

bin_PROGRAMS += sandboxctl
sandboxctl_SOURCES = client/ctl/main.c
sandboxctl_LDADD = libctl.la

# --- containerd-shim-sandboxd-v1: all but main, so that tests can link it ---
noinst_LTLIBRARIES += libshim.la
libshim_la_SOURCES = \
	client/shim/args.c client/shim/args.h \
	client/shim/bootstrap.c client/shim/bootstrap.h \
	client/shim/call.c client/shim/call.h \
	client/shim/conn.c client/shim/conn.h \
	client/shim/conn_send.c \
	client/shim/confine.h \
	client/shim/confine_calls.c \
	client/shim/confine_capabilities.c \
	client/shim/delete.c \
	client/shim/front.c client/shim/front.h \
	client/shim/info.c \
	client/shim/json.c client/shim/json.h \
	client/shim/journal.c client/shim/journal.h \
	client/shim/keep.c client/shim/keep.h \
	client/shim/metrics.c client/shim/metrics.h \
	client/shim/metrics_v1.c \
	client/shim/metrics_v2.c \
	client/shim/options.c client/shim/options.h \
	client/shim/options_file.c client/shim/options_file.h \
	client/shim/place.c client/shim/place.h \
	client/shim/restore.c \
	client/shim/rpc.c client/shim/rpc.h \
	client/shim/shim.h \
	client/shim/start.c \
	client/shim/stub.c client/shim/stub.h \
	client/shim/task.c client/shim/task.h \
	client/shim/task_answer.c \
	client/shim/task_ask.c \
	client/shim/waits.c client/shim/waits.h
libshim_la_CFLAGS = $(AM_CFLAGS) $(PROTOBUF_C_CFLAGS) $(SECCOMP_CFLAGS) $(CAPNG_CFLAGS) $(JANSSON_CFLAGS)
libshim_la_LIBADD = libclient.la libtoml.la libshimproto.la libproto.la $(SECCOMP_LIBS) $(CAPNG_LIBS) $(JANSSON_LIBS)

bin_PROGRAMS += containerd-shim-sandboxd-v1
containerd_shim_sandboxd_v1_SOURCES = client/shim/main.c
containerd_shim_sandboxd_v1_LDADD = libshim.la
# It is executed twice for each container: the dynamic linker would take a third of its time for these. Where one is not
# there as an archive, the shared library is found as ever.
SHIM_ARCHIVES = cap-ng ev jansson msgpackc protobuf-c seccomp
containerd_shim_sandboxd_v1_LDFLAGS = $(AM_LDFLAGS) -Lclient/shim/archives -Wl,--as-needed
containerd_shim_sandboxd_v1_DEPENDENCIES = libshim.la client/shim/archives/made
client/shim/archives/made:
	$(AM_V_GEN)mkdir -p client/shim/archives && for name in $(SHIM_ARCHIVES); do \
		file=`$(CC) $(CFLAGS) -print-file-name=lib$$name.a` && case $$file in /*) ln -sf $$file client/shim/archives/ ;; esac; \
	done && touch $@
clean-local: clean-archives
clean-archives:
	rm -rf client/shim/archives
.PHONY: clean-archives
