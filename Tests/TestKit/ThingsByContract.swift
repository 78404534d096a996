// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Crypto
import Foundation
import Logging
import Messaging
import NIOCore
import Synchronization

/// Answers for `things` over the real bus, by the contract that the real one keeps (`ThingsContract`), so that a test decides who may do what.
/// The whole way with the real service is tested end to end.
public final class ThingsByContract: Sendable {
    public struct Device: Sendable {
        public let id = ThingID.new()
        public let key = "key-\(ThingID.new())"
    }

    private struct State {
        var devices: [String: (thing: ThingID, domain: DomainID)] = [:]
        var rights: [String: AuthorizeResponse.Outcome] = [:]
        var preSharedKeys: [ThingID: PreSharedKeyRecord] = [:]
        var preSharedKeyVersion: Int64 = 0
        var questions = 0
        var isDomainDisabled = false
        var isHolding = false
        var held: [CheckedContinuation<Void, Never>] = []
    }

    public let domain = DomainID.new()
    /// May publish to ``channel``.
    public let publisher = Device()
    /// Connected to ``channel`` for subscribing only.
    public let listener = Device()
    /// Connected to ``channel`` for publishing only.
    public let sender = Device()
    public let channel = ChannelID.new()
    public let bus: any Bus
    private let state = Mutex(State())
    private let logger = Logger(label: "things-by-contract")

    public init(bus: any Bus) {
        self.bus = bus
        let grant = { (publish: Bool, subscribe: Bool) in
            AuthorizeResponse.Outcome.known(
                AuthorizeResponse.Rights(
                    channel: self.channel, domain: self.domain, publish: publish, subscribe: subscribe))
        }
        state.withLock { state in
            for device in [publisher, listener, sender] {
                state.devices[Self.hash(device.key)] = (device.id, domain)
            }
            for name in [channel.description, "press-line"] {
                state.rights["\(publisher.id) \(name)"] = grant(true, true)
                state.rights["\(listener.id) \(name)"] = grant(false, true)
                state.rights["\(sender.id) \(name)"] = grant(true, false)
            }
        }
    }

    /// Answers until the task is cancelled.
    public func run(ready: @escaping @Sendable () -> Void) async throws {
        let pending = Atomic(5)
        let oneReady: @Sendable () -> Void = {
            if pending.wrappingSubtract(1, ordering: .relaxed).newValue == 0 { ready() }
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { [self] in
                try await bus.serve(Subjects.identifyThing, queueGroup: "things", logger: logger, ready: oneReady) {
                    [self] (request: IdentifyRequest, _) in
                    let found = state.withLock { state in
                        state.questions += 1
                        return state.devices[request.keyHash]
                    }
                    return IdentifyResponse(thing: found.map { .init(id: $0.thing, domain: $0.domain) })
                }
            }
            group.addTask { [self] in
                try await bus.serve(Subjects.lookUpThing, queueGroup: "things", logger: logger, ready: oneReady) {
                    [self] (request: ThingLookupRequest, _) in
                    state.withLock { state in
                        state.questions += 1
                        guard let found = state.devices.values.first(where: { $0.thing == request.thing }) else {
                            return ThingLookupResponse(outcome: .unknown)
                        }
                        return ThingLookupResponse(
                            outcome: state.isDomainDisabled ? .disabledDomain : .known(found.domain),
                            preSharedKeyVersion: state.preSharedKeys[request.thing]?.version)
                    }
                }
            }
            group.addTask { [self] in
                try await bus.serve(Subjects.preSharedKeys, queueGroup: "things", logger: logger, ready: oneReady) {
                    [self] (request: PreSharedKeysRequest, _) in
                    let keys = goodPreSharedKeys().filter { key in request.after.map { key.thing > $0 } ?? true }
                    let page = Array(keys.prefix(request.limit))
                    return PreSharedKeysResponse(
                        keys: page, next: keys.count > page.count ? page.last?.thing : nil)
                }
            }
            group.addTask { [self] in
                try await bus.serve(
                    Subjects.lookUpPreSharedKey, queueGroup: "things", logger: logger, ready: oneReady
                ) { [self] (request: PreSharedKeyLookupRequest, _) in
                    PreSharedKeyLookupResponse(
                        key: goodPreSharedKeys().first { key in
                            request.thing.map { $0 == key.thing } ?? (request.identity == key.identity)
                        })
                }
            }
            group.addTask { [self] in
                try await bus.serve(Subjects.authorizeThing, queueGroup: "things", logger: logger, ready: oneReady) {
                    [self] (request: AuthorizeRequest, _) in
                    await waitWhileHolding()
                    let outcome: AuthorizeResponse.Outcome? = state.withLock { state in
                        state.questions += 1
                        guard !state.isDomainDisabled else { return .disabledDomain }
                        return state.rights["\(request.thing) \(request.channel)"]
                    }
                    if let named = request.domain, named != domain.description, named != "factory" {
                        return AuthorizeResponse(outcome: .unknownChannel)
                    }
                    return AuthorizeResponse(outcome: outcome ?? .unknownChannel)
                }
            }
            try await group.waitForAll()
        }
    }

