// SPDX-License-Identifier: Apache-2.0
import TestKit

extension ReaderScene {
    /// Leaves the device only one of the rights `publish` and `subscribe` on the channel.
    func keepOnly(_ kept: String) async throws {
        struct Change: Encodable {
            var thingIDs: [String]
            var channelIDs: [String]
            var types: [String]

            private enum CodingKeys: String, CodingKey {
                case types
                case thingIDs = "thing_ids"
                case channelIDs = "channel_ids"
            }
        }
        let types = ["publish", "subscribe"]
        func change(_ types: [String]) -> Change {
            Change(thingIDs: [device.thing], channelIDs: [device.channel], types: types)
        }
        let things = stack.client("things", headers: ["Authorization": "Bearer \(token)"])
        _ = try Stack.expect(200, await things.post("/connect", json: change(types)), "connect")
        _ = try Stack.expect(
            204, await things.post("/disconnect", json: change(types.filter { $0 != kept })), "disconnect")
    }

    /// The token of a person of another domain.
    func strangerToken() async throws -> String {
        struct User: Encodable {
            struct Credentials: Encodable {
                var identity = "stranger@example.com"
                var secret = "correct horse battery"
            }
            var name = "Stranger"
            var credentials = Credentials()
        }
        struct Tokens: Decodable {
            var accessToken: String

            private enum CodingKeys: String, CodingKey { case accessToken = "access_token" }
        }
        let users = stack.client("users", headers: ["Authorization": "Bearer \(token)"])
        // Made once.
        let made = try await users.post("/users", json: User())
        if made.status != 409 { _ = try Stack.expect(201, made, "make a user") }
        let answer = try await stack.client("users").post(
            "/users/tokens/issue", json: ["identity": "stranger@example.com", "secret": "correct horse battery"])
        return try Stack.expect(201, answer, "log in").json(Tokens.self).accessToken
    }
}
