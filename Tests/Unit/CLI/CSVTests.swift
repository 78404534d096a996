// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation
import TestKit
import Testing

@testable import MartletCLI

@Suite struct CSVTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory("csv") }

    private func file(_ content: String) throws -> String {
        let path = directory.file(UUID().uuidString)
        try Data(content.utf8).write(to: URL(fileURLWithPath: path))
        return path
    }

    private func records(_ content: String, delimiter: Character = ",") throws -> [[String]] {
        var reader = try CSVReader(path: file(content), delimiter: try #require(delimiter.asciiValue))
        var records: [[String]] = []
        while let record = try reader.next() { records.append(record) }
        return records
    }

    @Test func readsByTheBook() throws {
        // RFC 4180 section 2, its rules one after the other.
        #expect(try records("aaa,bbb,ccc\r\nzzz,yyy,xxx\r\n") == [["aaa", "bbb", "ccc"], ["zzz", "yyy", "xxx"]])
        #expect(try records("aaa,bbb\nzzz,yyy") == [["aaa", "bbb"], ["zzz", "yyy"]])
        #expect(
            try records("\"aaa\",\"b\r\nb\",ccc\n\"a\"\"b\",,\"\"\n") == [["aaa", "b\r\nb", "ccc"], ["a\"b", "", ""]])
        #expect(try records("a;\"b;c\";d", delimiter: ";") == [["a", "b;c", "d"]])
        #expect(try records("\u{FEFF}a\tb\n\n\nc\td\n", delimiter: "\t") == [["a", "b"], ["c", "d"]])
        #expect(try records("") == [])
        #expect(try records("a,b,") == [["a", "b", ""]])
        #expect(try records("é,日") == [["é", "日"]])
    }

    @Test func piecesOfTheFileMakeNoDifference() throws {
        let row = Array(repeating: "0123456789", count: 9).joined(separator: ",")
        let count = 6_000
        let read = try records(Array(repeating: row, count: count).joined(separator: "\n"))
        #expect(read.count == count)
        #expect(Set(read).count == 1)
    }

    @Test(arguments: [
        ("a\n\"b", "line 2"), ("\"a\"b", "line 1"), ("a\n\"x\ny\"\n\"", "line 4"),
    ])
    func brokenQuotesAreToldWithTheirLine(content: String, line: String) {
        let failure = #expect(throws: CommandFailure.self) { try records(content) }
        #expect(failure?.status == .usage)
        #expect(failure?.message.contains(line) == true, "\(failure?.message ?? "")")
    }

    @Test func recordWithoutEndIsRefused() {
        #expect(throws: CommandFailure.self) { try records("\"" + String(repeating: "a", count: 2 << 20)) }
        #expect(throws: CommandFailure.self) { try records(String(repeating: "a", count: 2 << 20)) }
    }

    @Test func fileThatIsNotThereAndBytesThatAreNoText() throws {
        #expect(throws: CommandFailure.self) { try CSVReader(path: directory.file("none"), delimiter: 0x2C) }
        let path = directory.file("latin1")
        try Data([0x61, 0x2C, 0xE9, 0x0A]).write(to: URL(fileURLWithPath: path))
        var reader = try CSVReader(path: path, delimiter: 0x2C)
        #expect(throws: CommandFailure.self) { try reader.next() }
    }

    // MARK: Mapping

    private func mapping(
        _ headings: [String], times: [String] = [], format: String = "unix", columns: [String] = [],
        missing: [String] = [],
        comma: Bool = false
    ) throws -> CSVMapping {
        try CSVMapping(
            headings: headings, timeColumns: times, timeFormat: RowTimeFormat(format), mapped: columns,
            missing: missing,
            hasDecimalComma: comma)
    }

    private func numbers(_ row: CSVMapping.Row?) -> [String] {
        (row?.measurements ?? []).map { measurement in
            guard case .number(let text) = measurement.value else { return "" }
            return "\(measurement.name)=\(text)\(measurement.unit.map { "[\($0)]" } ?? "")"
        }
    }

    @Test func allColumnsWithAHeadingAreSentUnderNamesThatSenMLAllows() throws {
        let mapping = try mapping(
            ["Date", "Time", "CO(GT)", "T", "", ""], times: ["Date", "Time"], format: "%m/%d/%Y %H:%M:%S",
            missing: ["-200"])
        let row = try mapping.row(["3/10/2004", "18:00:00", "2.6", "-200", "", ""], line: 2)
        #expect(row?.time == "1078941600")
        #expect(numbers(row) == ["CO_GT_=2.6"])
        #expect(try mapping.row(["", "", "", "", "", ""], line: 3) == nil)
        #expect(try mapping.row([], line: 4) == nil)
        #expect(numbers(try mapping.row(["3/10/2004", "18:00:00", "-200.0", "-200"], line: 5)).isEmpty)
    }

    @Test func columnsAreChosenNamedAndGivenUnits() throws {
        let mapping = try mapping(["a=b", "a", "T"], columns: ["T=temperature[Cel]", "a=b=c", "a"])
        #expect(numbers(try mapping.row(["1", "2", "3"], line: 2)) == ["temperature=3[Cel]", "c=1", "a=2"])
    }

    @Test func decimalCommaAndWordsForNothing() throws {
        let mapping = try mapping(["x", "y"], missing: ["n/a"], comma: true)
        #expect(numbers(try mapping.row(["1,5", " -0,25 "], line: 2)) == ["x=1.5", "y=-0.25"])
        #expect(numbers(try mapping.row(["n/a", "3"], line: 3)) == ["y=3"])
    }

    @Test func mistakesAreToldWhereTheyAre() throws {
        let plain = try mapping(["t", "x"], times: ["t"])
        let failure = #expect(throws: CommandFailure.self) { try plain.row(["1", "abc"], line: 17) }
        #expect(failure?.message == "line 17 of the CSV file, column 'x': 'abc' is no number")
        #expect(throws: CommandFailure.self) { try plain.row(["noon", "1"], line: 2) }
        #expect(throws: CommandFailure.self) { try plain.row(["1", "nan"], line: 2) }
        #expect(throws: CommandFailure.self) { try plain.row(["1", "1,5"], line: 2) }
        #expect(throws: CommandFailure.self) { try mapping(["x"], times: ["when"]) }
        #expect(throws: CommandFailure.self) { try mapping(["x"], columns: ["y=z"]) }
        #expect(throws: CommandFailure.self) { try mapping(["x"], columns: ["x=_z"]) }
        #expect(throws: CommandFailure.self) { try mapping(["x(", "x)"]) }
        #expect(throws: CommandFailure.self) { try mapping(["t"], times: ["t"]) }
    }

    @Test(arguments: [
        ("unix", "1078941600.5", "1078941600.5"), ("unix-ms", "1078941600250", "1078941600.25"),
        ("iso8601", "2004-03-10T18:00:00Z", "1078941600"), ("%d.%m.%Y %H.%M.%S", "10.03.2004 18.00.00", "1078941600"),
        ("%Y-%m-%dT%H:%M:%S%z", "2004-03-10T19:00:00+0100", "1078941600"), ("%Y-%m-%d", "1969-12-31", "-86400"),
        ("%Y-%m-%d", "2024-02-29", "1709164800"),
    ])
    func rowTimesAreRead(format: String, text: String, seconds: String) {
        #expect(RowTimeFormat(format).seconds(text) == seconds)
    }

    @Test(arguments: [
        ("unix", "noon"), ("unix-ms", "1.5"), ("iso8601", "10/3/2004"), ("%Y-%m-%d", "2023-02-29"),
        ("%Y-%m-%d", "2004-03-10 18:00"),
        ("%H:%M", "25:00"), ("%Y", ""),
    ])
    func rowTimesThatAreNoneAreRefused(format: String, text: String) {
        #expect(RowTimeFormat(format).seconds(text) == nil)
    }

    @Test func airQualityFileGivesWhatTheIndependentReaderFinds() throws {
        let path = Repository.file("Tests/Data/air-quality-uci.csv")
        var source = try CSVOptions.parse([
            "--csv", path, "--time-columns", "Date,Time", "--time-format", "%m/%d/%Y %H:%M:%S", "--missing", "-200",
        ]).source(path, baseName: "")
        let data = try AirQualityData(contentsOf: path)
        var totals = NamedTotals()
        var bodies: [String] = []
        while let message = try source.next() {
            bodies.append(String(decoding: message.body, as: UTF8.self))
            for reading in message.readings { totals.add(reading.name, reading.value) }
        }
        #expect(bodies.count == data.rows.count { !$0.readings.isEmpty })
        #expect(source.total == bodies.count)
        let expected = data.totals
        #expect(totals.totals.count == expected.count)
        for (column, total) in expected {
            let found = try #require(totals.totals[AirQualityData.senmlName(column)])
            #expect(found.count == total.count)
            #expect(abs(found.value - total.sum) <= 1e-9 * found.magnitude)
        }
        #expect(bodies[0].hasPrefix(#"[{"bt":1078941600,"n":"CO_GT_","v":2.6},"#))
    }

    @Test func mistakeInTheLastLineIsToldBeforeTheFirstIsSent() throws {
        let path = try file("x\n1\n2\nthree\n")
        let failure = #expect(throws: CommandFailure.self) {
            try CSVOptions.parse(["--csv", path]).source(path, baseName: "")
        }
        #expect(failure?.message.contains("line 4") == true)
    }

    @Test func rowsKeepTheirDistancesAtASpeed() throws {
        let path = try file("t,x\n100,1\n160,2\n100,3\n")
        var source = try CSVOptions.parse([
            "--csv", path, "--time-columns", "t", "--time-format", "unix", "--speed", "60",
        ])
        .source(path, baseName: "d:")
        #expect(try source.next()?.due == .seconds(0))
        #expect(try source.next()?.due == .seconds(1))
        #expect(try source.next()?.due == .seconds(0))
        #expect(throws: CommandFailure.self) {
            try CSVOptions.parse(["--csv", path, "--speed", "2"]).source(path, baseName: "")
        }
    }
}
