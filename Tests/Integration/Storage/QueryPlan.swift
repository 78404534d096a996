// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import NIOCore
import TestKit
import Testing

@testable import Postgres

/// How the server means to run a statement.
struct QueryPlan {
    /// Which plan of a prepared statement is meant.
    enum Kind: CaseIterable {
        /// Made for the values.
        case custom
        /// Made for any values.
        case generic
        /// Whichever the server takes at the sixth execution, the first at which it has a choice: what a pool's connection ends up with.
        case sixth
    }

    struct Node: Decodable {
        var type: String
        var index: String?
        var children: [Node]?

        private enum CodingKeys: String, CodingKey {
            case type = "Node Type"
            case index = "Index Name"
            case children = "Plans"
        }

        var all: [Node] { [self] + (children ?? []).flatMap(\.all) }
    }

    var nodes: [Node]

    /// What kinds of steps there are.
    var types: Set<String> { Set(nodes.map(\.type)) }
    var indexes: [String] { nodes.compactMap(\.index) }

    /// Asks for the plan of `statement`, prepared as the pool prepares it; needs ``install(in:)`` before.
    static func of(_ statement: SQL, _ kind: Kind, on connection: PostgresConnection) async throws -> QueryPlan {
        switch kind {
        case .custom: try await connection.executeScript("SET plan_cache_mode = force_custom_plan")
        case .generic: try await connection.executeScript("SET plan_cache_mode = force_generic_plan")
        case .sixth: try await connection.executeScript("SET plan_cache_mode = auto")
        }
        let rows = try await connection.execute(
            """
            SELECT plan_of(\(statement.text), \(statement.parameters.types.map { Int64($0.rawValue) }),
                \(try statement.parameters.literals), \(kind == .sixth ? 6 : 1))
            """)
        struct Explained: Decodable {
            var plan: Node

            private enum CodingKeys: String, CodingKey { case plan = "Plan" }
        }
        let text = try #require(rows.first).decode(String.self, at: 0)
        let explained = try JSONDecoder().decode([Explained].self, from: Data(text.utf8))
        return QueryPlan(nodes: try #require(explained.first).plan.all)
    }

    /// Makes the function that asks: EXPLAIN tells nothing of prepared statements but by EXECUTE, which takes no parameters.
    static func install(in pool: PostgresPool) async throws {
        try await pool.withConnection {
            _ = try await $0.executeScript(
                """
                CREATE FUNCTION plan_of(statement text, types bigint[], arguments text, uses bigint) RETURNS text
                LANGUAGE plpgsql AS $function$
                DECLARE
                    declared text;
                    result json;
                BEGIN
                    SELECT string_agg(format_type(type::oid, NULL), ', ' ORDER BY position) INTO declared
                    FROM unnest(types) WITH ORDINALITY AS t (type, position);
                    EXECUTE format('PREPARE examined (%s) AS %s', declared, statement);
                    FOR use IN 1..uses LOOP
                        EXECUTE format('EXPLAIN (FORMAT JSON) EXECUTE examined (%s)', arguments) INTO result;
                    END LOOP;
                    DEALLOCATE examined;
                    RETURN result::text;
                END
                $function$
                """)
        }
    }
}

extension SQL.Parameters {
    /// The bound values as SQL text, for EXECUTE.
    fileprivate var literals: String {
        get throws {
            try zip(types, slots).map { type, slot in
                guard slot.length >= 0 else { return "NULL" }
                let value = try #require(bytes.getSlice(at: slot.offset, length: slot.length))
                switch type {
                case .int8: return "\(try #require(value.getInteger(at: 0, as: Int64.self)))"
                case .int4: return "\(try #require(value.getInteger(at: 0, as: Int32.self)))"
                case .bool: return try #require(value.getInteger(at: 0, as: UInt8.self)) == 1 ? "true" : "false"
                case .float8:
                    return "'\(Double(bitPattern: try #require(value.getInteger(at: 0, as: UInt64.self))))'"
                case .uuid: return "'\(value.readableBytesView.hexadecimal)'"
                case .bytea: return #"'\x\#(value.readableBytesView.hexadecimal)'"#
                case .text: return "'\(String(buffer: value).replacing("'", with: "''"))'"
                default: throw PostgresError(.invalidValue, "no literal for type \(type.rawValue)")
                }
            }.joined(separator: ", ")
        }
    }
}

extension Sequence<UInt8> {
    fileprivate var hexadecimal: String { map { String(format: "%02x", $0) }.joined() }
}
