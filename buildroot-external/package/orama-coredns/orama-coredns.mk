################################################################################
#
# orama-coredns
#
################################################################################

# Made by `make buildroot-files`, not to be edited.
ORAMA_COREDNS_VERSION = 1.14.7
ORAMA_COREDNS_SITE = $(ORAMAOS_GO_PROXY)/github.com/coredns/coredns/@v
ORAMA_COREDNS_SOURCE = v1.14.7.zip
ORAMA_COREDNS_LICENSE = Apache-2.0
ORAMA_COREDNS_LICENSE_FILES = LICENSE
ORAMA_COREDNS_GOMOD = github.com/coredns/coredns
ORAMA_COREDNS_BUILD_TARGETS = .
ORAMA_COREDNS_BIN_NAME = coredns
ORAMA_COREDNS_LDFLAGS = -s -w -buildid=
ORAMA_COREDNS_GO_ENV = $(ORAMAOS_GO_ENV) CGO_ENABLED=0

$(eval $(oramaos-golang-package))
