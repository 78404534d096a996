// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import HTTPKit
import Logging
import Messaging
import TestKit
import Testing

@Suite struct DomainLookupTests {
    @Test func aRouteIsAnsweredForTheDomainThatHasItNow() async throws {
        try await UsersFixture.with { users in
            try await users.register("owner")
            let pair = try await users.logIn("owner")
            func make(_ name: String, _ route: String?) async throws -> String {
                var body = ["name": name]
                body["route"] = route
                let created = try await users.client.post("/domains", json: body, headers: pair.bearer)
                return try users.expect(201, created).json(EntityBody.self).id
            }
            let first = try await make("first", "plant-1")
            let second = try await make("second", nil)
            let bus = SocketBus.connect(
                SocketBusConfiguration(path: users.bus.socket, name: "things"), logger: Logger(label: "things"))
            try await bus.waitUntilConnected(timeout: .seconds(60))
            func domain(_ route: String) async throws -> String? {
                try await bus.call(
                    Subjects.lookUpDomain, DomainLookupRequest(route: route), returning: DomainLookupResponse.self
                ).domain?.description
            }
            try await eventually("the question is heard") { (try? await domain("plant-1")) == first }
            #expect(try await domain("plant-2") == nil)
            #expect(try await domain("") == nil)

            // The route is freed, and goes to another domain.
            for (id, route) in [(first, "plant-old"), (second, "plant-1")] {
                try users.expect(
                    200,
                    await users.client.send(
                        "PATCH", "/domains/\(id)", headers: pair.bearerJSON, body: Array(#"{"route":"\#(route)"}"#.utf8)
                    ))
            }
            #expect(try await domain("plant-1") == second)
            #expect(try await domain("plant-old") == first)
            await bus.close()
        }
    }
}
