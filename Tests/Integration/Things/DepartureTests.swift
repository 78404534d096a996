// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Foundation
import HTTPKit
import Identity
import Messaging
import NIOCore
import TestKit
import Testing

/// Who leaves a domain loses the roles that were given there, whatever happens meanwhile, and keeps what is given after coming back.
@Suite(.serialized) struct DepartureTests {
    /// A person with a role on a group, a thing and a channel of a domain.
    private struct Scene {
        let domain = DomainID.new()
        let admin: Person
        let person: Person
        let paths: [String]

        init(_ stack: ThingsStack, user: UserID = .new()) async throws {
            admin = try await stack.person(.admin, in: domain)
            person = try await stack.person(.none, in: domain, user: user)
            let group = try #require(try await admin.post("/groups", ["name": "hall"]).text("id"))
            paths = [
                "/groups/\(group)", "/things/\(try await admin.makeThing().id)",
                "/channels/\(try await admin.makeChannel())",
            ]
            for path in paths { try await give("viewer", on: path) }
        }

        func give(_ relation: String, on path: String) async throws {
            let action = path.hasPrefix("/things") ? "/share" : "/users/assign"
            #expect(try await admin.give(person, relation, on: path + action).status == 201)
        }

        /// What the person sees.
        func visible() async throws -> [String] {
            var visible: [String] = []
            for path in paths where try await person.get(path).status == 200 { visible.append(path) }
            return visible
        }

        func removal() -> EntityEvent {
            EntityEvent(
                id: .new(), at: WallClock.system.now(), service: "users", entity: "user", what: "removed",
                actor: admin.user, user: person.user)
        }

        func departure(at time: Int64 = WallClock.system.now()) -> EntityEvent {
            EntityEvent(
                id: .new(), at: time, service: "users", entity: "membership", what: "removed", domain: domain,
                actor: admin.user, user: person.user)
        }
    }

    private func announce(_ event: EntityEvent, on bus: SocketBus) async throws {
        let payload = ByteBuffer(bytes: try JSONEncoder().encode(event))
        _ = try await bus.publishDurably(BusMessage(subject: event.subject, payload: payload))
    }

    @Test func whoLeavesLosesTheRolesOfThatDomainOnly() async throws {
        try await withThings { stack in
            let bus = try await stack.usersBus()
            let scene = try await Scene(stack)
            let elsewhere = try await Scene(stack, user: scene.person.user)
            let other = try await stack.person(.none, in: scene.domain)
            #expect(try await scene.admin.give(other, "viewer", on: scene.paths[0] + "/users/assign").status == 201)
            let listener = try await stack.adapterBus()
            let subscription = try await listener.subscribe("events.things.grant.removed", queueGroup: nil)

            // What is no event holds nothing up, nor does a membership that only changes.
            _ = try await bus.publishDurably(
                BusMessage(subject: "events.users.membership.removed", payload: ByteBuffer(string: "{")))
            var changed = scene.departure()
            changed.what = "changed"
            try await announce(changed, on: bus)
            try await announce(elsewhere.departure(at: 1), on: bus)
            try await announce(scene.departure(), on: bus)
            try await eventually("the roles are gone") { try await scene.visible().isEmpty }
            #expect(try await elsewhere.visible() == elsewhere.paths)
            #expect(try await other.get(scene.paths[0]).status == 200)

            var heard: [EntityEvent] = []
            for try await batch in subscription.batches {
                for message in batch {
                    heard.append(
                        try JSONDecoder().decode(EntityEvent.self, from: Data(message.payload.readableBytesView)))
                }
                if heard.count >= 3 { break }
            }
            #expect(heard.count == 3)
            #expect(heard.allSatisfy { $0.user == scene.person.user && $0.domain == scene.domain })
            #expect(heard.compactMap(\.group).count == 1)
            #expect(heard.compactMap(\.thing).count == 1)
            #expect(heard.compactMap(\.channel).count == 1)
            await listener.close()
            await bus.close()
        }
    }

