// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Identity
import Logging
import Messaging
import TestKit

/// Answers for `users` over the real bus, by the contract that the real one keeps, and issues real tokens.
final class UsersByContract: Sendable {
    private let issuer: AccessTokenIssuer
    private let bus: any Bus
    private let serving: Task<Void, Never>

    init(_ stack: MQTTStack) async throws {
        let key = SigningKey()
        issuer = try await AccessTokenIssuer(key: key, lifetimeSeconds: 600)
        let logger = Logger(label: "users")
        let bus = SocketBus.connect(
            SocketBusConfiguration(path: stack.directory.file("bus.sock"), name: "users"), logger: logger)
        try await bus.waitUntilConnected(timeout: .seconds(60))
        self.bus = bus
        let keys = PublicKeySet(keys: [key.publicKey])
        serving = Task {
            await withTaskGroup(of: Void.self) { group in
                group.addTask {
                    try? await bus.serve(Subjects.tokenKeys, queueGroup: "users", logger: logger) {
                        (_: RPC.Empty, _) in keys
                    }
                }
                group.addTask {
                    try? await bus.serve(Subjects.revokedSessions, queueGroup: "users", logger: logger) {
                        (_: RPC.Empty, _) in RevokedSessions(sessions: [])
                    }
                }
            }
        }
    }

    /// The management port of the adapter, as a person sees it.
    func person(
        _ role: Role, in domain: DomainID, at stack: MQTTStack, user: UserID = .new(), isPlatformAdmin: Bool = false
    ) async throws -> HTTPClient {
        let principal = Principal(
            user: user, session: .new(), domain: domain, role: role, isPlatformAdmin: isPlatformAdmin)
        let token = try await issuer.issue(principal, now: WallClock.system.now()).token
        let client = HTTPClient(port: stack.httpPort, headers: ["Authorization": "Bearer \(token)"])
        try await eventually("tokens are judged") { try await client.get("/clients?limit=1").status != 503 }
        return client
    }

    func stop() async {
        serving.cancel()
        await bus.close()
    }
}

/// Runs `body` with a stack of its own, and people who may ask its management port.
func withOperators(
    _ settings: [String: String] = [:], isolation: isolated (any Actor)? = #isolation,
    _ body: (MQTTStack, UsersByContract) async throws -> Void
) async throws {
    try await withMQTT(settings) { stack in
        let users = try await UsersByContract(stack)
        do {
            try await body(stack, users)
        } catch {
            await users.stop()
            throw error
        }
        await users.stop()
    }
}
