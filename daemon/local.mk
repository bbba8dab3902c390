# SPDX-License-Identifier: Apache-2.0

# --- the daemon, as a library: the tests link it too. One noun per line, sorted. ---
noinst_LTLIBRARIES += libdaemon.la
libdaemon_la_SOURCES =
libdaemon_la_LIBADD = libproto.la libshimproto.la $(JANSSON_LIBS) $(NNG_LIBS)

libdaemon_la_SOURCES += daemon/access.c daemon/access.h
libdaemon_la_SOURCES += daemon/answers.c daemon/answers.h
libdaemon_la_SOURCES += daemon/capture.c daemon/capture.h
libdaemon_la_SOURCES += daemon/cgparse.c daemon/cgparse.h
libdaemon_la_SOURCES += daemon/cgroup.c daemon/cgroup.h
libdaemon_la_SOURCES += daemon/cgroup_host.c
libdaemon_la_SOURCES += daemon/cgroup_internal.h
libdaemon_la_SOURCES += daemon/cgroup_mounts.h
libdaemon_la_SOURCES += daemon/cgroup_ops.c
libdaemon_la_SOURCES += daemon/cgroup_path.c
libdaemon_la_SOURCES += daemon/cgroup_spec.c
libdaemon_la_LIBADD += $(CGROUP_LIBS)
libdaemon_la_SOURCES += daemon/command.c daemon/command.h
libdaemon_la_SOURCES += daemon/command_error.c
libdaemon_la_SOURCES += daemon/config.c daemon/config.h
libdaemon_la_SOURCES += daemon/connection.c
libdaemon_la_SOURCES += daemon/console.c daemon/console.h
libdaemon_la_SOURCES += daemon/json.c daemon/json.h
libdaemon_la_SOURCES += daemon/logger.c daemon/logger.h
libdaemon_la_SOURCES += daemon/eventlog.h
libdaemon_la_SOURCES += daemon/events.c daemon/events.h
libdaemon_la_SOURCES += daemon/events_read.c
libdaemon_la_SOURCES += daemon/events_serve.c
libdaemon_la_SOURCES += daemon/oom.c daemon/oom.h
libdaemon_la_SOURCES += daemon/oom_level.c daemon/oom_level.h
libdaemon_la_SOURCES += daemon/oom_log.c daemon/oom_log.h
libdaemon_la_SOURCES += daemon/pressure.c daemon/pressure.h
libdaemon_la_SOURCES += daemon/pressure_level.c daemon/pressure_level.h
libdaemon_la_SOURCES += daemon/keeper_link.c daemon/keeper_link.h
libdaemon_la_SOURCES += daemon/front.c daemon/front.h
libdaemon_la_SOURCES += daemon/fronts.c daemon/fronts.h
libdaemon_la_SOURCES += daemon/outbox.c daemon/outbox.h
libdaemon_la_SOURCES += daemon/outbox_message.c daemon/outbox_message.h
libdaemon_la_SOURCES += daemon/owner.c daemon/owner.h
libdaemon_la_SOURCES += daemon/owner_record.c daemon/owner_record.h
libdaemon_la_SOURCES += daemon/record.c daemon/record.h daemon/record_store.h
libdaemon_la_SOURCES += daemon/record_tombstone.c
libdaemon_la_SOURCES += daemon/segment.c daemon/segment.h
libdaemon_la_LIBADD += $(ZLIB_LIBS)
libdaemon_la_SOURCES += daemon/spec.c daemon/spec.h
libdaemon_la_SOURCES += daemon/spec_gvisor.c daemon/spec_gvisor.h
libdaemon_la_SOURCES += daemon/spec_json.c daemon/spec_json.h
libdaemon_la_SOURCES += daemon/spec_runtime.c
libdaemon_la_SOURCES += daemon/spec_urpc.c daemon/spec_urpc.h
libdaemon_la_SOURCES += daemon/relay.c daemon/relay.h
libdaemon_la_SOURCES += daemon/stdio.c daemon/stdio.h
libdaemon_la_SOURCES += daemon/stdio_uri.c daemon/stdio_uri.h
libdaemon_la_SOURCES += daemon/stats.c daemon/stats.h
libdaemon_la_SOURCES += daemon/stats_all.c daemon/stats_all.h
libdaemon_la_SOURCES += daemon/stats_internal.h
libdaemon_la_SOURCES += daemon/stats_v1.c
libdaemon_la_SOURCES += daemon/stats_v2.c
libdaemon_la_SOURCES += daemon/stats_verify.c daemon/stats_verify.h
libdaemon_la_SOURCES += daemon/stats_verify_io.c
libdaemon_la_LIBADD += -lm
libdaemon_la_LIBADD += libtoml.la
libdaemon_la_SOURCES += daemon/quota.c daemon/quota.h
libdaemon_la_SOURCES += daemon/request.c daemon/request.h
libdaemon_la_SOURCES += daemon/sp.c daemon/sp.h
libdaemon_la_SOURCES += daemon/transport.c daemon/transport.h daemon/transport_internal.h

