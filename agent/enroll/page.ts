/** What port 9999 shows to a browser: no script, no style sheet of others, large type, one heading. */
export function enrollmentPage(shown: {
  readonly code: string
  readonly expires: string
  readonly version: string
}): string {
  // Crockford base32: every character is one UTF-16 unit.
  const spelled = escapeHtml(shown.code.replace(/(?<=.)(?=.)/g, ' '))
  const code = escapeHtml(shown.code)
  const expires = escapeHtml(shown.expires)
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="60">
<title>OramaOS: this node waits for its owner</title>
<style>
  :root { color-scheme: light dark }
  body { font: 1.1rem/1.5 system-ui, sans-serif; max-width: 36rem; margin: 0 auto; padding: 1.5rem }
  .code { font: 700 clamp(2rem, 11vw, 4rem)/1.2 ui-monospace, monospace; letter-spacing: .1em; overflow-wrap: anywhere }
  code { overflow-wrap: anywhere }
</style>
</head>
<body>
<main>
<h1>This node waits for its owner</h1>
<p>Registration code, valid until <time datetime="${expires}">${expires}</time>:</p>
<p class="code" role="img" aria-label="${spelled}">${code}</p>
<p>Compare it with the code on the node's console. The console also shows a claim word, which this page does not.
Then, on your own machine:</p>
<p><code>orama node enroll --genesis --node-ip &lt;address of this page&gt;</code></p>
<p><small>OramaOS ${escapeHtml(shown.version)}. The code is not a password: it stands for this node's keys, and anyone may see it.</small></p>
</main>
</body>
</html>
`
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`)
}
