// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import MartletCLI

@Suite struct OutputTests {
    @Test(arguments: [
        ("", 0), ("abc", 3), ("é", 1), ("e\u{301}", 1), ("日本", 4), ("😀", 2), ("👩‍👩‍👧", 2), ("한국어", 6), ("ﬀ", 1), ("ｱ", 1),
        ("Ａ", 2),
        ("☎️", 2), ("☎", 1), ("\u{200B}a", 1),
    ])
    func widthIsInColumns(text: String, columns: Int) { #expect(TextWidth.columns(text) == columns) }

    @Test func truncatesByColumnsNotByCharacters() {
        #expect(TextWidth.truncated("abcdef", to: 6) == "abcdef")
        #expect(TextWidth.truncated("abcdefg", to: 6) == "abcde…")
        #expect(TextWidth.truncated("日本語の", to: 6) == "日本…")
        #expect(TextWidth.truncated("日本語", to: 1) == "…")
        #expect(TextWidth.truncated("abc", to: 0) == "")
    }

    @Test func whatOthersWroteCannotSteerTheTerminal() {
        #expect(TextWidth.visible("a\u{1B}[31mb\nc") == "a␛[31mb␊c")
        #expect(TextWidth.visible("\u{9B}2J\u{7F}") == "\u{FFFD}2J\u{FFFD}")
        #expect(TextWidth.visible("\u{202E}txt.exe") == "\u{FFFD}txt.exe")
        #expect(TextWidth.visible("täglich 日") == "täglich 日")
        #expect(Table.Cell("\u{1B}]0;x\u{7}").text == "␛]0;x␇")
    }

    private func sample(_ name: String) -> Table {
        var table = Table([Table.Column("ID"), Table.Column("NAME", isFlexible: true), Table.Column("VALUE", .right)])
        table.append(["1", Table.Cell(name), "71.5"])
        table.append(["22", "b", Table.Cell("5", .good)])
        return table
    }

    @Test func tableIsAligned() {
        #expect(sample("日本").lines(for: .plain) == ["ID  NAME  VALUE", "1   日本   71.5", "22  b         5"])
    }

    @Test func tableFitsTheTerminalAndIdentifiersStayWhole() {
        let narrow = Terminal(isInteractive: true, width: 24, isColored: false)
        let lines = sample("a name that is far too long").lines(for: narrow)
        #expect(lines == ["ID  NAME           VALUE", "1   a name that…    71.5", "22  b                  5"])
        #expect(lines.allSatisfy { TextWidth.columns($0) <= 24 })
        // Narrower than the columns can be: whole identifiers are worth more than the line's length.
        let tiny = Terminal(isInteractive: true, width: 5, isColored: false)
        #expect(sample("a name that is long").lines(for: tiny)[1].hasPrefix("1   a name…"))
    }

    @Test func colourIsForTerminalsThatWantItAndTakesNoWidth() {
        let colored = Terminal(isInteractive: true, width: 80, isColored: true)
        #expect(sample("b").lines(for: colored)[2] == "22  b         \u{1B}[32m5\u{1B}[0m")
        #expect(!sample("b").lines(for: .plain).joined().contains("\u{1B}"))
    }

    @Test func barFillsInEighths() {
        #expect(ProgressBar.bar(0) == String(repeating: " ", count: 24) + "   0%")
        #expect(ProgressBar.bar(1) == String(repeating: "█", count: 24) + " 100%")
        #expect(ProgressBar.bar(.nan) == ProgressBar.bar(0))
        #expect(ProgressBar.bar(7) == ProgressBar.bar(1))
        #expect(ProgressBar.bar(0.5 + 1.0 / 192).hasPrefix(String(repeating: "█", count: 12) + "▏"))
    }

    @Test func plotGoesFromCornerToCorner() {
        let points = [BraillePlot.Point(time: 0, value: 0), BraillePlot.Point(time: 10, value: 10)]
        let lines = BraillePlot.lines(points, width: 12, height: 2) { "\(Int($0))" }
        // A diagonal: eight characters are sixteen dots across, two are eight down.
        #expect(lines == ["10 ┤⠀⠀⠀⠀⣀⠤⠒⠉", " 0 ┤⣀⠤⠒⠉⠀⠀⠀⠀", "    0     10"])
    }

    @Test func plotTakesAnything() {
        #expect(BraillePlot.lines([], width: 40, height: 5) { "\($0)" } == [])
        let odd = [1, .nan, 1, .infinity, 1].map { BraillePlot.Point(time: 5, value: $0) }
        let lines = BraillePlot.lines(odd, width: 3, height: 1) { _ in "t" }
        #expect(lines.count == 3)
        let huge = [-Double.greatestFiniteMagnitude, Double.greatestFiniteMagnitude]
        let extremes = huge.enumerated().map { BraillePlot.Point(time: Double($0.offset), value: $0.element) }
        #expect(BraillePlot.lines(extremes, width: 40, height: 4) { "\($0)" }.count == 5)
    }

    @Test(arguments: [(0, "0"), (999, "999"), (1_000, "1 000"), (-1_234_567, "-1 234 567"), (1_000_001, "1 000 001")])
    func numbersAreGrouped(value: Int, text: String) { #expect(NumberText.grouped(value) == text) }
}
