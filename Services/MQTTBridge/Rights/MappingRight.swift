// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Core
import Logging
import Observability
import Synchronization

/// The right that a mapping needs: asked for as the bridge's thing, watched, and asked for again when it was refused.
final class MappingRight: Sendable {
    enum State: Sendable, Equatable {
        /// `things` has not answered yet.
        case unknown
        case granted(Grant)
        case refused(ServiceError)
    }

    /// How long after a refusal it is asked for again: rights come back, and nobody tells.
    private static let retry: Duration = .seconds(5)

    let mapping: String
    private let channel: ChannelAddress
    private let right: AccessRight
    private let keyFile: String
    private let authenticator: ThingAuthenticator
    private let refusals: Counter
    private let logger: Logger
    private let current = Mutex(State.unknown)
    private let onChange: @Sendable () -> Void

    /// - Parameter onChange: called on any thread; must not block.
    init(
        mapping: String, channel: ChannelAddress, right: AccessRight, keyFile: String,
        authenticator: ThingAuthenticator, refusals: Counter, logger: Logger, onChange: @escaping @Sendable () -> Void
    ) {
        self.mapping = mapping
        self.channel = channel
        self.right = right
        self.keyFile = keyFile
        self.authenticator = authenticator
        self.refusals = refusals
        self.logger = logger
        self.onChange = onChange
    }

    var state: State { current.withLock { $0 } }

    var grant: Grant? {
        guard case .granted(let grant) = state else { return nil }
        return grant
    }

    /// Keeps it up to date until the task is cancelled.
    func run() async {
        var backOff = BackOff()
        while !Task.isCancelled {
            do throws(ServiceError) {
                guard let key = SecretFile.read(keyFile) else {
                    throw ServiceError(
                        .unauthenticated, reason: "key-file", "The file of the thing's key cannot be read.",
                        detail: keyFile)
                }
                let credential = Credential(key: key)
                let grant = try await authenticator.authorize(
                    AccessRequest(credential: credential, channel: channel, right: right))
                backOff.reset()
                let (ends, end) = AsyncStream<ServiceError>.makeStream(bufferingPolicy: .bufferingNewest(1))
                let session = authenticator.watch(grant, credential: credential, reference: channel) {
                    end.yield($0)
                }
                set(.granted(grant))
                for await error in ends {
                    set(.refused(error))
                    break
                }
                session.cancel()
            } catch {
                if error.kind == .unavailable || error.kind == .internalFailure {
                    logger.warning(
                        "whether a mapping is allowed cannot be found out; asking again",
                        metadata: ["mapping": "\(mapping)", LogKey.reason: "\(error.reason)"])
                    try? await Task.sleep(for: backOff.next())
                    continue
                }
                set(.refused(error))
                try? await Task.sleep(for: Self.retry)
            }
        }
    }

    private func set(_ state: State) {
        let before = current.withLock { current in
            defer { current = state }
            return current
        }
        guard before != state else { return }
        switch (before, state) {
        case (_, .refused(let error)):
            refusals.increment()
            logger.error(
                "a mapping is stopped: its right is refused",
                metadata: [
                    "mapping": "\(mapping)", LogKey.reason: "\(error.reason)", LogKey.detail: "\(error.message)",
                ])
        case (.granted, .granted): break
        case (_, .granted): logger.info("a mapping is allowed", metadata: ["mapping": "\(mapping)"])
        case (_, .unknown): break
        }
        onChange()
    }
}
