// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Foundation
import Logging
import Messaging
import NIOCore
import TestKit
import Testing

/// Whatever changes is announced on the bus, with who did it and whom it concerns: a journal that is fed by events misses nothing.
@Suite(.serialized) struct EventTests {
    /// What a test has made, by name, and the events that have not been looked at.
    private final class World {
        let users: UsersFixture
        let mails: MailServer
        let bus: SocketBus
        var names: [String: String] = [:]
        var callers: [RouteEvents.Caller: TokenPair] = [:]
        private var nextSequence: UInt64 = 1

        init(_ users: UsersFixture, _ mails: MailServer) {
            self.users = users
            self.mails = mails
            bus = SocketBus.connect(
                SocketBusConfiguration(path: users.bus.socket, name: "martlet"),
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        }

        func build() async throws {
            try await bus.waitUntilConnected(timeout: .seconds(60))
            for name in ["ada", "bob", "locked"] {
                names[name] = try await users.register("\(name)@example.com").id
            }
            for _ in 0..<3 {
                _ = try await users.client.post(
                    "/users/tokens/issue", json: ["identity": "locked@example.com", "secret": "wrong secret"])
            }
            try await logIn()
        }

        func logIn() async throws {
            callers[.ada] = try await users.logIn("ada@example.com")
            callers[.bob] = try await users.logIn("bob@example.com")
            callers[.platform] = try await users.admin()
            names["refresh"] = try await users.logIn("ada@example.com").refresh_token
            for (caller, name) in [(RouteEvents.Caller.platform, "admin"), (.ada, "ada"), (.bob, "bob")] {
                let profile = try await users.send("GET", "/users/profile", as: callers[caller])
                names[name] = try (profile.json() as EntityBody).id
            }
        }

        func text(_ template: String) -> String {
            names.reduce(template) { $0.replacing("{\($1.key)}", with: $1.value) }
        }

        /// The events since the last call.
        func events() async throws -> [EntityEvent] {
            let stored = try await bus.read(stream: Streams.events, from: nextSequence, maximumBytes: 4 << 20)
            if let last = stored.last { nextSequence = last.sequence + 1 }
            return try stored.filter { $0.subject.hasPrefix("events.users.") }.map {
                try JSONDecoder().decode(EntityEvent.self, from: Data($0.payload.readableBytesView))
            }
        }

        /// Waits for the first event that a step announces.
        func event(of step: RouteEvents.Step, since earlier: [EntityEvent] = []) async throws -> EntityEvent {
            var seen = earlier
            try await eventually("\(step.route) announces \(step.event)") {
                seen += try await events()
                return seen.contains { "\($0.entity).\($0.what)" == step.event }
            }
            return try #require(seen.first { "\($0.entity).\($0.what)" == step.event })
        }
    }

    private static func with(_ body: (World) async throws -> Void) async throws {
        let server = try await MailServer.start()
        let settings: [String: any Sendable] = [
            "smtp.host": "127.0.0.1", "smtp.port": server.port, "smtp.security": "none",
            "smtp.from": "martlet@example.com", "lockout.failures": 3,
        ]
        try await UsersFixture.with(settings) { users in
            let world = World(users, server)
            try await world.build()
            try await body(world)
            await world.bus.close()
        }
        await server.stop()
    }

    private func changingRoutes(_ users: UsersFixture) async throws -> Set<String> {
        let answer = try await users.client.get("/openapi.json")
        let document = try #require(try JSONSerialization.jsonObject(with: Data(answer.body)) as? [String: Any])
        let paths = try #require(document["paths"] as? [String: [String: Any]])
        return Set(
            paths.flatMap { path, operations in
                operations.keys.filter { $0 != "get" }.map { "\($0.uppercased()) \(path)" }
            })
    }

    @Test func everyRouteThatChangesSomethingAnnouncesIt() async throws {
        try await Self.with { world in
            let served = try await changingRoutes(world.users)
            let known = Set(RouteEvents.steps.map(\.route))
            #expect(served.subtracting(known).isEmpty, "without an event: \(served.subtracting(known).sorted())")
            #expect(known.subtracting(served).isEmpty, "not served: \(known.subtracting(served).sorted())")
            for step in RouteEvents.steps {
                try await check(step, in: world)
            }
        }
    }

