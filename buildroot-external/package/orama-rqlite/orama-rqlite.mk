################################################################################
#
# orama-rqlite
#
################################################################################

# Made by `make buildroot-files`, not to be edited.
ORAMA_RQLITE_VERSION = 8.43.4
ORAMA_RQLITE_SITE = $(ORAMAOS_GO_PROXY)/github.com/rqlite/rqlite/v8/@v
ORAMA_RQLITE_SOURCE = v8.43.4.zip
ORAMA_RQLITE_LICENSE = MIT
ORAMA_RQLITE_LICENSE_FILES = LICENSE
ORAMA_RQLITE_GOMOD = github.com/rqlite/rqlite/v8
ORAMA_RQLITE_BUILD_TARGETS = cmd/rqlited
ORAMA_RQLITE_BIN_NAME = rqlited
ORAMA_RQLITE_TAGS = netgo,osusergo,sqlite_omit_load_extension
ORAMA_RQLITE_LDFLAGS = -s -w -buildid= -linkmode external
ORAMA_RQLITE_EXTLDFLAGS = -static
ORAMA_RQLITE_GO_ENV = $(ORAMAOS_GO_ENV) CGO_ENABLED=1

$(eval $(oramaos-golang-package))
