################################################################################
#
# orama-go
#
################################################################################

# Go as the Go project publishes it: a module that each Go downloads when a
# go.mod asks for a newer one. Its builds are reproducible bit by bit.
ORAMA_GO_VERSION = 1.26.8
ORAMA_GO_SITE = $(ORAMAOS_GO_PROXY)/golang.org/toolchain/@v
ORAMA_GO_SOURCE = v0.0.1-go$(ORAMA_GO_VERSION).linux-amd64.zip
ORAMA_GO_LICENSE = BSD-3-Clause
ORAMA_GO_LICENSE_FILES = LICENSE
HOST_ORAMA_GO_PROVIDES = host-go

# A zip has no modes.
define HOST_ORAMA_GO_EXTRACT_CMDS
	$(UNZIP) -d $(@D)/zip $(HOST_ORAMA_GO_DL_DIR)/$(ORAMA_GO_SOURCE)
	cp -r $(@D)/zip/golang.org/toolchain@$(basename $(ORAMA_GO_SOURCE))/. $(@D)/
	rm -rf $(@D)/zip
	chmod +x $(@D)/bin/* $(@D)/pkg/tool/linux_amd64/*
endef

define HOST_ORAMA_GO_INSTALL_CMDS
	$(GO_BINARIES_INSTALL)
endef

$(eval $(host-generic-package))
