import qrcode from 'qrcode-generator'

/** A QR code as console lines: two modules a character in height, light on dark, with the quiet zone of 2. */
export function qrLines(text: string): string[] {
  const code = qrcode(0, 'M')
  code.addData(text)
  code.make()
  const size = code.getModuleCount()
  const quiet = 2
  const light = (row: number, column: number) =>
    row < 0 || column < 0 || row >= size || column >= size || !code.isDark(row, column)
  const lines: string[] = []
  for (let row = -quiet; row < size + quiet; row += 2) {
    let line = ''
    for (let column = -quiet; column < size + quiet; column++)
      line += halves[`${light(row, column) ? 1 : 0}${light(row + 1, column) ? 1 : 0}`] ?? ' '
    lines.push(line)
  }
  return lines
}

/** Upper and lower half of a character cell, 1 is light. */
const halves: Readonly<Record<string, string>> = { '00': ' ', '01': '▄', '10': '▀', '11': '█' }
