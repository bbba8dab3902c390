# SPDX-License-Identifier: Apache-2.0

# Generated, and kept in the tree so that it can be read there; tests/check-docs.sh says when it is stale.
dist_doc_DATA += doc/protocol.md doc/states.md
EXTRA_DIST += doc/protocol.md.in doc/states.md.in
dist_doc_DATA += doc/containerd.md doc/gvisor.md doc/metrics.md
.PHONY: docs
docs: tools/gen-docs$(EXEEXT) tools/gen-states$(EXEEXT)
	$(AM_V_GEN)tools/gen-docs$(EXEEXT) $(srcdir)/doc/protocol.md.in > $(srcdir)/doc/protocol.md.tmp && mv $(srcdir)/doc/protocol.md.tmp $(srcdir)/doc/protocol.md
	$(AM_V_GEN)tools/gen-states$(EXEEXT) $(srcdir)/doc/states.md.in > $(srcdir)/doc/states.md.tmp && mv $(srcdir)/doc/states.md.tmp $(srcdir)/doc/states.md
dist_man_MANS += doc/sandboxd-keeper.8
dist_man_MANS += doc/sandboxctl.1
dist_man_MANS += doc/containerd-shim-sandboxd-v1.8 doc/sandboxd.8 doc/sandboxd.toml.5