    /// Makes more things that may publish to ``channel`` and subscribe to it.
    public func add(_ count: Int) -> [Device] {
        let devices = (0..<count).map { _ in Device() }
        let known = AuthorizeResponse.Outcome.known(
            AuthorizeResponse.Rights(channel: channel, domain: domain, publish: true, subscribe: true))
        state.withLock { state in
            for device in devices {
                state.devices[Self.hash(device.key)] = (device.id, domain)
                state.rights["\(device.id) \(channel)"] = known
            }
        }
        return devices
    }

    /// Keeps answers about rights back until ``release()``.
    public func hold() { state.withLock { $0.isHolding = true } }

    /// Questions about rights that are held now.
    public var held: Int { state.withLock { $0.held.count } }

    public func release() {
        let held = state.withLock { state in
            defer { state.held = [] }
            state.isHolding = false
            return state.held
        }
        for continuation in held { continuation.resume() }
    }

    private func waitWhileHolding() async {
        await withCheckedContinuation { continuation in
            let isHeld = state.withLock { state in
                if state.isHolding { state.held.append(continuation) }
                return state.isHolding
            }
            if !isHeld { continuation.resume() }
        }
    }

    /// Questions answered so far.
    public var questions: Int { state.withLock { $0.questions } }

    /// Takes the publisher's key away and says so, as `things` does.
    public func disablePublisher() async throws { try await disable(publisher) }

    public func disable(_ device: Device) async throws {
        _ = state.withLock { $0.devices.removeValue(forKey: Self.hash(device.key)) }
        try await announce("thing", "disabled", thing: device.id)
    }

    /// Those of enabled things, in order.
    private func goodPreSharedKeys() -> [PreSharedKeyRecord] {
        state.withLock { state in
            guard !state.isDomainDisabled else { return [] }
            let enabled = Set(state.devices.values.map(\.thing))
            return state.preSharedKeys.values.filter { enabled.contains($0.thing) }.sorted { $0.thing < $1.thing }
        }
    }

    /// Gives the device a pre-shared key, in place of the one that it may have.
    /// - Parameter identity: nil: the thing's identifier.
    public func setPreSharedKey(
        of device: Device, identity: String? = nil, secret: [UInt8]
    ) async throws {
        state.withLock { state in
            state.preSharedKeyVersion += 1
            state.preSharedKeys[device.id] = PreSharedKeyRecord(
                thing: device.id, domain: domain, identity: identity ?? device.id.description,
                secret: Data(secret).base64EncodedString(), version: state.preSharedKeyVersion)
        }
        try await announce("thing", "psk-changed", thing: device.id)
    }

    public func removePreSharedKey(of device: Device) async throws {
        _ = state.withLock { $0.preSharedKeys.removeValue(forKey: device.id) }
        try await announce("thing", "psk-removed", thing: device.id)
    }

    /// Gives the device another key, which nobody is told.
    public func rotateKey(of device: Device) async throws {
        _ = state.withLock { $0.devices.removeValue(forKey: Self.hash(device.key)) }
        try await announce("thing", "key-rotated", thing: device.id)
    }

    public func disconnect(_ device: Device) async throws {
        state.withLock { $0.rights["\(device.id) \(channel)"] = .unknownChannel }
        try await announce("connection", "removed", thing: device.id, channel: channel)
    }

    /// Without the right to publish from now on.
    public func narrow(_ device: Device) async throws {
        state.withLock { state in
            state.rights["\(device.id) \(channel)"] = .known(
                AuthorizeResponse.Rights(channel: channel, domain: domain, publish: false, subscribe: true))
        }
        try await announce("connection", "updated", thing: device.id, channel: channel)
    }

    /// Switches the domain of all of them off or on.
    public func setDomain(enabled isEnabled: Bool) async throws {
        state.withLock { $0.isDomainDisabled = !isEnabled }
        try await announce("domain", isEnabled ? "enabled" : "disabled")
    }

    public func disableChannel() async throws {
        state.withLock { state in
            for device in [publisher, listener, sender] { state.rights["\(device.id) \(channel)"] = .unknownChannel }
        }
        try await announce("channel", "disabled", channel: channel)
    }

    private func announce(
        _ entity: String, _ what: String, thing: ThingID? = nil, channel: ChannelID? = nil
    ) async throws {
        let event = EntityEvent(
            id: .new(), at: WallClock.system.now(), service: "things", entity: entity, what: what,
            domain: domain, thing: thing, channel: channel)
        try await bus.publish(
            BusMessage(subject: event.subject, payload: ByteBuffer(bytes: JSONEncoder().encode(event))))
    }

    private static func hash(_ key: String) -> String {
        SHA256.hash(data: Array(key.utf8)).map { byte in
            let digits = String(byte, radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }.joined()
    }
}
