// SPDX-License-Identifier: Apache-2.0
// The names of JSON members are the API's, in snake case.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import Core
import Foundation
import Identity
import Postgres
import TestKit
import Testing

/// What the database holds, and how much of it.
@Suite(.serialized) struct AtRestTests {
    private static func settings(port: Int) -> [String: any Sendable] {
        [
            "smtp.host": "127.0.0.1", "smtp.port": port, "smtp.security": "none", "smtp.from": "martlet@example.com",
        ]
    }

    /// Whoever reads the database cannot log in with what stands there: of every secret there is a hash at most.
    @Test func noSecretIsKept() async throws {
        let server = try await MailServer.start()
        try await UsersFixture.with(Self.settings(port: server.port)) { users in
            let user = try await users.register("ada@example.com")
            let pair = try await users.logIn("ada@example.com")
            let domain = try #require(user.default_domain)
            let key: KeyTests.Issued = try users.expect(201, await users.send("POST", "/keys", "{}", as: pair)).json()
            let pat: KeyTests.Issued = try users.expect(
                201, await users.send("POST", "/pats", #"{"name":"p"}"#, as: pair)
            ).json()
            let invitation = #"{"identity":"new@example.com","role":"viewer"}"#
            try users.expect(201, await users.send("POST", "/domains/\(domain)/invitations", invitation, as: pair))
            try users.expect(
                201, await users.client.post("/password/reset-request", json: ["email": "ada@example.com"]))
            let mails = try await server.mails(2)
            let tokens = try mails.map { try #require($0.token) }

            let pool = PostgresPool(configuration: PostgresConfiguration(url: users.databaseURL))
            let dump: String = try #require(
                try await pool.execute("SELECT database_to_xml(true, false, '')::text").first
            ).decode(at: 0)
            pool.close()
            for secret in [
                "a long secret", pair.access_token, pair.refresh_token, key.token.access_token, pat.token.access_token,
            ] + tokens {
                #expect(!dump.contains(secret), "\(secret.prefix(12))…")
            }
            for secret in [pair.refresh_token, key.token.access_token, pat.token.access_token] + tokens {
                #expect(dump.contains(SecretKey.hash(secret)), "\(secret.prefix(12))…")
            }
            #expect(dump.contains("$scrypt$"))
            // Nor do events carry any.
            try await eventually("the keys are announced") {
                try await users.announced("events.users.key.created").count == 2
            }
            for event in try await users.announced("events.users.key.created") {
                #expect(!event.contains("martlet_") && event.contains(user.id))
            }
        }
        await server.stop()
    }

    @Test func theQueueOfMailsIsBounded() async throws {
        // A port where nobody listens: nothing leaves the queue.
        try await UsersFixture.with(Self.settings(port: try FreePort.next())) { users in
            try await users.register("ada@example.com")
            let pair = try await users.logIn("ada@example.com")
            let pool = PostgresPool(
                configuration: PostgresConfiguration(url: users.databaseURL, schema: "users"))
            let later = WallClock.system.now() + 86_400 * 1_000_000_000
            try await pool.execute(
                """
                INSERT INTO mails (id, kind, recipient, created_at, next_attempt_at)
                SELECT gen_random_uuid(), 'password-changed', 'a@b', \(later), \(later) FROM generate_series(1, 10000)
                """)
            let full = try await users.client.post("/password/reset-request", json: ["email": "ada@example.com"])
            #expect(
                full.status == 503 && full.problem?.reason == "mail-queue-full" && full.headers["retry-after"] != nil)
            // A change of the password is not held up by its notice.
            let change = #"{"old_secret":"a long secret","new_secret":"another secret"}"#
            try users.expect(200, await users.send("PATCH", "/users/secret", change, as: pair))
            _ = try await users.logIn("ada@example.com", secret: "another secret")
            let rows = try await pool.execute("SELECT count(*) FROM mails")
            #expect(try rows.first?.decode(Int64.self, at: 0) == 10_000)
            let waiting = try await users.client.get("/metrics").text
            #expect(waiting.contains("martlet_users_mails_waiting"))
            pool.close()
        }
    }
}
