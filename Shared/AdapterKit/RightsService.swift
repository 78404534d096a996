// SPDX-License-Identifier: Apache-2.0
import Identity
import ServiceKit

/// Hears of changed rights as long as the adapter runs.
public struct RightsService: Service, CustomStringConvertible {
    private let authenticator: ThingAuthenticator

    public var description: String { "rights" }

    public init(_ authenticator: ThingAuthenticator) { self.authenticator = authenticator }

    public func run() async throws {
        await cancelWhenGracefulShutdown { await self.authenticator.run() }
    }
}

/// Keeps people's rights fresh as long as the adapter runs: what verifies their tokens, and what ends their live streams.
public struct PersonRightsService: Service, CustomStringConvertible {
    private let authenticator: PersonAuthenticator
    private let verifier: BusTokenVerifier

    public var description: String { "people's rights" }

    public init(_ authenticator: PersonAuthenticator, verifier: BusTokenVerifier) {
        self.authenticator = authenticator
        self.verifier = verifier
    }

    public func run() async throws {
        try await cancelWhenGracefulShutdown {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await self.authenticator.run() }
                group.addTask {
                    do {
                        try await self.verifier.run()
                    } catch {
                        // How its work ends when it is told to stop is no failure.
                        guard Task.isCancelled else { throw error }
                    }
                }
                try await group.waitForAll()
            }
        }
    }
}
