// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Bus
import Core
import Foundation
import HTTPKit
import Logging
import Messaging
import NIOCore
import Synchronization
import TestKit
import Testing

/// `/m/<route of a domain>/c/<channel>`: `users` by its contract, everything else real.
@Suite struct DomainRouteTests {
    @Test func aDomainIsNamedByItsRouteAsLongAsItHasIt() async throws {
        try await withThings { stack in
            let (first, second) = (DomainID.new(), DomainID.new())
            let owner = try await stack.person(in: first)
            let thing = try await owner.makeThing()
            let channel = try await owner.makeChannel(["route": "line"])
            _ = try await owner.connect(thing.id, channel)
            let heir = try await stack.person(in: second)
            let heirsThing = try await heir.makeThing()
            let heirsChannel = try await heir.makeChannel(["route": "line"])
            _ = try await heir.connect(heirsThing.id, heirsChannel)

            let routes = Mutex(["plant-1": first])
            let asked = Mutex(0)
            let users = try await stack.usersBus()
            let serving = Task {
                try? await users.serve(Subjects.lookUpDomain, queueGroup: "users", logger: Logger(label: "users")) {
                    (request: DomainLookupRequest, _) in
                    asked.withLock { $0 += 1 }
                    return DomainLookupResponse(domain: routes.withLock { $0[request.route] })
                }
            }
            let bus = try await stack.adapterBus()
            let adapter = ThingAuthenticator(bus: bus, logger: Logger(label: "rights"))
            let running = Task { await adapter.run() }

            func channelOf(_ key: String, _ domain: String) async -> ChannelID? {
                guard let named = DomainReference(domain) else { return nil }
                let request = AccessRequest(
                    credential: Credential(key: key), channel: ChannelAddress(.route("line"), domain: named),
                    right: .publish)
                return try? await adapter.authorize(request).channel
            }

            try await eventually("the route is known") { await channelOf(thing.key, "plant-1") == channel }
            #expect(await channelOf(thing.key, "plant-2") == nil)
            #expect(await channelOf(heirsThing.key, "plant-1") == nil)
            #expect(await channelOf(thing.key, first.description) == channel)
            try await eventually("the adapter remembers") {
                let before = asked.withLock { $0 }
                _ = await channelOf(thing.key, "plant-1")
                return asked.withLock { $0 } == before
            }

            // The route goes to another domain: it never stands for the first one again.
            routes.withLock { $0["plant-1"] = second }
            let event = EntityEvent(
                id: .new(), at: WallClock.system.now(), service: "users", entity: "domain", what: "updated",
                domain: first)
            _ = try await users.publishDurably(
                BusMessage(subject: event.subject, payload: ByteBuffer(bytes: try JSONEncoder().encode(event))))
            try await eventually("the heir is let in") {
                await channelOf(heirsThing.key, "plant-1") == heirsChannel
            }
            for _ in 0..<20 { #expect(await channelOf(thing.key, "plant-1") == nil) }

            running.cancel()
            serving.cancel()
            await bus.close()
            await users.close()
        }
    }
}