libdaemon_la_SOURCES += daemon/unusable.c daemon/unusable.h
libdaemon_la_SOURCES += daemon/urpc.c daemon/urpc.h

# --- sandboxd-helper and sandboxd-mount: do what may block ---
pkglibexec_PROGRAMS += sandboxd-helper sandboxd-mount
sandboxd_helper_SOURCES = \
	daemon/helper/give.c \
	daemon/helper/helper.h \
	daemon/helper/main.c \
	daemon/helper/mountinfo.c \
	daemon/helper/mountinfo.h \
	daemon/helper/netns.c \
	daemon/helper/path.c \
	daemon/helper/path.h \
	daemon/helper/image.c \
	daemon/helper/read.c \
	daemon/helper/volumes.c \
	daemon/helper/write.c \
	daemon/helper/rmtree.c \
	daemon/helper/umount.c
# static: it runs for every create, and without the dynamic linker in half the time
sandboxd_helper_LDFLAGS = $(AM_LDFLAGS)
if !SANITIZERS
sandboxd_helper_LDFLAGS += -all-static
endif
sandboxd_helper_LDADD = libbase.la

sandboxd_mount_SOURCES = \
	daemon/helper/helper.h \
	daemon/helper/mount.c \
	daemon/helper/mount_main.c \
	daemon/helper/mountinfo.c \
	daemon/helper/mountinfo.h \
	daemon/helper/path.c \
	daemon/helper/path.h \
	daemon/helper/umount.c
sandboxd_mount_CFLAGS = $(AM_CFLAGS) $(MOUNT_CFLAGS)
sandboxd_mount_LDFLAGS = $(AM_LDFLAGS) -Wl,--as-needed
sandboxd_mount_LDADD = libbase.la $(MOUNT_LIBS)

# --- sandboxd ---
libdaemon_la_SOURCES += daemon/actions.c daemon/actions.h
libdaemon_la_SOURCES += daemon/adopt.c daemon/adopt.h
libdaemon_la_SOURCES += daemon/adopt_process.c daemon/adopt_process.h
libdaemon_la_SOURCES += daemon/adopt_record.c daemon/adopt_record.h
libdaemon_la_SOURCES += daemon/container.c daemon/container.h
libdaemon_la_SOURCES += daemon/container_cost.c daemon/container_cost.h
libdaemon_la_SOURCES += daemon/container_record.c
libdaemon_la_SOURCES += daemon/daemon.c daemon/daemon.h
libdaemon_la_SOURCES += daemon/entry.c
libdaemon_la_SOURCES += daemon/info.c daemon/info.h
libdaemon_la_SOURCES += daemon/kept.c daemon/kept.h
libdaemon_la_SOURCES += daemon/metrics.c daemon/metrics.h
libdaemon_la_SOURCES += daemon/metrics_http.c daemon/metrics_http.h
libdaemon_la_SOURCES += daemon/metrics_text.c daemon/metrics_text.h
libdaemon_la_SOURCES += daemon/lifecycle.c daemon/lifecycle.h
libdaemon_la_SOURCES += daemon/methods.c
libdaemon_la_SOURCES += daemon/publish.c daemon/publish.h
libdaemon_la_SOURCES += daemon/runsc_control.c daemon/runsc_control.h
libdaemon_la_SOURCES += daemon/dump.c daemon/dump.h
libdaemon_la_SOURCES += daemon/runsc_bundle.c daemon/runsc_bundle.h
libdaemon_la_SOURCES += daemon/runsc_usage.c daemon/runsc_usage.h
libdaemon_la_SOURCES += daemon/runsc_checkpoint.c daemon/runsc_checkpoint.h
libdaemon_la_SOURCES += daemon/runsc_exec.c daemon/runsc_exec.h
libdaemon_la_SOURCES += daemon/runsc_freeze.c daemon/runsc_freeze.h
libdaemon_la_SOURCES += daemon/runsc_netns.c daemon/runsc_netns.h
libdaemon_la_SOURCES += daemon/runsc_root.c daemon/runsc_root.h
libdaemon_la_SOURCES += daemon/runsc_sub.c daemon/runsc_sub.h
libdaemon_la_SOURCES += daemon/runtime.c daemon/runtime.h
libdaemon_la_SOURCES += daemon/settle.c
libdaemon_la_SOURCES += daemon/runtime_oci.c daemon/runtime_oci.h
libdaemon_la_SOURCES += daemon/runtime_prepare.c
libdaemon_la_SOURCES += daemon/runtime_runsc.c
libdaemon_la_SOURCES += daemon/runtime_start.c daemon/runtime_start.h

sbin_PROGRAMS += sandboxd
sandboxd_SOURCES = daemon/main.c
sandboxd_LDADD = libdaemon.la libproto.la libbase.la
