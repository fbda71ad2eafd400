################################################################################
#
# orama-kubo
#
################################################################################

# Made by `make buildroot-files`, not to be edited.
ORAMA_KUBO_VERSION = 0.43.0
ORAMA_KUBO_SITE = $(ORAMAOS_GO_PROXY)/github.com/ipfs/kubo/@v
ORAMA_KUBO_SOURCE = v0.43.0.zip
ORAMA_KUBO_LICENSE = MIT OR Apache-2.0
ORAMA_KUBO_LICENSE_FILES = LICENSE LICENSE-APACHE LICENSE-MIT
ORAMA_KUBO_GOMOD = github.com/ipfs/kubo
ORAMA_KUBO_BUILD_TARGETS = cmd/ipfs
ORAMA_KUBO_BIN_NAME = ipfs
ORAMA_KUBO_LDFLAGS = -s -w -buildid=
ORAMA_KUBO_GO_ENV = $(ORAMAOS_GO_ENV) CGO_ENABLED=0

$(eval $(oramaos-golang-package))
