# SPDX-License-Identifier: Apache-2.0
dist_doc_DATA += contrib/sandboxd.toml

bashcompdir = $(datadir)/bash-completion/completions
dist_bashcomp_DATA = contrib/completion/bash/sandboxctl
zshcompdir = $(datadir)/zsh/vendor-completions
dist_zshcomp_DATA = contrib/completion/zsh/_sandboxctl
