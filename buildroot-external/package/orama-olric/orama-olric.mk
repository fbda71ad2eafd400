################################################################################
#
# orama-olric
#
################################################################################

# Made by `make buildroot-files`, not to be edited.
ORAMA_OLRIC_VERSION = 0.7.4
ORAMA_OLRIC_SITE = $(ORAMAOS_GO_PROXY)/github.com/olric-data/olric/@v
ORAMA_OLRIC_SOURCE = v0.7.4.zip
ORAMA_OLRIC_LICENSE = Apache-2.0
ORAMA_OLRIC_LICENSE_FILES = LICENSE
ORAMA_OLRIC_GOMOD = github.com/olric-data/olric
ORAMA_OLRIC_BUILD_TARGETS = cmd/olric-server
ORAMA_OLRIC_BIN_NAME = olric-server
ORAMA_OLRIC_LDFLAGS = -s -w -buildid=
ORAMA_OLRIC_GO_ENV = $(ORAMAOS_GO_ENV) CGO_ENABLED=0

$(eval $(oramaos-golang-package))
