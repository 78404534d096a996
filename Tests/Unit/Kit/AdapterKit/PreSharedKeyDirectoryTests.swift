// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Foundation
import Logging
import Messaging
import Observability
import Synchronization
import TestKit
import Testing

@testable import AdapterKit

/// The directory with a bus whose answers the test gives.
@Suite struct PreSharedKeyDirectoryTests {
    private static let domain = DomainID.new()

    /// What `things` would say.
    private final class Things: Sendable {
        let keys: Mutex<[PreSharedKeyRecord]>
        let isAway = Mutex(false)

        init(_ count: Int) { keys = Mutex((0..<count).map(PreSharedKeyDirectoryTests.record)) }

        func answer(_ subject: String, _ request: Data) throws(BusError) -> any Encodable {
            guard !isAway.withLock({ $0 }) else { throw .noResponders }
            do {
                let keys = keys.withLock { $0.sorted { $0.thing < $1.thing } }
                if subject == Subjects.preSharedKeys {
                    let request = try JSONDecoder().decode(PreSharedKeysRequest.self, from: request)
                    let rest = keys.filter { key in request.after.map { $0 < key.thing } ?? true }
                    let page = Array(rest.prefix(request.limit))
                    return PreSharedKeysResponse(
                        keys: page, next: page.count < request.limit ? nil : page.last?.thing)
                }
                let request = try JSONDecoder().decode(PreSharedKeyLookupRequest.self, from: request)
                return PreSharedKeyLookupResponse(
                    key: keys.first { $0.thing == request.thing || $0.identity == request.identity })
            } catch {
                throw .protocolViolation("\(error)")
            }
        }
    }

    private static func record(_ number: Int) -> PreSharedKeyRecord {
        PreSharedKeyRecord(
            thing: ThingID(high: 7, low: UInt64(number)), domain: domain, identity: "device-\(number)",
            secret: Data(repeating: UInt8(number % 256), count: 16).base64EncodedString(), version: Int64(number))
    }

    private func find(_ identity: String, in directory: PreSharedKeyDirectory) -> PreSharedKey? {
        Array(identity.utf8).withUnsafeBytes { directory.find(identity: $0) }
    }

    private func event(_ what: String, _ thing: ThingID) -> EntityEvent {
        EntityEvent(
            id: .new(), at: 0, service: "things", entity: "thing", what: what, domain: Self.domain, thing: thing)
    }

    private func withDirectory(
        _ things: Things, room: Int = 200_000,
        _ body: (PreSharedKeyDirectory, AnsweringBus) async throws -> Void
    ) async throws {
        let bus = AnsweringBus { subject, request throws(BusError) in try things.answer(subject, request) }
        var configuration = PreSharedKeyDirectory.Configuration()
        configuration.maximumEntries = room
        let directory = PreSharedKeyDirectory(
            bus: bus, configuration: configuration, logger: Logger(label: "psk") { _ in SwiftLogNoOpLogHandler() })
        let running = Task { try await directory.run() }
        defer { running.cancel() }
        try await body(directory, bus)
        running.cancel()
        try await running.value
    }

    @Test func allPagesAreLoadedAndFound() async throws {
        try await withDirectory(Things(2_345)) { directory, bus in
            try await eventually("they are loaded") { directory.isReady }
            for number in [0, 999, 1_000, 2_344] {
                let key = try #require(find("device-\(number)", in: directory))
                #expect(key.thing == Self.record(number).thing && key.domain == Self.domain)
                #expect(key.secret == Array(repeating: UInt8(number % 256), count: 16))
                #expect(key.version == Int64(number))
            }
            for identity in ["device-2345", "", "DEVICE-1", String(repeating: "a", count: 129)] {
                #expect(find(identity, in: directory) == nil)
            }
            #expect([0xFF, 0xFE].withUnsafeBytes { directory.find(identity: $0) } == nil)
            #expect(bus.count(Subjects.lookUpPreSharedKey) == 0)

            let metrics = MetricsRegistry()
            directory.register(in: metrics)
            let exposition = metrics.exposition()
            for line in ["martlet_psk_cached 2345", "martlet_psk_complete 1", #"finds_total{result="found"} 4"#] {
                #expect(exposition.contains(line), "\(line)")
            }
        }
    }

