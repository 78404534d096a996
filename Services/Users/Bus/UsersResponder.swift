// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Identity
import Logging
import Messaging
import ServiceKit

/// Answers other services' questions: which keys sign tokens, which sessions are revoked, whose a key is.
struct UsersResponder: Service, CustomStringConvertible {
    let bus: any Bus
    let store: UsersStore
    let signer: TokenSigner
    let clock: WallClock
    let logger: Logger

    var description: String { "bus" }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withTaskGroup(of: Void.self) { group in
                group.addTask {
                    await serve(Subjects.tokenKeys) { (_: RPC.Empty, _) in signer.publicKeys }
                }
                group.addTask {
                    await serve(Subjects.identifyKey) { (request: KeyIdentification.Request, _) in
                        KeyIdentification.Response(
                            key: try await store.identifyKey(hash: request.keyHash, now: clock.now()))
                    }
                }
                group.addTask {
                    await serve(Subjects.revokedSessions) { (_: RPC.Empty, _) in
                        try await store.revokedSessions(now: clock.now())
                    }
                }
            }
        }
    }

    /// Serves, and begins again when the bus was away, until the service ends.
    private func serve<Request: Decodable & Sendable, Response: Encodable & Sendable>(
        _ subject: String, handler: @escaping @Sendable (Request, RPC.Context) async throws -> Response
    ) async {
        var backOff = BackOff()
        while !Task.isCancelled {
            do {
                try await bus.serve(subject, queueGroup: "users", logger: logger, handler: handler)
                return
            } catch {
                logger.warning("cannot serve on the bus yet", metadata: ["subject": "\(subject)", "error": "\(error)"])
                try? await Task.sleep(for: backOff.next())
            }
        }
    }
}