    /// Also where the person was no member, so that no departure was announced; and what was given since, because nobody comes back.
    @Test func whoIsRemovedLosesTheRolesOfAllDomains() async throws {
        try await withThings { stack in
            let bus = try await stack.usersBus()
            let scene = try await Scene(stack)
            let elsewhere = try await Scene(stack, user: scene.person.user)
            let other = try await Scene(stack)
            let listener = try await stack.adapterBus()
            let subscription = try await listener.subscribe("events.things.grant.removed", queueGroup: nil)
            let removal = scene.removal()
            try await scene.give("editor", on: scene.paths[1])
            // Nobody in particular is removed by what is no event of a user.
            var nobody = removal
            nobody.user = nil
            try await announce(nobody, on: bus)
            try await announce(removal, on: bus)
            try await eventually("the roles are gone") {
                let (here, there) = (try await scene.visible(), try await elsewhere.visible())
                return here.isEmpty && there.isEmpty
            }
            #expect(try await other.visible() == other.paths)

            var heard: [EntityEvent] = []
            for try await batch in subscription.batches {
                for message in batch {
                    heard.append(
                        try JSONDecoder().decode(EntityEvent.self, from: Data(message.payload.readableBytesView)))
                }
                if heard.count >= 6 { break }
            }
            #expect(heard.count == 6)
            #expect(heard.allSatisfy { $0.user == scene.person.user && $0.actor == scene.admin.user })
            for domain in [scene.domain, elsewhere.domain] { #expect(heard.count { $0.domain == domain } == 3) }
            await listener.close()
            await bus.close()
        }
    }

    @Test func whoCameBackKeepsWhatWasGivenSince() async throws {
        try await withThings { stack in
            let bus = try await stack.usersBus()
            let scene = try await Scene(stack)
            let departure = scene.departure()
            // The same role again, a higher one, and none: before the departure is heard.
            try await scene.give("viewer", on: scene.paths[0])
            try await scene.give("editor", on: scene.paths[1])
            try await announce(departure, on: bus)
            let kept = Array(scene.paths.prefix(2))
            try await eventually("the old role is gone") { try await scene.visible() == kept }
            // Heard twice, it takes nothing more; the departure of another shows that it was handled.
            try await scene.give("viewer", on: scene.paths[2])
            try await announce(departure, on: bus)
            let marker = try await Scene(stack)
            try await announce(marker.departure(), on: bus)
            try await eventually("handled") { try await marker.visible().isEmpty }
            #expect(try await scene.visible() == scene.paths)
            await bus.close()
        }
    }

    @Test func aDepartureIsHeardByAServiceThatWasAwayAndWhenItsAcknowledgementWasLost() async throws {
        try await withThings { stack in
            let bus = try await stack.usersBus()
            let scene = try await Scene(stack)
            await stack.things.kill()
            try await announce(scene.departure(), on: bus)
            let second = try stack.things.startAgain()
            try await second.wait("the departure is handled") {
                guard try await stack.isHealthy() else { return false }
                return try await scene.visible().isEmpty
            }
            try await scene.give("viewer", on: scene.paths[0])

            // Killed with everything committed; that nothing was acknowledged is brought about by a consumer that begins anew.
            await second.kill()
            let tool = try await stack.bus(named: "martlet")
            try await tool.deleteConsumer(stream: Streams.events, consumer: Streams.thingsConsumer)
            await tool.close()
            let third = try stack.things.startAgain()
            try await third.wait("things is healthy") { try await stack.isHealthy() }
            let marker = try await Scene(stack)
            try await announce(marker.departure(), on: bus)
            try await eventually("handled") { try await marker.visible().isEmpty }
            #expect(try await scene.visible() == [scene.paths[0]])
            await bus.close()
            await third.kill()
        }
    }

    @Test func theFirstAnswerAfterAStartKnowsWhoLeftMeanwhile() async throws {
        try await withThings { stack in
            let bus = try await stack.usersBus()
            let scene = try await Scene(stack)
            await stack.things.kill()
            // Behind so many that it is not followed at once.
            try await withThrowingTaskGroup { group in
                for _ in 0..<300 {
                    var other = scene.departure()
                    (other.id, other.domain, other.user) = (.new(), .new(), .new())
                    let event = other
                    group.addTask { try await announce(event, on: bus) }
                }
                try await group.waitForAll()
            }
            try await announce(scene.departure(), on: bus)
            let second = try stack.things.startAgain()
            var first: Int?
            try await second.wait("it answers") {
                let status = (try? await scene.person.get(scene.paths[0]))?.status
                // Until it has the keys with which tokens are judged, it knows nobody.
                first = status == 401 || status == 503 ? nil : status
                return first != nil
            }
            #expect(first == 404)
            await second.kill()
            await bus.close()
        }
    }
}
