// SPDX-License-Identifier: Apache-2.0
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
