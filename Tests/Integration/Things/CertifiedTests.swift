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

/// A thing that shows who it is without a key, to an adapter's memory and the real `things`.
@Suite struct CertifiedTests {
    /// Whose the thing is, or why it is nobody's.
    private func identify(
        _ thing: ThingID, _ authenticator: ThingAuthenticator
    ) async -> Result<ThingIdentity, ServiceError> {
        await withCheckedContinuation { continuation in
            authenticator.identify(thing) { continuation.resume(returning: $0) }
        }
    }

    private func reason(_ thing: ThingID, _ authenticator: ThingAuthenticator) async -> String? {
        if case .failure(let error) = await identify(thing, authenticator) { error.reason } else { nil }
    }

    /// Tells of a domain as `users` does.
    private func announce(_ what: String, _ domain: DomainID, _ stack: ThingsStack) async throws {
        let users = try await stack.usersBus()
        let event = EntityEvent(
            id: .new(), at: WallClock.system.now(), service: "users", entity: "domain", what: what, domain: domain,
            actor: .new())
        _ = try await users.publishDurably(
            BusMessage(subject: event.subject, payload: ByteBuffer(bytes: JSONEncoder().encode(event))))
        await users.close()
    }

    @Test func itIsKnownAsLongAsItIsEnabled() async throws {
        try await withThings { stack in
            let domain = DomainID.new()
            let person = try await stack.person(in: domain)
            let thing = try await person.makeThing()
            let bus = try await stack.adapterBus()
            let authenticator = ThingAuthenticator(bus: bus, logger: Logger(label: "rights"))
            let running = Task { await authenticator.run() }
            let identity = try await identify(thing.id, authenticator).get()
            #expect(identity.thing == thing.id && identity.domain == domain)
            #expect(await reason(.new(), authenticator) == "unknown-thing")

            let ended = Mutex<[String]>([])
            func watch() async throws {
                _ = authenticator.watch(certified: try await identify(thing.id, authenticator).get()) { error in
                    ended.withLock { $0.append(error.reason) }
                }
            }
            func endings() -> [String] { ended.withLock { $0 } }
            try await watch()
            // A key has nothing to do with it.
            _ = try await person.patch("/things/\(thing.id)/secret", [:])
            try await announce("disabled", domain, stack)
            try await eventually("the domain's end is heard") { endings() == ["domain-disabled"] }
            #expect(await reason(thing.id, authenticator) == "domain-disabled")
            try await announce("enabled", domain, stack)
            try await eventually("it is let in again") { await reason(thing.id, authenticator) == nil }

            try await watch()
            _ = try await person.post("/things/\(thing.id)/disable")
            try await eventually("it is cut off") { endings().count == 2 }
            #expect(await reason(thing.id, authenticator) == "unknown-thing")
            _ = try await person.post("/things/\(thing.id)/enable")
            try await eventually("it is let in again") { await reason(thing.id, authenticator) == nil }
            #expect(try await person.delete("/things/\(thing.id)").status == 204)
            try await eventually("it is gone") { await reason(thing.id, authenticator) == "unknown-thing" }

            await stack.things.kill()
            #expect(await reason(.new(), authenticator) == "things-unavailable")
            running.cancel()
            await bus.close()
        }
    }

    /// Whatever a key is, it is not the name of a thing.
    @Test func noKeyStandsForAThing() async throws {
        try await withThings { stack in
            let person = try await stack.person(in: .new())
            let thing = try await person.makeThing()
            let bus = try await stack.adapterBus()
            let authenticator = ThingAuthenticator(bus: bus, logger: Logger(label: "rights"))
            let running = Task { await authenticator.run() }
            _ = try await identify(thing.id, authenticator).get()
            let identifier = withUnsafeBytes(of: (thing.id.high, thing.id.low)) { Array($0) }
            for bytes in [[0xFF] + identifier, identifier, Array(thing.id.description.utf8)] {
                let key = String(decoding: bytes, as: UTF8.self)
                let result = await withCheckedContinuation { continuation in
                    authenticator.identify(Credential(key: key)) { continuation.resume(returning: $0) }
                }
                guard case .failure(let error) = result else {
                    Issue.record("a thing's name was taken as its key")
                    continue
                }
                #expect(error.reason == "unknown-key")
            }
            running.cancel()
            await bus.close()
        }
    }
}
