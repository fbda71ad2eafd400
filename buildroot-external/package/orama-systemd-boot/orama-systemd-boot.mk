################################################################################
#
# orama-systemd-boot
#
################################################################################

# The file that Buildroot's systemd package would download: an update of
# Buildroot brings version and hash.
ORAMA_SYSTEMD_BOOT_VERSION = $(SYSTEMD_VERSION)
ORAMA_SYSTEMD_BOOT_SITE = $(SYSTEMD_SITE)
ORAMA_SYSTEMD_BOOT_SOURCE = systemd-$(SYSTEMD_VERSION).tar.gz
ORAMA_SYSTEMD_BOOT_DL_SUBDIR = systemd
ORAMA_SYSTEMD_BOOT_LICENSE = LGPL-2.1+
ORAMA_SYSTEMD_BOOT_LICENSE_FILES = LICENSE.LGPL2.1
ORAMA_SYSTEMD_BOOT_CPE_ID_VENDOR = systemd_project
ORAMA_SYSTEMD_BOOT_CPE_ID_PRODUCT = systemd
ORAMA_SYSTEMD_BOOT_INSTALL_TARGET = NO
ORAMA_SYSTEMD_BOOT_INSTALL_IMAGES = YES
ORAMA_SYSTEMD_BOOT_DEPENDENCIES = \
	host-gperf \
	host-python-jinja2 \
	host-python-pyelftools \
	libcap \
	libxcrypt \
	util-linux

# SBAT names the distribution, which would else be the build host's.
ORAMA_SYSTEMD_BOOT_CONF_OPTS = \
	-Dauto_features=disabled \
	-Dmode=release \
	-Dvcs-tag=false \
	-Defi=true \
	-Dbootloader=enabled \
	-Dtests=false \
	-Dsbat-distro=oramaos \
	-Dsbat-distro-summary=OramaOS \
	-Dsbat-distro-pkgname=systemd \
	-Dsbat-distro-version=$(ORAMA_SYSTEMD_BOOT_VERSION) \
	-Dsbat-distro-url=https://systemd.io

ORAMA_SYSTEMD_BOOT_EFI = systemd-bootx64.efi linuxx64.efi.stub
ORAMA_SYSTEMD_BOOT_NINJA_OPTS = $(addprefix src/boot/,$(ORAMA_SYSTEMD_BOOT_EFI))

define ORAMA_SYSTEMD_BOOT_INSTALL_IMAGES_CMDS
	$(foreach file,$(ORAMA_SYSTEMD_BOOT_EFI),
		$(INSTALL) -D -m 0644 $(@D)/buildroot-build/src/boot/$(file) \
			$(BINARIES_DIR)/efi/$(file)
	)
endef

$(eval $(meson-package))

ORAMA_SYSTEMD_BOOT_HASH_FILES = $(SYSTEMD_HASH_FILES)
