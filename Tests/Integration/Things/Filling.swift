// SPDX-License-Identifier: Apache-2.0
import Core
import Logging
import Postgres
import TestKit

@testable import ThingsService

/// Two domains of the same size: 20,000 things and 2,000 channels each, with what searches like least: tags and metadata on half of the things, on ten,
/// on the last ones only, or only in the other domain; a channel with half of the things, and one with all but ten.
enum Filling {
    static let things = 20_000
    static let domain = DomainID(high: 0x7000, low: 0x8000_0000_0000_0001)

    static func thing(_ number: Int) -> ThingID { ThingID(high: UInt64(number) << 36 | 0x1_7000, low: domain.low) }
    static func channel(_ number: Int) -> ChannelID {
        ChannelID(high: UInt64(number) << 36 | 0x2_7000, low: domain.low)
    }

    static func group(_ number: Int) -> GroupID { GroupID(high: UInt64(number) << 36 | 0x3_7000, low: domain.low) }
    /// One of nine branches of the tree: 111 groups of 999, and a ninth of the things.
    static var branch: [GroupID] { ([1] + Array(10...19) + Array(100...199)).map(group) }

    static let script: StaticString = """
        CREATE FUNCTION sample_id(kind integer, tenant integer, number integer) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
            SELECT (lpad(to_hex(number::bigint * 16), 8, '0') || '-' || lpad(to_hex(kind), 4, '0') || '-7000-8000-'
                || lpad(to_hex(tenant), 12, '0'))::uuid
        $$;
        INSERT INTO groups (id, domain, parent, path, name, description, metadata, created_at, updated_at)
        SELECT sample_id(3, tenant, number), sample_id(0, tenant, 0),
            CASE WHEN number >= 10 THEN sample_id(3, tenant, number / 10) END,
            array_remove(ARRAY[
                CASE WHEN number >= 100 THEN sample_id(3, tenant, number / 100) END,
                CASE WHEN number >= 10 THEN sample_id(3, tenant, number / 10) END, sample_id(3, tenant, number)], NULL),
            'Group ' || number, '', '{}', 1, 1
        FROM generate_series(1, 999) AS number, generate_series(1, 2) AS tenant ORDER BY number;
        INSERT INTO things (id, domain, parent, name, tags, metadata, is_enabled, created_at, updated_at)
        SELECT sample_id(1, tenant, number), sample_id(0, tenant, 0), sample_id(3, tenant, 1 + number % 999),
            'Sensor ' || number * 7919 % 20000 || ' of hall ' || number % 100,
            ARRAY['hall-' || number % 100]
                || CASE WHEN number % 2 = 0 THEN ARRAY['common'] END
                || CASE WHEN number % 2000 = 17 AND tenant = 1 THEN ARRAY['rare'] END
                || CASE WHEN number > 19000 THEN ARRAY['late'] END
                || CASE WHEN tenant = 2 THEN ARRAY['foreign'] END,
            jsonb_build_object(
                'kind', CASE number % 10 WHEN 0 THEN 'pt100' ELSE 'ds18b20' END, 'floor', number % 20,
                'serial', 'SN-' || number, 'vendor', jsonb_build_object('name', 'acme', 'batch', number / 1000))
                || CASE tenant WHEN 2 THEN '{"foreign":true}' ELSE '{}' END::jsonb,
            number % 1000 <> 5, number, number
        FROM generate_series(1, 20000) AS number, generate_series(1, 2) AS tenant ORDER BY number, tenant;
        INSERT INTO channels (id, domain, route, name, tags, metadata, is_enabled, created_at, updated_at)
        SELECT sample_id(2, tenant, number), sample_id(0, tenant, 0), 'c' || number, 'Channel ' || number,
            ARRAY['line-' || number % 50], jsonb_build_object('floor', number % 20), number % 1000 <> 5, number, number
        FROM generate_series(1, 2000) AS number, generate_series(1, 2) AS tenant ORDER BY number, tenant;
        INSERT INTO connections (thing, channel, domain, publish, subscribe, created_at)
        SELECT sample_id(1, tenant, thing), sample_id(2, tenant, channel), sample_id(0, tenant, 0), true, true, 1
        FROM generate_series(1, 20000) AS thing, generate_series(1, 2) AS tenant,
            unnest(ARRAY[CASE thing % 2 WHEN 0 THEN 1 END, CASE WHEN thing <= 19990 THEN 2 END, 3 + thing % 1990]) AS channel
        WHERE channel IS NOT NULL;
        """
}

/// Runs `body` on the service's schema, filled and analyzed, in a database of its own.
func withFilledStore(_ body: (PostgresPool) async throws -> Void) async throws {
    let configuration = PostgresConfiguration(
        url: try await PostgresCluster.shared().createDatabase(), schema: SQLIdentifier(checking: "things"),
        acquireTimeout: .seconds(30), statementTimeout: .seconds(120))
    let pool = PostgresPool(configuration: configuration, logger: Logger(label: "plans"))
    defer { pool.close() }
    try await pool.migrate(ThingsMigrations.all)
    try await pool.withConnection { connection in
        try await connection.executeScript(Filling.script)
        // The visibility map makes index-only scans what they are called.
        for table in ["things", "channels", "connections", "groups"] as [SQL] {
            try await connection.execute("VACUUM ANALYZE \(table)", prepared: false)
        }
    }
    try await body(pool)
}
