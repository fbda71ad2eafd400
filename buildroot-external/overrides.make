# Read before Buildroot's packages, as its local.mk, which stays usable: what no option of Buildroot can say.

# kubo needs a newer Go than Buildroot has, see package/orama-go.
BR2_PACKAGE_PROVIDES_HOST_GO = "host-orama-go"

# The kernel's fragment is written for tinyconfig, where what it does not name is off. Buildroot only knows
# targets that end in _defconfig, and gives all else its default.
override LINUX_KCONFIG_DEFCONFIG = tinyconfig

-include $(CONFIG_DIR)/local.mk
