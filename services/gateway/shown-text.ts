const charactersMax = 300

/** A text of somebody else as it may be shown on a terminal: one line, printable ASCII, at most 300 characters. */
export function shownText(text: string): string {
  return text.replace(/[^\x20-\x7e]+/g, ' ').slice(0, charactersMax)
}
