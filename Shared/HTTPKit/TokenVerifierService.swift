// SPDX-License-Identifier: Apache-2.0
import Identity
import ServiceKit

/// Keeps a verifier's keys and revocations fresh until the service stops; a service whose routes ask for persons runs it beside its server.
public struct TokenVerifierService: Service, CustomStringConvertible {
    private let verifier: BusTokenVerifier

    public var description: String { "tokens" }

    public init(_ verifier: BusTokenVerifier) { self.verifier = verifier }

    public func run() async throws {
        try await cancelWhenGracefulShutdown {
            do {
                try await verifier.run()
            } catch {
                // How its work ends when it is told to stop is no failure.
                guard Task.isCancelled else { throw error }
            }
        }
    }
}
