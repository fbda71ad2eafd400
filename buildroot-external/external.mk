# What all packages of this tree share, then the packages.

# Registries: those that npm and Go of this host use, or these variables of the environment. Each is asked for
# once, when a download needs it.
ORAMAOS_NPM_REGISTRY ?= $(call oramaos-once,ORAMAOS_NPM_REGISTRY,npm config get registry)
ORAMAOS_GO_PROXY ?= $(call oramaos-once,ORAMAOS_GO_PROXY,go env GOPROXY | cut -d'$(comma)' -f1)

# $(1): variable, $(2): command that says its value
oramaos-once = $(eval $(1) := $(call oramaos-address,$(1),$(shell $(2) 2>/dev/null)))$($(1))
oramaos-address = $(patsubst %/,%,$(or $(filter http://% https://%,$(2)),https://set-$(1).invalid))

# Whether the agent is one with fault injection, as image/buildroot asks
ORAMAOS_TEST ?= 0

# The repository that this tree is a folder of.
ORAMAOS_PROJECT = $(realpath $(BR2_EXTERNAL_ORAMAOS_PATH)/..)

# A golang-package whose source is a module of a Go proxy, see services/*/module.json: the zip is compared with its
# hash, and the modules that go.sum names are downloaded with it, compared with go.sum by Go. Nothing is vendored:
# what is built is what Debian's base builds.
ORAMAOS_GO_MODULES = $(DL_DIR)/orama-go-modules

ORAMAOS_GO_ENV = \
	GOFLAGS=-mod=readonly \
	GOMODCACHE=$(ORAMAOS_GO_MODULES) \
	GOPROXY=off \
	GOSUMDB=off \
	GOAMD64=v1

# $(1): folder to unpack the module into
define ORAMAOS_GO_UNPACK
	$(UNZIP) -d $(1)/zip $($(PKG)_DL_DIR)/$($(PKG)_SOURCE)
	cp -r $(1)/zip/$($(PKG)_GOMOD)@v$($(PKG)_VERSION)/. $(1)/
	rm -rf $(1)/zip
endef

define ORAMAOS_GO_EXTRACT
	$(call ORAMAOS_GO_UNPACK,$(@D))
endef

# Listing what is to be built downloads just that.
define ORAMAOS_GO_DOWNLOAD_MODULES
	$(Q)rm -rf $(BUILD_DIR)/.$($(PKG)_NAME)-modules
	$(Q)mkdir -p $(BUILD_DIR)/.$($(PKG)_NAME)-modules
	$(Q)$(call ORAMAOS_GO_UNPACK,$(BUILD_DIR)/.$($(PKG)_NAME)-modules)
	$(Q)cd $(BUILD_DIR)/.$($(PKG)_NAME)-modules && \
		$(HOST_GO_TARGET_ENV) $($(PKG)_GO_ENV) GOPROXY=$(ORAMAOS_GO_PROXY) \
		$(GO_BIN) list -deps -tags "$($(PKG)_TAGS)" \
		$(addprefix ./,$($(PKG)_BUILD_TARGETS)) >/dev/null
	$(Q)rm -rf $(BUILD_DIR)/.$($(PKG)_NAME)-modules
endef

# Buildroot's golang-package says that the download becomes a vendored tar file; that is unsaid after it.
define inner-oramaos-golang-package
$(2)_EXTRACT_CMDS = $$(ORAMAOS_GO_EXTRACT)
$(2)_POST_DOWNLOAD_HOOKS += ORAMAOS_GO_DOWNLOAD_MODULES
$(call inner-golang-package,$(1),$(2),$(2),target)
$(2)_DOWNLOAD_POST_PROCESS =
endef

oramaos-golang-package = $(call inner-oramaos-golang-package,$(pkgname),$(call UPPERCASE,$(pkgname)))

include $(sort $(wildcard $(BR2_EXTERNAL_ORAMAOS_PATH)/package/*/*.mk))
