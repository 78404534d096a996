// SPDX-License-Identifier: Apache-2.0
import Core
import NIOCore
import Postgres
import Testing

@Suite struct ValueTests {
    @Test func everyTypeComesBackAsItWent() async throws {
        try await withPool { pool in
            let thing = ThingID.new()
            let row = try #require(
                try await pool.execute(
                    """
                    SELECT \(Int16.min), \(Int32.max), \(Int64.min), \(Int.max), \(-0.1), \(true), \("ñ 𝛼 ' \" \\ $1"), \(thing),
                        \([0, 1, 255] as [UInt8]), \(ByteBuffer(bytes: [0, 7])), \(PostgresJSON(text: #"{"a": [1, null]}"#)),
                        \(nil as Int64?), \("" as String?)
                    """
                ).first)
            #expect(try row.decode(Int16.self, at: 0) == .min)
            #expect(try row.decode(Int32.self, at: 1) == .max)
            #expect(try row.decode(Int64.self, at: 2) == .min)
            #expect(try row.decode(Int.self, at: 3) == .max)
            #expect(try row.decode(Double.self, at: 4) == -0.1)
            #expect(try row.decode(Bool.self, at: 5))
            #expect(try row.decode(String.self, at: 6) == "ñ 𝛼 ' \" \\ $1")
            #expect(try row.decode(ThingID.self, at: 7) == thing)
            #expect(try row.decode([UInt8].self, at: 8) == [0, 1, 255])
            #expect(try row.decode(ByteBuffer.self, at: 9) == ByteBuffer(bytes: [0, 7]))
            #expect(try row.decode(PostgresJSON.self, at: 10).text == #"{"a": [1, null]}"#)
            #expect(try row.decode(Int64?.self, at: 11) == nil)
            #expect(try row.decode(String?.self, at: 12) == "")
        }
    }

    @Test func arraysGoThroughUnnestAndBack() async throws {
        try await withPool { pool in
            let things = (0..<1_000).map { _ in ThingID.new() }
            let names: [String?] = things.indices.map { $0 % 3 == 0 ? nil : "n\($0)" }
            let rows = try await pool.execute("SELECT * FROM unnest(\(things), \(names)) AS t(id, name)")
            #expect(try rows.map { try $0.decode(ThingID.self, at: 0) } == things)
            #expect(try rows.map { try $0.decode(String?.self, named: "name") } == names)
            let row = try #require(
                try await pool.execute("SELECT \([] as [Int]), \([1.5, -2] as [Double]), \([true, false])").first)
            let (empty, numbers, flags) = try row.decode(([Int], [Double], [Bool]).self)
            #expect(empty == [])
            #expect(numbers == [1.5, -2])
            #expect(flags == [true, false])
        }
    }

    @Test func aValueThatDoesNotFitIsAnErrorNotATrap() async throws {
        try await withPool { pool in
            let row = try #require(
                try await pool.execute("SELECT \(Int64.max) AS n, NULL::text AS t, 1::numeric").first)
            let attempts: [() throws -> Void] = [
                { _ = try row.decode(Int32.self, at: 0) },
                { _ = try row.decode(String.self, at: 0) },
                { _ = try row.decode(String.self, named: "t") },
                { _ = try row.decode(Double.self, at: 2) },
                { _ = try row.decode(Int64.self, at: 3) },
                { _ = try row.decode(Int64.self, at: -1) },
                { _ = try row.decode(Int64.self, named: "absent") },
            ]
            for attempt in attempts {
                let error = #expect(throws: PostgresError.self) { try attempt() }
                #expect(error?.kind == .decoding)
            }
        }
    }

    @Test func aNulInTextIsCaughtBeforeItReachesTheServer() async throws {
        try await withPool { pool in
            let error = await #expect(throws: PostgresError.self) { try await pool.execute("SELECT \("a\0b")") }
            #expect(error?.kind == .invalidValue)
            let inArray = await #expect(throws: PostgresError.self) { try await pool.execute("SELECT \(["a\0b"])") }
            #expect(inArray?.kind == .invalidValue)
            // A UTF-8 sequence cut short is the server's to refuse, as a data error.
            let cut = PostgresJSON(text: "\"\\ud800\"")
            let json = await #expect(throws: PostgresError.self) { try await pool.execute("SELECT \(cut)") }
            #expect(json?.isDataError == true)
        }
    }

    @Test(arguments: [
        "'; DROP TABLE victims; --", "\\'; DROP TABLE victims; --", "1); DELETE FROM victims; --", "$1",
        "$$; DROP TABLE victims; $$",
        "\" OR 1=1 --", "ʼ; DROP TABLE victims", "%s%n", "victims\u{2019}",
    ])
    func aHostileValueStaysAValue(_ hostile: String) async throws {
        try await withPool { pool in
            try await pool.execute("CREATE TABLE victims (name text, note text)")
            try await pool.execute("INSERT INTO victims VALUES (\(hostile), \("kept"))")
            let condition: SQL = "name = \(hostile)"
            let rows = try await pool.execute(
                "SELECT name, \(hostile) FROM victims WHERE note = \("kept") AND \(condition)")
            #expect(
                try rows.map { try $0.decode((String, String).self) }.map { $0.0 == hostile && $0.1 == hostile } == [
                    true
                ])
            #expect(SQLIdentifier(checking: hostile) == nil)
        }
    }

    @Test func fragmentsAreRenumbered() {
        let first: SQL = "a = \(1) AND b = \("x")"
        let second: SQL = "c = \(2.0) OR d = '$1'"
        let whole: SQL = "SELECT \(true) WHERE \(.joined([first, second], separator: " AND ")) LIMIT \(literal: 5)"
        #expect(whole.text == "SELECT $1 WHERE a = $2 AND b = $3 AND c = $4 OR d = '$1' LIMIT 5")
        #expect(whole.parameterTypes == [.bool, .int8, .text, .float8])
    }

    @Test(arguments: ["", "Upper", "1st", "a-b", "a b", "a\"b", String(repeating: "a", count: 64), "ä", "a\0"])
    func aNameThatBreaksTheRuleIsRefused(_ name: String) {
        #expect(SQLIdentifier(checking: name) == nil)
    }
}
