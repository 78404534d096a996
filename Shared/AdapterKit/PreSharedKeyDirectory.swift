// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Logging
import Messaging
import ServiceKit
import Synchronization

/// The pre-shared keys of all enabled things in enabled domains, kept in memory for DTLS handshakes, which cannot wait for an answer.
///
/// ``run()`` must be running: it loads them from `things`, hears of changes, and loads them anew whenever some may have been missed: at each
/// reconnect to the bus. Until the new ones are all there, the former go on being found. A key that was replaced or removed, or whose thing or domain was
/// disabled, is gone within milliseconds of the event; whoever proved to be the thing by it before is cut off by
/// ``ThingAuthenticator/watch(preShared:identity:onEnd:)``.
///
/// Bounded: of ``Configuration/maximumEntries`` keys; when there are more, it is logged and `martlet_psk_complete` is 0, and who is not found is asked about
/// in the background, so that a handshake that is tried again succeeds. With `things` or the bus away, what is known goes on being found.
public final class PreSharedKeyDirectory: Service, CustomStringConvertible {
    public struct Configuration: Sendable {
        /// About 430 bytes each with the usual identities and secrets, measured: 86 MB.
        public var maximumEntries = 200_000
        /// How long `things` may take for a thousand keys, or for one.
        public var timeout: Duration = .seconds(5)

        public init() {}
    }

    /// RFC 4279 section 5.3 has identities of up to 128 bytes.
    static let identityBytes = 1...128

    public var description: String { "pre-shared keys" }
    let bus: any Bus
    let things: ThingsClient
    let logger: Logger
    let memory: Mutex<PreSharedKeyMemory>
    private let wake: AsyncStream<Void>.Continuation
    /// One element, at most, while there is something to do.
    let wakes: AsyncStream<Void>

    public init(bus: any Bus, configuration: Configuration = Configuration(), logger: Logger) {
        self.bus = bus
        self.logger = logger
        things = ThingsClient(bus: bus, timeout: configuration.timeout)
        memory = Mutex(PreSharedKeyMemory(maximumEntries: configuration.maximumEntries))
        (wakes, wake) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Whether all keys were loaded once: before that, nobody may be found.
    public var isReady: Bool { memory.withLock { $0.isReady } }

    /// The key whose identity these bytes are, from memory, at once, on any thread; nil: there is none, or it is not known yet.
    public func find(identity: UnsafeRawBufferPointer) -> PreSharedKey? {
        guard Self.identityBytes.contains(identity.count) else { return nil }
        let identity = Array(identity)
        let (key, isMissed) = memory.withLock { $0.find(identity) }
        if isMissed { wake.yield() }
        return key
    }

    /// Keeps the keys up to date until the service ends.
    public func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask { await self.hearChanges() }
                group.addTask { await self.watchConnection() }
                group.addTask { await self.work() }
            }
        }
        memory.withLock { $0.empty() }
    }

    /// Changes what is known, and does what follows from it.
    func change(_ body: (inout PreSharedKeyMemory) -> Void) {
        memory.withLock { body(&$0) }
        wake.yield()
    }
}
