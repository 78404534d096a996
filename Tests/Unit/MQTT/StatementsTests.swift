// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// STATEMENTS.md against the sources of the tests: what it claims is there, and what is there is claimed.
@Suite struct StatementsTests {
    private struct Claim: Hashable, CustomStringConvertible {
        /// `MQTT-x.y.z-n`, with ` of 3.1.1` for that version.
        let statement: String
        /// `File.function`.
        let test: String
        var description: String { "[\(statement)] \(test)" }
    }

    private struct Row {
        let statement: String
        let tests: [String]
        /// Why it does not concern a server.
        let reason: String?
    }

    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    /// Tests of the protocol layer, and of the running server.
    private static let folders = [
        folder,
        folder.deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent(
            "Integration/MQTTAdapter"),
    ]

    @Test("each statement that the table claims is named by that test, and the other way round")
    func claims() throws {
        let rows = try rows()
        let claimed = Set(rows.flatMap { row in row.tests.map { Claim(statement: row.statement, test: $0) } })
        let naming = try Set(Self.folders.flatMap { try named(below: $0) })
        #expect(naming.subtracting(claimed).isEmpty, "named, but not in the table")
        #expect(claimed.subtracting(naming).isEmpty, "in the table, but not named")
        #expect(claimed.count > 400)
    }

    @Test("each statement has one row, and each row tests or a reason")
    func rowsAreComplete() throws {
        let rows = try rows()
        #expect(Set(rows.map(\.statement)).count == rows.count)
        let old = rows.filter { $0.statement.hasSuffix(" of 3.1.1") }
        #expect(old.count == 141)
        #expect(rows.count - old.count == 251)
        for row in rows {
            #expect(row.tests.isEmpty == (row.reason != nil), "\(row.statement) has neither, or both")
            for test in row.tests { #expect(test.wholeMatch(of: /\w+\.\w+/) != nil, "\(row.statement): \(test)") }
        }
    }

    /// `| statement | words | tests |`, below a heading of the version.
    private func rows() throws -> [Row] {
        let text = try String(contentsOf: Self.folder.appendingPathComponent("STATEMENTS.md"), encoding: .utf8)
        var version = ""
        var rows: [Row] = []
        for line in text.split(separator: "\n") {
            if line.hasPrefix("## ") { version = line.contains("3.1.1") ? " of 3.1.1" : "" }
            let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            guard line.hasPrefix("| MQTT-"), cells.count == 3 else { continue }
            let reason = cells[2].hasPrefix("client only: ") ? cells[2] : nil
            let tests =
                reason == nil ? cells[2].split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) } : []
            rows.append(Row(statement: cells[0] + version, tests: tests, reason: reason))
        }
        return rows
    }

    /// The statements that stand in a test's display name or in the comment above it.
    private func named(below folder: URL) throws -> Set<Claim> {
        let files = try #require(FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil))
        var claims = Set<Claim>()
        for case let file as URL in files where file.pathExtension == "swift" {
            let source = try String(contentsOf: file, encoding: .utf8)
            guard source.contains("[MQTT-") else { continue }
            let suite = file.deletingPathExtension().lastPathComponent
            // What stands between a blank line and the function behind it.
            var above = ""
            for line in source.split(separator: "\n", omittingEmptySubsequences: false) {
                above = line.allSatisfy(\.isWhitespace) ? "" : above + line + "\n"
                guard let function = line.firstMatch(of: /func ([A-Za-z0-9]+)\(/)?.1 else { continue }
                for statement in above.matches(of: /\[(MQTT-[0-9.]+-[0-9]+( of 3\.1\.1)?)\]/)
                where above.contains("@Test") {
                    claims.insert(Claim(statement: String(statement.1), test: "\(suite).\(function)"))
                }
                above = ""
            }
        }
        return claims
    }
}
