// SPDX-License-Identifier: Apache-2.0
import Foundation
import Postgres
import TestKit
import Testing

/// What a failed login writes must not depend on whether somebody has the identity: the answer would take longer for one of them. Counted by
/// triggers, not timed; `bench login` times it.
@Suite(.serialized) struct FailureWriteTests {
    private static let triggers: StaticString = """
        CREATE TABLE writes (number bigint GENERATED ALWAYS AS IDENTITY, transaction bigint, what text);
        CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                INSERT INTO writes (transaction, what) VALUES (txid_current(), TG_OP || ' ' || TG_TABLE_NAME);
                RETURN NULL;
            END
        $$;
        CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON users FOR EACH ROW EXECUTE FUNCTION note();
        CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON outbox FOR EACH ROW EXECUTE FUNCTION note();
        CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON lock_outs FOR EACH ROW EXECUTE FUNCTION note();
        CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON login_places FOR EACH ROW EXECUTE FUNCTION note();
        CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON login_failures FOR EACH ROW EXECUTE FUNCTION note();
        """

    @Test func aFailureWritesTheSameWhoeverIsMeant() async throws {
        try await UsersFixture.with(["lockout.failures": 3]) { users in
            try await users.register("known")
            let disabled = try await users.register("disabled")
            try users.expect(
                200, await users.send("POST", "/users/\(disabled.id)/disable", as: try await users.admin()))
            let pool = PostgresPool(
                configuration: PostgresConfiguration(url: users.databaseURL, schema: "users"))
            defer { pool.close() }
            try await pool.withConnection { try await $0.executeScript(Self.triggers) }

            /// What the requests of one identity wrote, a list for each; the transactions of others, which announce, left out.
            func writes(_ identity: String, _ secret: String) async throws -> [String] {
                try await pool.execute("DELETE FROM writes")
                for expected in [401, 401, 401, 429] {
                    let answer = try await users.client.post(
                        "/users/tokens/issue", json: ["identity": identity, "secret": secret],
                        headers: ["X-Forwarded-For": "203.0.113.9"])
                    #expect(answer.status == expected)
                }
                return try await pool.execute(
                    """
                    SELECT string_agg(what, ', ' ORDER BY number) FROM writes GROUP BY transaction
                    HAVING bool_or(what LIKE '%login%') ORDER BY transaction
                    """
                ).map { try $0.decode(at: 0) }
            }
            let known = try await writes("known", "wrong secret")
            #expect(known.count == 3)
            #expect(known.last?.contains("INSERT lock_outs") == true && known.last?.contains("outbox") == false)
            #expect(try await writes("nobody", "wrong secret") == known)
            #expect(try await writes("disabled", "wrong secret") == known)

            // The lock is announced all the same, of those that there are.
            try await eventually("the locks are announced") {
                try await users.announced("events.users.user.locked").count == 2
            }
            try await eventually("nothing waits to be announced") {
                try await pool.execute("SELECT 1 FROM lock_outs").isEmpty
            }
            let events = try await users.announced("events.users.user.locked")
            #expect(events.count == 2 && events.last?.contains(disabled.id) == true)
            #expect(events.allSatisfy { $0.contains("203.0.113.9") }, "where the guess came from is told, too")
        }
    }

    /// A lock that is opened before it was announced is announced first.
    @Test func theLockIsAnnouncedBeforeItsEnd() async throws {
        try await UsersFixture.with(["lockout.failures": 3]) { users in
            let user = try await users.register("known")
            let admin = try await users.admin()
            for _ in 0..<3 {
                _ = try await users.client.post(
                    "/users/tokens/issue", json: ["identity": "known", "secret": "wrong secret"])
            }
            try users.expect(200, await users.send("POST", "/users/\(user.id)/unlock", as: admin))
            try await eventually("both are announced") {
                try await users.announced("events.users.user.unlocked").count == 1
            }
            #expect(try await users.announced("events.users.user.locked").count == 1)
        }
    }
}