    private func check(_ step: RouteEvents.Step, in world: World) async throws {
        if step.body.contains("{reset}") { world.names["reset"] = try await resetToken(world) }
        // What came before is not this step's.
        try await settle(world)
        let method = String(step.route.prefix { $0 != " " })
        let answer = try await world.users.send(
            method, world.text(step.path), world.text(step.body), as: world.callers[step.caller])
        guard (200..<300).contains(answer.status) else {
            throw UsersFixture.Unexpected(description: "\(step.route): \(answer.status) \(answer.text)")
        }
        if let name = step.id { world.names[name] = try (answer.json() as Identified).id }
        let event = try await world.event(of: step)
        let what: Comment = "\(step.route): \(event)"
        if let user = step.user { #expect(event.user?.description == world.names[user], what) }
        if step.isInDomain { #expect(event.domain?.description == world.names["domain"], what) }
        let actor: String? =
            switch step.caller {
            case .nobody: step.id ?? step.user
            case .ada: "ada"
            case .bob: "bob"
            case .platform: "admin"
            }
        // Who asks for a mail may be anybody.
        let expected = step.event == "user.reset-requested" ? nil : actor.flatMap { world.names[$0] }
        #expect(event.actor?.description == expected, what)
        // Sessions may have ended with the change.
        let endsSessions = ["session.revoked", "domain.", "membership.", "role.", "group."]
        if endsSessions.contains(where: step.event.hasPrefix) {
            try await world.logIn()
        }
    }

    private struct Identified: Decodable { var id: String }

    /// A mark of its own on the bus: everything announced before it has been seen.
    private func settle(_ world: World) async throws {
        let mark = try await world.users.register("mark-\(UserID.new())")
        var seen: [EntityEvent] = []
        try await eventually("what was announced before has come") {
            seen += try await world.events()
            return seen.contains { $0.user?.description == mark.id && $0.entity == "membership" }
        }
    }

    private func resetToken(_ world: World) async throws -> String {
        var token: String?
        try await eventually("the mail with the token has come") {
            token = try world.mails.mails().last { $0.to == "eve@example.com" && $0.token != nil }?.token
            return token != nil
        }
        return try #require(token)
    }

    @Test func whatNobodyAskedForByItsOwnRouteIsAnnouncedToo() async throws {
        try await Self.with { world in
            let users = world.users
            // A refresh token that comes again, also when its session has ended.
            let old = try #require(world.names["refresh"])
            try users.expect(201, await users.refresh(old))
            try await settle(world)
            for _ in 0..<2 {
                try users.expect(401, await users.refresh(old))
                let event = try await world.event(
                    of: RouteEvents.Step("POST /users/tokens/refresh", .nobody, "", "session.reuse-refused"))
                #expect(event.user?.description == world.names["ada"] && event.session != nil && event.actor == nil)
            }
            // What hangs on a role that is removed.
            try await world.logIn()
            let ada = world.callers[.ada]
            let profile: EntityBody = try users.expect(
                200, await users.send("GET", "/users/profile", as: ada)
            ).json()
            let domain = try #require(profile.default_domain)
            let role: Identified = try users.expect(
                201,
                await users.send(
                    "POST", "/domains/\(domain)/roles", #"{"name":"r","actions":["things:read"]}"#, as: ada)
            ).json()
            let bob = try #require(world.names["bob"])
            let locked = try #require(world.names["locked"])
            let members = #"{"user_ids":["\#(bob)"],"role":"\#(role.id)"}"#
            try users.expect(201, await users.send("POST", "/domains/\(domain)/users/assign", members, as: ada))
            let invitation = #"{"invitee_user_id":"\#(locked)","role_id":"\#(role.id)"}"#
            try users.expect(201, await users.send("POST", "/domains/\(domain)/invitations", invitation, as: ada))
            try await settle(world)
            try users.expect(204, await users.send("DELETE", "/domains/\(domain)/roles/\(role.id)", as: ada))
            var seen: [EntityEvent] = []
            try await eventually("the role is removed") {
                seen += try await world.events()
                return seen.contains { $0.entity == "role" }
            }
            #expect(seen.contains { $0.entity == "membership" && $0.user?.description == bob })
            #expect(seen.contains { $0.entity == "invitation" && $0.user?.description == locked })
            // Who is invited by identity is not named: who reads the events must not learn whether there is such a user.
            let byIdentity = #"{"identity":"bob@example.com","role":"viewer"}"#
            let other: Identified = try users.expect(
                201, await users.send("POST", "/domains", #"{"name":"third"}"#, as: ada)
            ).json()
            try await settle(world)
            try users.expect(201, await users.send("POST", "/domains/\(other.id)/invitations", byIdentity, as: ada))
            let invited = try await world.event(
                of: RouteEvents.Step("POST /domains/{id}/invitations", .ada, "", "invitation.created"))
            #expect(invited.user == nil && invited.actor != nil)
        }
    }
}
