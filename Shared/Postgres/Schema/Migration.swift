// SPDX-License-Identifier: Apache-2.0

/// One step of a schema's history: applied once, in order of number, never changed afterwards, never undone.
///
/// Each runs in a transaction of its own with the schema as search path: names need no prefix, and statements that refuse to run in a
/// transaction (`CREATE INDEX CONCURRENTLY`) cannot be part of one.
public struct Migration: Sendable {
    /// Consecutive from 1.
    public var number: Int32
    /// A few words for the record: `create-things`.
    public var name: String
    /// One or more statements.
    public var sql: StaticString

    public init(number: Int32, name: String, sql: StaticString) {
        self.number = number
        self.name = name
        self.sql = sql
    }
}