    @Test func itFollowsWhatThingsAnnounces() async throws {
        let things = Things(3)
        try await withDirectory(things) { directory, bus in
            try await eventually("they are loaded") { directory.isReady && bus.listeners == 1 }
            try await eventually("nothing is loaded any more") { isQuiet(directory, bus) }
            var changed = Self.record(1)
            changed.identity = "another"
            changed.version = 9
            things.keys.withLock { $0[1] = changed }
            try bus.tell([event("psk-changed", changed.thing)])
            try await eventually("the new one is there") { find("another", in: directory)?.version == 9 }
            #expect(find("device-1", in: directory) == nil)

            let loads = bus.count(Subjects.preSharedKeys)
            try bus.tell([event("disabled", Self.record(0).thing), event("psk-removed", Self.record(2).thing)])
            try await eventually("they are gone") {
                find("device-0", in: directory) == nil && find("device-2", in: directory) == nil
            }
            try bus.tell([event("enabled", Self.record(0).thing)])
            try await eventually("it is back") { find("device-0", in: directory) != nil }
            #expect(bus.count(Subjects.preSharedKeys) == loads)
        }
    }

    /// Whether no question is put any more: the connection was noticed, and what follows from it is done.
    private func isQuiet(_ directory: PreSharedKeyDirectory, _ bus: AnsweringBus) -> Bool {
        bus.awaitedConnectionEvents == 2 && directory.memory.withLock { $0.isReady && $0.isIdle }
    }

    @Test func everyReconnectLoadsThemAnew() async throws {
        let things = Things(2)
        try await withDirectory(things) { directory, bus in
            try await eventually("they are loaded") { directory.isReady && bus.listeners == 1 }
            things.keys.withLock { $0 = [Self.record(1), Self.record(5)] }
            bus.reconnect()
            try await eventually("they are loaded anew") { find("device-5", in: directory) != nil }
            #expect(find("device-0", in: directory) == nil)

            things.keys.withLock { $0 = [Self.record(6)] }
            bus.cutOff()
            try await eventually("they are loaded anew") { find("device-6", in: directory) != nil }
            #expect(find("device-5", in: directory) == nil)
            #expect(bus.listeners == 1)
        }
    }

    @Test func withThingsAwayWhatIsKnownIsFound() async throws {
        let things = Things(2)
        things.isAway.withLock { $0 = true }
        try await withDirectory(things) { directory, bus in
            try await eventually("it tries again and again") { bus.count(Subjects.preSharedKeys) > 3 }
            #expect(!directory.isReady)
            #expect(find("device-1", in: directory) == nil)
            things.isAway.withLock { $0 = false }
            try await eventually("they are loaded") { directory.isReady }

            things.isAway.withLock { $0 = true }
            let before = bus.count(Subjects.preSharedKeys)
            bus.reconnect()
            try await eventually("it tries again and again") { bus.count(Subjects.preSharedKeys) > before + 3 }
            #expect(directory.isReady)
            #expect(find("device-1", in: directory) != nil)
            // What is taken back is taken back all the same.
            try bus.tell([event("disabled", Self.record(1).thing)])
            try await eventually("it is gone") { find("device-1", in: directory) == nil }
        }
    }

    @Test func withMoreKeysThanRoomTheSecondTryFinds() async throws {
        try await withDirectory(Things(3_000), room: 1_500) { directory, bus in
            try await eventually("they are loaded") { directory.isReady }
            for number in [2_999, 2_500, 0] {
                try await eventually("it is found") { find("device-\(number)", in: directory) != nil }
            }
            #expect(bus.count(Subjects.lookUpPreSharedKey) > 0)
            // No more pages than there is room for.
            try await eventually("nothing is loaded any more") { isQuiet(directory, bus) }
            #expect(bus.count(Subjects.preSharedKeys) <= 2 * 3)
            #expect(find("nobody", in: directory) == nil)
        }
    }

    @Test func pagesThatDoNotGoOnAreAFailure() async throws {
        let bus = AnsweringBus { _, _ in
            PreSharedKeysResponse(keys: [Self.record(1)], next: Self.record(1).thing)
        }
        let directory = PreSharedKeyDirectory(
            bus: bus, logger: Logger(label: "psk") { _ in SwiftLogNoOpLogHandler() })
        let running = Task { try await directory.run() }
        try await eventually("it is tried again, later") { bus.count(Subjects.preSharedKeys) > 3 }
        #expect(!directory.isReady)
        running.cancel()
        try await running.value
    }
}
