# SPDX-License-Identifier: Apache-2.0
dist_doc_DATA += contrib/sandboxd.toml

bashcompdir = $(datadir)/bash-completion/completions
dist_bashcomp_DATA = contrib/completion/bash/sandboxctl
zshcompdir = $(datadir)/zsh/vendor-completions
dist_zshcomp_DATA = contrib/completion/zsh/_sandboxctl

systemdunitdir = $(prefix)/lib/systemd/system
nodist_systemdunit_DATA = contrib/systemd/sandboxd.service
EXTRA_DIST += contrib/systemd/sandboxd.service.in
CLEANFILES += contrib/systemd/sandboxd.service
contrib/systemd/sandboxd.service: contrib/systemd/sandboxd.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) contrib/systemd && sed 's|@sbindir[@]|$(sbindir)|g' $(srcdir)/contrib/systemd/sandboxd.service.in > $@.tmp && mv $@.tmp $@

EXTRA_DIST += contrib/kubernetes/runtimeclass.yaml contrib/containerd/README contrib/containerd/config-v2.toml contrib/containerd/config-v3.toml contrib/containerd/crun.toml contrib/containerd/runsc.toml
