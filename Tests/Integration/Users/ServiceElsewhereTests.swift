// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import TestKit
import Testing

/// `things` as a program of its own, judging the tokens of the real `users` over a real bus.
@Suite(.serialized) struct ServiceElsewhereTests {
    @Test func aSessionThatEndedIsRefusedByThings() async throws {
        try await UsersFixture.with { users in
            try await users.withThings { client, ready in
                func status(_ pair: TokenPair) async throws -> Int {
                    try await client.get("/things", headers: pair.bearer).status
                }
                try await users.register("u")
                let bystander = try await users.logIn("u")
                try await ready(bystander)

                // Logging out.
                let first = try await users.logIn("u")
                #expect(try await status(first) == 200)
                try users.expect(204, await users.client.post("/users/tokens/revoke", text: "", headers: first.bearer))
                try await eventually("the logged out session is refused") { try await status(first) == 401 }

                // A refresh token that came twice: the copy and its successors end.
                let second = try await users.logIn("u")
                let third: TokenPair = try users.expect(201, await users.refresh(second.refresh_token)).json()
                #expect(try await status(third) == 200)
                #expect(try await users.refresh(second.refresh_token).status == 401)
                try await eventually("the session of the copied token is refused") { try await status(third) == 401 }

                // A session that nobody ended goes on; with its user's account it ends, too.
                #expect(try await status(bystander) == 200)
                let admin = try await users.admin()
                let profile: EntityBody = try users.expect(
                    200, await users.client.get("/users/profile", headers: bystander.bearer)
                ).json()
                try users.expect(
                    200, await users.client.post("/users/\(profile.id)/disable", text: "", headers: admin.bearer))
                try await eventually("the disabled user is refused") { try await status(bystander) == 401 }
            }
        }
    }
}
